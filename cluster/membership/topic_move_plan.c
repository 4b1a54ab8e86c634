/* Which partitions would move where, and the start of what was planned.
 *
 * Balance: a group's leader does the work of all its partitions, and groups' leaders are spread
 * over the nodes; so partitions even over the groups are even over nodes and sites. A plan takes
 * from the fullest group and gives to the emptiest one with the same nodes, replication and home
 * site, until no two differ by more than one: the fewest moves that get there, and no group both
 * gives and takes. For one topic, only its own partitions are counted. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "membership/node_drive.h"
#include "membership/topic_move.h"

const char *topic_move_phase_name(enum metadata_move_phase phase)
{
    return phase == METADATA_MOVE_CLOSING   ? "closing"
           : phase == METADATA_MOVE_OPENING ? "opening"
                                            : "settling";
}

static int refuse(struct err_note *note, int err, const struct metadata_topic *t, int32_t partition,
                  uint32_t group_id)
{
    const char *why = err == ERR_NOT_FOUND ? "there is no such partition"
                      : err == ERR_EXISTS  ? "it is moving already"
                      : err == ERR_CANT_CHANGE
                          ? "the two groups are on different nodes, or one of them is giving a "
                            "partition while the other takes one"
                      : err == ERR_FULL ? "too many partitions are moving"
                                        : "it can't be there: no such group, or it is there";
    return err_set(note, err, "%s-%d to group %u: %s", t->name, partition, group_id, why);
}

/* Files change hands on the nodes where both groups vote: so where they do is at rest before. Group
 * 0 can't know, for it has no raft configuration but its own; what comes between only delays. */
static int check_at_rest(struct broker *b, uint32_t group_id, struct err_note *note)
{
    const struct metadata_group *group = metadata_group_by_id(b->metadata, group_id);
    if (group == NULL || !node_drive_is_moving(b, group))
        return 0; /* the other checks say that there is none */
    return err_set(note, ERR_CANT_CHANGE,
                   "raft group %u has no leader, or its replicas are on their way between nodes: "
                   "wait until none is moving",
                   group_id);
}

static int check(struct broker *b, const struct metadata_topic *t, int32_t partition,
                 uint32_t to_group, struct err_note *note)
{
    const struct metadata_group *group = metadata_group_by_id(b->metadata, to_group);
    struct metadata_wish wish;
    metadata_topic_wish(t, &wish);
    int err = metadata_move_check(b->metadata, t, partition, to_group);
    if (err != 0)
        return refuse(note, err, t, partition, to_group);
    if (!metadata_group_serves(group, &wish))
        return err_set(note, ERR_INVALID,
                       "%s-%d to group %u: it is for topics of another replication or home site, "
                       "which the topic's configs say",
                       t->name, partition, to_group);
    err = check_at_rest(b, t->partitions[partition].group_id, note);
    return err == 0 ? check_at_rest(b, to_group, note) : err;
}

/* Coordinators of consumer groups would have to hand their sessions over. */
static bool does_not_move(const struct metadata_topic *t)
{
    return t->is_internal;
}

static bool add(const struct metadata *m, struct topic_move_plan *plan,
                const struct metadata_topic *t, int32_t partition, uint32_t to_group)
{
    if (plan->count == TOPIC_MOVE_PLAN_MAX) {
        plan->is_more = true;
        return false;
    }
    struct topic_move_item *item = &plan->items[plan->count++];
    uint32_t from_group = t->partitions[partition].group_id;
    *item = (struct topic_move_item){
        .partition = partition,
        .from_group = from_group,
        .to_group = to_group,
        .from_leader = metadata_group_by_id(m, from_group)->preferred_node_id,
        .to_leader = metadata_group_by_id(m, to_group)->preferred_node_id};
    bytes_copy_text(item->topic, sizeof item->topic, t->name);
    memcpy(item->topic_id, t->id, sizeof item->topic_id);
    return true;
}

