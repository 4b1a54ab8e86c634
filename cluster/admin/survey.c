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

static void on_back(struct work_item *item);

static void on_shard(struct work_item *item)
{
    struct survey_shard *s = item->data;
    struct broker *b = s->survey->broker;
    for (unsigned i = 0; i < s->survey->group_count; i++)
        if (b->groups[i] != NULL && b->groups[i]->shard == b->shards[s->index])
            look_at(b->groups[i], &s->survey->groups[i]);
    shard_post(s->survey->call_shard, &s->item, on_back);
}

/* ---- on the port's thread ---- */

static void free_when_over(struct survey *survey)
{
    if (survey->waiting_count > 0 || !survey->is_timer_closed)
        return;
    survey->admin->survey_count--;
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
    struct survey *survey = calloc(1, sizeof *survey + b->group_count * sizeof survey->groups[0]);
    if (survey == NULL)
        return NULL;
    survey->admin = call->admin;
    survey->call_shard = call->admin->shard;
    survey->call = call;
    survey->broker = b;
    survey->cb = cb;
    survey->group_count = b->group_count;
    survey->shard_count = survey->waiting_count = b->shard_count;
    return survey;
}

void survey_start(struct admin_call *call, survey_cb cb)
{
    struct admin *a = call->admin;
    if (a->survey_count >= SURVEYS_MAX) {
        call_refuse_err(call, ERR_BUSY, "too many requests wait for this node's threads");
        return;
    }
    struct survey *survey = create(call, cb);
    if (survey == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL); /* no memory */
        return;
    }
    a->survey_count++;
    call->data = survey;
    call->on_abandoned = on_abandoned;
    uv_timer_init(shard_loop(a->shard), &survey->timer);
    survey->timer.data = survey;
    uv_timer_start(&survey->timer, on_timeout, SURVEY_MS_MAX, 0);
    for (unsigned i = 0; i < survey->shard_count; i++) {
        struct survey_shard *s = &survey->shards[i];
        s->survey = survey;
        s->index = i;
        s->item.data = s;
        shard_post(call->broker->shards[i], &s->item, on_shard);
    }
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
