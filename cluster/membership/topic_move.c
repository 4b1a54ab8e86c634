/* What one replica does for the partitions that move from or to its group.
 *
 * Each tick asks, per move, what is to be done (state/move_step.c), and does it unless the same is
 * under way: an entry proposed, a change on its way to group 0, the state on its way from the old
 * group's shard. The answer is not believed: the next tick looks again. */
#include "membership/topic_move.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/err.h"
#include "base/event.h"
#include "cluster/move_step.h"
#include "topic_config.h"

#define AGAIN_MS          200 /* after what did not lead on */
#define REPORT_TIMEOUT_MS 5000

struct move_key {
    uint8_t topic_id[16];
    int32_t partition;
    uint32_t from_number; /* another move of the same partition is another work */
};

/* One move, as far as this replica has to do with it. */
struct topic_move_work {
    struct move_key key;
    UT_hash_handle hh;
    struct broker_group *group;
    struct metadata_move move;       /* as last seen */
    bool is_busy;                    /* one task at a time */
    uint64_t again_at_ms;            /* not before */
    struct machine_request request;  /* an entry that is proposed */
    struct controller_change change; /* a report */
    struct work_item visit;          /* to the old group's shard and back */
    struct metadata_partition left;  /* what is visited: `move` is copied anew meanwhile */
    uint8_t *state;                  /* what it brought; owned */
    size_t state_size;
    uint32_t position; /* of it, proposed so far */
    int status;
};

static void done(struct topic_move_work *w, bool is_well)
{
    uint64_t now_ms = clock_now_ms(&w->group->broker->clock);
    w->is_busy = false;
    w->again_at_ms = is_well ? now_ms : now_ms + AGAIN_MS;
}

static struct move_replica replica_of(struct broker_group *g)
{
    return (struct move_replica){.machine = g->machine,
                                 .group_id = g->group_id,
                                 .node_id = (uint32_t)g->broker->conf.node_id,
                                 .checkpoint_index = log_store_state(g->store)->index};
}

/* ---- entries ---- */

static void on_applied(struct machine_request *req, int status)
{
    struct topic_move_work *w = req->data;
    done(w, status == 0);
}

static int propose(struct topic_move_work *w, uint32_t number, struct slice body, machine_cb cb)
{
    w->request = (struct machine_request){.data = w};
    w->request.submit.head.kind = ENTRY_PARTITION_STATE;
    w->request.submit.head.partition_number = number;
    w->request.submit.body = body;
    int err = machine_submit(w->group->machine, &w->request, cb);
    buffer_unref(body.owner);
    return err;
}

static int propose_task(struct topic_move_work *w, enum move_task task)
{
    struct broker_group *g = w->group;
    struct move_replica here = replica_of(g);
    struct buffer *buffer = buffer_create(PARTITION_STATE_SIZE);
    if (buffer == NULL)
        return UV_ENOMEM;
    metadata_read_lock(g->broker->metadata);
    uint64_t version = metadata_version(g->broker->metadata);
    metadata_read_unlock(g->broker->metadata);
    uint32_t number = move_entry_body(&w->move, task, &here, version, buffer->data);
    struct slice body = {.owner = buffer, .bytes = bytes_of(buffer->data, PARTITION_STATE_SIZE)};
    return propose(w, number, body, on_applied);
}

/* ---- opening: the state comes from the old group's replica on this node ---- */

static int propose_piece(struct topic_move_work *w);

static void on_piece(struct machine_request *req, int status)
{
    struct topic_move_work *w = req->data;
    bool is_well = status == 0 && req->result.error == 0;
    if (is_well && w->position < w->state_size && propose_piece(w) == 0)
        return;
    if (is_well)
        w->group->moved_in_at_ms = clock_now_ms(&w->group->broker->clock);
    if (is_well && w->position == w->state_size)
        event_info("partition_moved_in", "group=%u number=%u from_group=%u offset=%lld",
                   w->group->group_id, w->move.to.number, w->move.from.group_id,
                   (long long)w->move.offset);
    else if (status == 0 && req->result.error != ERR_EXISTS)
        event_warn("move_refused", "group=%u number=%u error=%s", w->group->group_id,
                   w->move.to.number, err_name(req->result.error));
    free(w->state);
    w->state = NULL;
    done(w, is_well && w->position == w->state_size);
}

static bool fill_opening(struct topic_move_work *w, struct move_opening *opening)
{
    struct broker *b = w->group->broker;
    struct topic_settings settings;
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = metadata_topic_by_id(b->metadata, w->move.topic_id);
    if (t != NULL) {
        topic_settings_of(t, &b->conf, &settings);
        opening->settings = topic_log_settings(&settings, &b->conf);
        opening->flags = t->is_internal ? PARTITION_IS_OFFSETS : 0;
        opening->metadata_version = metadata_version(b->metadata);
        opening->first_offset = metadata_first_offset(b->metadata, &w->move.to);
    }
    metadata_read_unlock(b->metadata);
    return t != NULL;
}

static int propose_piece(struct topic_move_work *w)
{
    struct move_opening opening = {.move = &w->move, .state = bytes_of(w->state, w->state_size)};
    struct slice body;
    if (!fill_opening(w, &opening))
        return ERR_NOT_FOUND;
    int64_t next = move_opening_piece(&opening, w->position, &body);
    if (next < 0)
        return (int)next;
    int err = propose(w, w->move.to.number, body, on_piece);
    if (err == 0)
        w->position = (uint32_t)next;
    return err;
}

static void on_state_here(struct work_item *item)
{
    struct topic_move_work *w = item->data;
    w->position = 0;
    if (w->status == 0 && propose_piece(w) == 0)
        return;
    free(w->state);
    w->state = NULL;
    w->is_busy = false; /* ERR_BUSY: the old group's checkpoint is under way */
}

