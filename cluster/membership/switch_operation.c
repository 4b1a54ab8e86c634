/* The plan looks at every leader that would move: who takes it, and how far that one is. What is
 * planned is checked on the node that is asked; group 0 checks only what may follow what, for lag
 * is not in its log. */
#include "membership/switch_operation.h"

#include <string.h>

#include "membership/lag.h"
#include "membership/switch_drive.h"

static bool stands_in(const struct metadata *m, uint32_t node_id, const char *site)
{
    const struct metadata_node *node = metadata_node_by_id(m, node_id);
    return node != NULL && strcmp(node->site, site) == 0;
}

/* ---- may it be? ---- */

static bool has_site(const struct metadata *m, const char *site)
{
    bool has_it = false;
    for (unsigned i = 0; i < metadata_node_count(m) && !has_it; i++)
        has_it = metadata_node_at(m, i)->state != METADATA_NODE_GONE &&
                 strcmp(metadata_node_at(m, i)->site, site) == 0;
    return has_it;
}

static int check_back(const struct metadata_switch *s, struct err_note *note)
{
    if (s->phase == METADATA_SWITCH_NONE)
        return err_set(note, ERR_NOT_FOUND, "no switch stands that could be taken back");
    if (s->phase != METADATA_SWITCH_STANDING)
        return err_set(note, ERR_EXISTS, "the switch of site %s is still under way", s->from);
    return 0;
}

static int check_begin(const struct metadata *m, const struct switch_wish *w, struct err_note *note)
{
    const struct metadata_switch *s = metadata_switch_of(m);
    if (!has_site(m, w->from))
        return err_set(note, ERR_NOT_FOUND, "there is no site %s", w->from);
    if (w->to[0] != '\0' && !has_site(m, w->to))
        return err_set(note, ERR_NOT_FOUND, "there is no site %s", w->to);
    if (strcmp(w->from, w->to) == 0)
        return err_set(note, ERR_INVALID, "a switch goes from one site to another");
    if (s->phase == METADATA_SWITCH_STANDING)
        return err_set(note, ERR_EXISTS,
                       "site %s is switched away already: take that back first (--back)", s->from);
    if (s->phase != METADATA_SWITCH_NONE)
        return err_set(note, ERR_EXISTS, "the switch of site %s is still under way", s->from);
    return 0;
}

static int check(const struct metadata *m, const struct switch_wish *w, struct err_note *note)
{
    if (metadata_group_count(m) == 0)
        return err_set(note, ERR_CANT_CHANGE, "this node does not know the cluster yet");
    return w->is_back ? check_back(metadata_switch_of(m), note) : check_begin(m, w, note);
}

/* ---- who moves where ---- */

/* The site that an asynchronous group's voters are to go to, when it concerns them. */
static const char *site_of_voters(const struct metadata *m, const struct metadata_group *group,
                                  const struct switch_plan *plan, const struct switch_wish *w)
{
    const char *left = w->is_back ? plan->to : plan->from;
    if (group->mode != METADATA_ASYNC || strcmp(group->home_site, left) != 0)
        return NULL;
    return w->is_back ? group->home_site : metadata_home_if(m, group, plan->from, plan->to);
}

/* A voter of the target, or where the group has none any of another site, as metadata_leader_of()
 * will have it once the switch stands. */
static uint32_t target_of(const struct metadata *m, const struct metadata_group *group,
                          const struct switch_wish *w)
{
    if (w->is_back)
        return group->preferred_node_id;
    if (!stands_in(m, group->preferred_node_id, w->from))
        return group->preferred_node_id;
    return metadata_leader_if(m, group, w->from, w->to);
}

/* What a node that is gone was told to lack says nothing of how it is. */
static void fill_lag(struct broker *b, struct switch_move *move)
{
    struct lag_view view;
    bool is_heard = move->to_node == (uint32_t)b->conf.node_id ||
                    repl_node_is_alive(b->node, move->to_node);
    bool is_told = is_heard && lag_of(b, move->group_id, move->to_node, &view) &&
                   view.certainty != LAG_UNKNOWN;
    move->is_level = is_told && view.is_level;
    move->lag_records = is_told ? view.records : 0;
    move->lag_bytes = is_told ? view.bytes : 0;
    move->lag_ms = is_told ? view.ms : UINT64_MAX;
}

static void add_move(const struct switch_move *move, struct switch_plan *plan)
{
    struct switch_move *into = &plan->moves[plan->count++];
    *into = *move;
    plan->lag_records += into->lag_records;
    plan->lag_bytes += into->lag_bytes;
    if (into->lag_ms != UINT64_MAX && into->lag_ms > plan->lag_ms)
        plan->lag_ms = into->lag_ms;
}