static int plan_to_group(struct broker *b, const struct metadata_topic *t,
                         const struct topic_move_wish *wish, struct topic_move_plan *plan,
                         struct err_note *note)
{
    int32_t first = wish->partition < 0 ? 0 : wish->partition;
    int32_t end = wish->partition < 0 ? t->partition_count : wish->partition + 1;
    for (int32_t i = first; i < end; i++) {
        bool is_there = i < t->partition_count && t->partitions[i].group_id == wish->to_group;
        if (is_there && wish->partition < 0)
            continue;
        int err = check(b, t, i, wish->to_group, note);
        if (err != 0)
            return err;
        if (!add(b->metadata, plan, t, i, wish->to_group))
            break;
    }
    return 0;
}

/* ---- balance ---- */

struct balance {
    const struct metadata *m;
    const struct metadata_topic *topic; /* NULL: all */
    struct topic_move_plan *plan;
    unsigned counts[METADATA_GROUPS_MAX]; /* partitions, by group id, as they will be */
    uint32_t from, to;                    /* of the next move */
    bool is_found;
};

static void count_topic(void *data, const struct metadata_topic *t)
{
    struct balance *b = data;
    if (b->topic != NULL && t != b->topic)
        return;
    for (int32_t i = 0; i < t->partition_count; i++)
        b->counts[t->partitions[i].group_id]++;
}

static bool is_planned(const struct topic_move_plan *plan, const struct metadata_topic *t,
                       int32_t partition)
{
    for (unsigned i = 0; i < plan->count; i++)
        if (plan->items[i].partition == partition && strcmp(plan->items[i].topic, t->name) == 0)
            return true;
    return false;
}

static void take_one(void *data, const struct metadata_topic *t)
{
    struct balance *b = data;
    if (b->is_found || (b->topic != NULL && t != b->topic) || does_not_move(t))
        return;
    for (int32_t i = 0; i < t->partition_count && !b->is_found; i++)
        if (t->partitions[i].group_id == b->from && !is_planned(b->plan, t, i) &&
            metadata_move_check(b->m, t, i, b->to) == 0)
            b->is_found = add(b->m, b->plan, t, i, b->to);
}

/* The fullest of groups and the emptiest, between which something can move; false: none. */
static bool move_one(struct balance *b)
{
    unsigned group_count = metadata_group_count(b->m);
    unsigned widest = 1;
    for (uint32_t from = 1; from < group_count; from++)
        for (uint32_t to = 1; to < group_count; to++)
            if (b->counts[from] > b->counts[to] + widest &&
                metadata_groups_serve_alike(metadata_group_by_id(b->m, from),
                                            metadata_group_by_id(b->m, to))) {
                widest = b->counts[from] - b->counts[to];
                b->from = from;
                b->to = to;
            }
    if (widest == 1)
        return false;
    b->is_found = false;
    metadata_each_topic(b->m, take_one, b);
    if (!b->is_found)
        return false;
    b->counts[b->from]--;
    b->counts[b->to]++;
    return true;
}

static int plan_balance(struct broker *b, const struct metadata_topic *t,
                        struct topic_move_plan *plan, struct err_note *note)
{
    static _Thread_local struct balance balance;
    int err = 0;
    for (uint32_t id = 1; id < metadata_group_count(b->metadata) && err == 0; id++)
        err = check_at_rest(b, id, note);
    if (err != 0)
        return err;
    balance = (struct balance){.m = b->metadata, .topic = t, .plan = plan};
    metadata_each_topic(b->metadata, count_topic, &balance);
    while (move_one(&balance))
        ;
    return 0;
}

