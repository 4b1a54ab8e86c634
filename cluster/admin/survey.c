/* Gathered on the shards, put together on the port's thread: see the header. */
#include "admin/survey.h"

#include <stdlib.h>

/* ---- on a shard ---- */

static void count_partition(void *data, struct partition *p)
{
    struct survey_group *view = data;
    view->partition_count++;
    view->tail_bytes += log_partition_tail_bytes(p->log);
    view->unflushed_bytes += log_partition_unflushed_bytes(p->log);
}

static bool is_share_known(const struct repl_replica_status *r)
{
    return r->lag_records > 0 && r->match_index > 0;
}

static void add_shares(struct broker_group *g, struct survey_group *view,
                       const struct repl_replica_status *r, struct repl_lag_share *shares)
{
    unsigned count = repl_group_lag_shares(g->raft, r->match_index, shares);
    for (unsigned i = 0; i < count && view->share_count < SURVEY_SHARES_MAX; i++)
        view->shares[view->share_count++] = (struct survey_share){
            .node_id = repl_raft_id_node(r->member.raft_id), .share = shares[i]};
}

/* Without memory nothing is told apart. */
static void gather_shares(struct broker_group *g, struct survey_group *view)
{
    bool is_behind = false;
    for (unsigned i = 0; i < view->raft.replica_count; i++)
        is_behind |= is_share_known(&view->raft.replicas[i]);
    if (!view->is_serving || !is_behind)
        return;
    struct repl_lag_share *shares = malloc(REPL_SHARES_MAX * sizeof *shares);
    view->shares = malloc(SURVEY_SHARES_MAX * sizeof *view->shares);
    for (unsigned i = 0; i < view->raft.replica_count && shares != NULL && view->shares != NULL;
         i++)
        if (is_share_known(&view->raft.replicas[i]))
            add_shares(g, view, &view->raft.replicas[i], shares);
    free(shares);
}

static void gather_lost(struct broker_group *g, const struct lost_sites *sites,
                        struct survey_group *view)
{
    view->lost = malloc(sizeof *view->lost);
    if (view->lost != NULL)
        lost_members_count(g, sites, view->lost);
}

static void look_at(struct broker_group *g, struct survey_group *view)
{
    view->is_serving = machine_is_ready(g->machine);
    repl_group_status(g->raft, &view->raft);
    repl_group_counters(g->raft, &view->counters);
    machine_counters(g->machine, &view->machine);
    machine_each_partition(g->machine, count_partition, view);
    view->is_tail_full = g->is_tail_full;
    view->is_holding_producers = g->stalled_first != NULL;
    log_store_damage(g->store, &view->damage);
    view->is_known = true;
}

static void look_further(struct survey_shard *s, struct broker_group *g)
{
    const struct survey_look *look = &s->survey->look;
    look_at(g, &s->survey->groups[g->group_id]);
    if (look->look != NULL)
        look->look(look->data, s->index, g);
}

static void on_back(struct work_item *item);

static void on_shard(struct work_item *item)
{
    struct survey_shard *s = item->data;
    struct broker *b = s->survey->broker;
    for (unsigned i = 0; i < s->survey->group_count; i++)
        if (b->groups[i] != NULL && b->groups[i]->shard == b->shards[s->index]) {
            look_further(s, b->groups[i]);
            if (s->survey->has_detail)
                survey_detail_take(&s->detail, b->groups[i]);
            if (s->survey->wants_shares)
                gather_shares(b->groups[i], &s->survey->groups[i]);
            if (s->survey->lost_sites.count > 0)
                gather_lost(b->groups[i], &s->survey->lost_sites, &s->survey->groups[i]);
        }
    shard_post(s->survey->call_shard, &s->item, on_back);
}

/* ---- on the port's thread ---- */

static void free_when_over(struct survey *survey)
{
    if (survey->waiting_count > 0 || !survey->is_timer_closed)
        return;
    survey->admin->survey_count--;
    for (unsigned i = 0; i < survey->shard_count; i++)
        survey_detail_close(&survey->shards[i].detail);
    for (unsigned i = 0; i < survey->group_count; i++) {
        free(survey->groups[i].shares);
        free(survey->groups[i].lost);
    }
    if (survey->look.free != NULL)
        survey->look.free(survey->look.data);
    free(survey);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct survey *survey = handle->data;
    survey->is_timer_closed = true;
    free_when_over(survey);
}

static void finish(struct survey *survey)
{
    struct admin_call *call = survey->call;
    survey->call = NULL;
    uv_close((uv_handle_t *)&survey->timer, on_timer_closed);
    survey->cb(call, survey);
}