/* All its replicas there are to vote: it waits for the one that lags most, and that one is told. */
static void move_voters(struct broker *b, const struct metadata_group *group, const char *site,
                        struct switch_plan *plan)
{
    uint32_t leader = broker_group_leader(b, group->group_id, NULL);
    struct switch_move worst = {0};
    if (stands_in(b->metadata, leader, site))
        return;
    for (unsigned i = 0; i < group->node_count; i++) {
        struct switch_move move = {
            .group_id = group->group_id, .from_node = leader, .to_node = group->node_ids[i]};
        if (!stands_in(b->metadata, move.to_node, site))
            continue;
        fill_lag(b, &move);
        if (worst.to_node == 0 || move.lag_ms > worst.lag_ms)
            worst = move;
    }
    if (worst.to_node != 0)
        add_move(&worst, plan);
}

static void fill_moves(struct broker *b, const struct switch_wish *w, struct switch_plan *plan)
{
    const struct metadata *m = b->metadata;
    for (unsigned i = 0; i < metadata_group_count(m); i++) {
        const struct metadata_group *group = metadata_group_at(m, i);
        const char *site = site_of_voters(m, group, plan, w);
        if (site != NULL) {
            move_voters(b, group, site, plan);
            continue;
        }
        struct switch_move move = {.group_id = group->group_id,
                                   .from_node = broker_group_leader(b, group->group_id, NULL),
                                   .to_node = target_of(m, group, w)};
        bool is_concerned = stands_in(m, group->preferred_node_id, plan->from) ||
                            stands_in(m, move.from_node, plan->from);
        if (w->is_back)
            is_concerned = stands_in(m, group->preferred_node_id, plan->to);
        if (is_concerned && move.from_node != move.to_node) {
            fill_lag(b, &move);
            add_move(&move, plan);
        }
    }
}

static int check_lag(const struct switch_plan *plan, const struct switch_wish *w,
                     struct err_note *note)
{
    for (unsigned i = 0; i < plan->count; i++) {
        const struct switch_move *move = &plan->moves[i];
        if (move->lag_ms == UINT64_MAX && w->is_back)
            continue; /* who goes home waits for home to be level, whenever that is heard */
        if (move->lag_ms == UINT64_MAX)
            return err_set(note, ERR_CANT_CHANGE,
                           "nobody tells how far node %u is in raft group %u: has it a leader, and "
                           "is the node up?",
                           move->to_node, move->group_id);
        if (move->lag_ms > (uint64_t)w->lag_ms_max)
            return err_set(note, ERR_CANT_CHANGE,
                           "node %u lags %llu ms in raft group %u, and at most %lld ms are allowed",
                           move->to_node, (unsigned long long)move->lag_ms, move->group_id,
                           (long long)w->lag_ms_max);
    }
    return 0;
}

int switch_operation_plan(struct broker *b, const struct switch_wish *w, struct switch_plan *plan,
                          struct err_note *note)
{
    memset(plan, 0, sizeof *plan);
    metadata_read_lock(b->metadata);
    const struct metadata_switch *s = metadata_switch_of(b->metadata);
    int err = check(b->metadata, w, note);
    memcpy(plan->from, w->is_back ? s->to : w->from, sizeof plan->from);
    memcpy(plan->to, w->is_back ? s->from : w->to, sizeof plan->to);
    if (err == 0)
        fill_moves(b, w, plan);
    metadata_read_unlock(b->metadata);
    plan->pause_ms = switch_expected_pause_ms(b);
    return err != 0 ? err : check_lag(plan, w, note);
}

/* ---- begin ---- */

static void on_change(struct controller_change *change, int status)
{
    struct switch_request *req = change->data;
    int err = status != 0 ? status : change->result.error;
    if (err != 0)
        err_set(&req->note, err, "%s", err_text(err));
    if (err == ERR_EXISTS)
        err_set(&req->note, err, "another switch was begun meanwhile");
    metadata_read_lock(req->broker->metadata);
    req->epoch = metadata_switch_of(req->broker->metadata)->epoch;
    metadata_read_unlock(req->broker->metadata);
    req->cb(req, err);
}

void switch_operation_start(struct broker *b, struct switch_request *req,
                            const struct switch_plan *plan, switch_operation_cb cb)
{
    struct metadata_switch_change c = {
        .step = req->wish.is_back ? METADATA_SWITCH_BACK : METADATA_SWITCH_BEGIN,
        .deadline_ms = req->wish.deadline_ms,
        .row = {.group_count = plan->count, .forecast_pause_ms = plan->pause_ms}};
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = &c};
    if (!req->wish.is_back) {
        memcpy(c.row.from, req->wish.from, sizeof c.row.from);
        memcpy(c.row.to, req->wish.to, sizeof c.row.to);
    }
    req->cb = cb;
    req->broker = b;
    req->change = (struct controller_change){
        .data = req, .home = req->home, .timeout_ms = req->timeout_ms};
    if (metadata_change_encode(&change, &req->change.body, &req->change.body_size) != 0)
        req->change.body = NULL; /* told by the controller */
    controller_propose(b->controller, &req->change, on_change);
}