static int plan_locked(struct broker *b, const struct topic_move_wish *wish,
                       struct topic_move_plan *plan, struct err_note *note)
{
    const struct metadata *m = b->metadata;
    const struct metadata_topic *t = NULL;
    if (wish->topic[0] != '\0') {
        t = metadata_topic_by_name(m, wish->topic, strlen(wish->topic));
        if (t == NULL)
            return err_set(note, ERR_NOT_FOUND, "there is no topic %s", wish->topic);
        if (does_not_move(t))
            return err_set(note, ERR_INVALID, "%s carries consumer groups, which stay", t->name);
    }
    if (t == NULL && (wish->to_group != 0 || wish->partition >= 0))
        return err_set(note, ERR_INVALID, "a group or a partition wants a topic");
    if (wish->to_group != 0)
        return plan_to_group(b, t, wish, plan, note);
    if (wish->partition >= 0)
        return err_set(note, ERR_INVALID, "one partition wants a group to move to");
    return plan_balance(b, t, plan, note);
}

int topic_move_plan(struct broker *b, const struct topic_move_wish *wish,
                    struct topic_move_plan *plan, struct err_note *note)
{
    plan->count = 0;
    plan->is_more = false;
    metadata_read_lock(b->metadata);
    int err = plan_locked(b, wish, plan, note);
    metadata_read_unlock(b->metadata);
    return err;
}

/* ---- the start ---- */

static void start_next(struct topic_move_request *req);

static void on_started(struct controller_change *change, int status)
{
    struct topic_move_request *req = change->data;
    int err = status != 0 ? status : change->result.error;
    if (err == 0)
        req->started++;
    else if (req->status == 0)
        req->status = err;
    start_next(req);
}

static void start_next(struct topic_move_request *req)
{
    if (req->next == req->plan->count || req->status != 0) {
        req->cb(req, req->status);
        return;
    }
    const struct topic_move_item *item = &req->plan->items[req->next++];
    struct metadata_change change = {.kind = METADATA_MOVE};
    memcpy(change.id, item->topic_id, sizeof change.id);
    change.move.step = METADATA_MOVE_START;
    change.move.partition = item->partition;
    change.move.group_id = item->to_group;
    req->change = (struct controller_change){
        .data = req, .home = req->home, .timeout_ms = req->timeout_ms};
    if (metadata_change_encode(&change, &req->change.body, &req->change.body_size) != 0)
        req->change.body = NULL; /* the controller answers that there is no memory */
    controller_propose(req->broker->controller, &req->change, on_started);
}

static void on_home(struct work_item *item)
{
    start_next(item->data);
}

void topic_move_start(struct broker *b, struct topic_move_request *req, topic_move_cb cb)
{
    req->broker = b;
    req->cb = cb;
    req->next = req->started = 0;
    req->status = 0;
    req->change = (struct controller_change){0};
    req->change.item.data = req;
    shard_post(req->home, &req->change.item, on_home);
}

/* ---- the list ---- */

static void fill_view(const struct metadata *m, const struct metadata_move *move,
                      struct topic_move_view *view)
{
    const struct metadata_group *to = metadata_group_by_id(m, move->to.group_id);
    *view = (struct topic_move_view){.partition = move->partition,
                                     .from_group = move->from.group_id,
                                     .to_group = move->to.group_id,
                                     .phase = move->phase};
    bytes_copy_text(view->topic, sizeof view->topic, metadata_topic_by_id(m, move->topic_id)->name);
    for (unsigned i = 0; i < to->node_count; i++) {
        bool is_taken = false;
        for (unsigned n = 0; n < move->taken_count; n++)
            is_taken |= move->taken_by[n] == to->node_ids[i];
        if (!is_taken)
            view->missing[view->missing_count++] = to->node_ids[i];
    }
}

unsigned topic_move_list(struct broker *b, struct topic_move_view *views, unsigned count_max)
{
    metadata_read_lock(b->metadata);
    unsigned count = metadata_move_count(b->metadata);
    for (unsigned i = 0; i < count && i < count_max; i++)
        fill_view(b->metadata, metadata_move_at(b->metadata, i), &views[i]);
    metadata_read_unlock(b->metadata);
    return count;
}