static void on_old_shard(struct work_item *item)
{
    struct topic_move_work *w = item->data;
    struct broker_group *old = broker_group(w->group->broker, w->left.group_id);
    w->status = machine_moved_state(old->machine, w->left.number, &w->state, &w->state_size);
    broker_group_post(w->group, &w->visit, on_state_here);
}

static int open_here(struct topic_move_work *w)
{
    struct broker_group *old = broker_group(w->group->broker, w->move.from.group_id);
    if (old == NULL)
        return ERR_NOT_FOUND;
    w->visit.data = w;
    w->left = w->move.from;
    broker_group_post(old, &w->visit, on_old_shard);
    return 0;
}

/* ---- reports ---- */

static void on_reported(struct controller_change *change, int status)
{
    struct topic_move_work *w = change->data;
    bool is_known = status == 0 &&
                    (change->result.error == 0 || change->result.error == ERR_EXISTS);
    if (status == 0 && !is_known)
        event_debug("move_report_refused", "group=%u partition=%d error=%s", w->group->group_id,
                    w->move.partition, err_name(change->result.error));
    done(w, is_known);
}

static int report(struct topic_move_work *w, enum move_task task)
{
    struct broker *b = w->group->broker;
    struct move_replica here = replica_of(w->group);
    struct metadata_change change = move_report(&w->move, task, &here);
    w->change = (struct controller_change){
        .data = w, .home = w->group->shard, .timeout_ms = REPORT_TIMEOUT_MS};
    int err = metadata_change_encode(&change, &w->change.body, &w->change.body_size);
    if (err == 0)
        controller_propose(b->controller, &w->change, on_reported);
    return err;
}

/* ---- ticks ---- */

static int begin(struct topic_move_work *w, unsigned tasks)
{
    static const enum move_task entries[] = {MOVE_PROPOSE_OUT, MOVE_PROPOSE_SETTLE,
                                             MOVE_PROPOSE_CLOSE};
    static const enum move_task reports[] = {MOVE_REPORT_CLOSED, MOVE_REPORT_TAKEN,
                                             MOVE_REPORT_SETTLED, MOVE_REPORT_RETIRED};
    for (unsigned i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (tasks & entries[i])
            return propose_task(w, entries[i]);
    for (unsigned i = 0; i < sizeof reports / sizeof reports[0]; i++)
        if (tasks & reports[i])
            return report(w, reports[i]);
    return open_here(w);
}

static void work_on(struct topic_move_work *w, uint64_t now_ms)
{
    struct broker_group *g = w->group;
    struct move_replica here = replica_of(g);
    unsigned tasks = move_tasks(&w->move, &here);
    if (tasks & MOVE_CHECKPOINT)
        repl_group_checkpoint(g->raft);
    tasks &= ~(unsigned)MOVE_CHECKPOINT;
    if (tasks == 0 || w->is_busy || now_ms < w->again_at_ms)
        return;
    w->is_busy = true;
    if (begin(w, tasks) != 0)
        done(w, false);
}

static struct topic_move_work *work_of(struct broker_group *g, const struct metadata_move *move)
{
    struct topic_move_work *w;
    struct move_key key = {.partition = move->partition, .from_number = move->from.number};
    memcpy(key.topic_id, move->topic_id, sizeof key.topic_id);
    HASH_FIND(hh, g->moves, &key, sizeof key, w);
    if (w == NULL && (w = calloc(1, sizeof *w)) != NULL) {
        w->key = key;
        w->group = g;
        HASH_ADD(hh, g->moves, key, sizeof w->key, w);
    }
    return w;
}

/* Copies what group 0 says of this group's moves; one that is not there any more has ended. */
static void look_at_metadata(struct broker_group *g)
{
    struct metadata *m = g->broker->metadata;
    struct topic_move_work *w, *next;
    HASH_ITER(hh, g->moves, w, next)
    w->move.phase = 0;
    metadata_read_lock(m);
    for (unsigned i = 0; i < metadata_move_count(m); i++) {
        const struct metadata_move *move = metadata_move_at(m, i);
        if (move->from.group_id != g->group_id && move->to.group_id != g->group_id)
            continue;
        w = work_of(g, move);
        if (w != NULL)
            w->move = *move;
    }
    metadata_read_unlock(m);
    HASH_ITER(hh, g->moves, w, next)
    if (w->move.phase == 0 && !w->is_busy) {
        HASH_DEL(g->moves, w);
        free(w);
    }
}

/* Who waits at the old place is told to look for the new one. */
static void show_elsewhere(struct broker_group *g, const struct metadata_move *move)
{
    if (move->from.group_id != g->group_id || move->phase < METADATA_MOVE_OPENING)
        return;
    struct partition *p = machine_partition(g->machine, move->from.number);
    if (p != NULL && p->moved_index != 0)
        machine_show_elsewhere(p);
}

void topic_move_tick(struct broker_group *g)
{
    uint64_t now_ms = clock_now_ms(&g->broker->clock);
    struct topic_move_work *w, *next;
    log_store_tend(g->store);
    look_at_metadata(g);
    HASH_ITER(hh, g->moves, w, next)
    {
        if (w->move.phase == 0)
            continue;
        show_elsewhere(g, &w->move);
        work_on(w, now_ms);
    }
}

bool topic_move_is_opening(struct broker *b, uint32_t group_id, uint32_t number)
{
    bool is_opening = false;
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_move_count(b->metadata) && !is_opening; i++) {
        const struct metadata_move *move = metadata_move_at(b->metadata, i);
        is_opening = move->phase == METADATA_MOVE_OPENING && move->to.group_id == group_id &&
                     move->to.number == number;
    }
    metadata_read_unlock(b->metadata);
    return is_opening;
}