static void on_abandoned(struct admin_call *call)
{
    struct survey *survey = call->data;
    survey->call = NULL;
    uv_close((uv_handle_t *)&survey->timer, on_timer_closed);
}

static void on_back(struct work_item *item)
{
    struct survey_shard *s = item->data;
    struct survey *survey = s->survey;
    s->has_answered = true;
    survey->waiting_count--;
    if (survey->waiting_count == 0 && survey->call != NULL)
        finish(survey);
    else
        free_when_over(survey);
}

static void on_timeout(uv_timer_t *timer)
{
    finish(timer->data);
}

static struct survey *create(struct admin_call *call, survey_cb cb)
{
    struct broker *b = call->broker;
    unsigned group_count = b->group_count; /* it may rise */
    struct survey *survey = calloc(1, sizeof *survey + group_count * sizeof survey->groups[0]);
    if (survey == NULL)
        return NULL;
    survey->admin = call->admin;
    survey->call_shard = call->admin->shard;
    survey->call = call;
    survey->broker = b;
    survey->cb = cb;
    survey->group_count = group_count;
    survey->shard_count = survey->waiting_count = b->shard_count;
    return survey;
}

bool survey_has_all(const struct survey *survey)
{
    return survey->waiting_count == 0;
}

struct wish {
    bool has_detail;
    size_t commits_max;
    bool wants_shares;
    struct survey_look look;
    const struct lost_sites *lost_sites;
};

static void start(struct admin_call *call, struct wish wish, survey_cb cb)
{
    struct admin *a = call->admin;
    bool has_room = a->survey_count < SURVEYS_MAX;
    struct survey *survey = has_room ? create(call, cb) : NULL;
    if (survey == NULL && wish.look.free != NULL)
        wish.look.free(wish.look.data);
    if (!has_room) {
        call_refuse_err(call, ERR_BUSY, "too many requests wait for this node's threads");
        return;
    }
    if (survey == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL); /* no memory */
        return;
    }
    survey->look = wish.look;
    a->survey_count++;
    survey->has_detail = wish.has_detail;
    survey->wants_shares = wish.wants_shares;
    if (wish.lost_sites != NULL)
        survey->lost_sites = *wish.lost_sites;
    call->data = survey;
    call->on_abandoned = on_abandoned;
    uv_timer_init(shard_loop(a->shard), &survey->timer);
    survey->timer.data = survey;
    uv_timer_start(&survey->timer, on_timeout, SURVEY_MS_MAX, 0);
    for (unsigned i = 0; i < survey->shard_count; i++) {
        struct survey_shard *s = &survey->shards[i];
        s->survey = survey;
        s->index = i;
        s->detail.commits_max = wish.commits_max;
        s->item.data = s;
        shard_post(call->broker->shards[i], &s->item, on_shard);
    }
}

void survey_start(struct admin_call *call, survey_cb cb)
{
    start(call, (struct wish){0}, cb);
}

void survey_start_with(struct admin_call *call, survey_cb cb, const struct survey_look *look)
{
    start(call, (struct wish){.look = *look}, cb);
}

void survey_start_detailed(struct admin_call *call, size_t commits_max, survey_cb cb)
{
    start(call, (struct wish){.has_detail = true, .commits_max = commits_max}, cb);
}

void survey_start_whole(struct admin_call *call, size_t commits_max, const struct survey_look *look,
                        survey_cb cb)
{
    start(call,
          (struct wish){
              .has_detail = true, .commits_max = commits_max, .wants_shares = true, .look = *look},
          cb);
}

void survey_start_with_shares(struct admin_call *call, survey_cb cb)
{
    start(call, (struct wish){.wants_shares = true}, cb);
}

void survey_start_with_lost(struct admin_call *call, const struct lost_sites *sites, survey_cb cb)
{
    start(call, (struct wish){.lost_sites = sites}, cb);
}

const struct survey_group *survey_group(const struct survey *survey, uint32_t group_id)
{
    const struct broker_group *g = broker_group(survey->broker, group_id);
    if (g == NULL || group_id >= survey->group_count ||
        !survey->shards[shard_index(g->shard)].has_answered)
        return NULL;
    const struct survey_group *view = &survey->groups[group_id];
    return view->is_known ? view : NULL;
}

void survey_damage(const struct survey *survey, struct log_damage_status *sum)
{
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        if (view == NULL)
            continue;
        sum->files_found += view->damage.files_found;
        sum->segments_repaired += view->damage.segments_repaired;
        sum->suspected += view->damage.suspected;
        sum->damaged += view->damage.damaged;
        sum->not_repairable += view->damage.not_repairable;
    }
}
