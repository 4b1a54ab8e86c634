/* Each node goes by the metadata that it has itself applied; reports go to who leads that group.
 *
 * A topic's partitions go round the groups when it is created, and are numbered from 1 in each: so
 * partition i of the one topic here is number i / SIM_GROUPS + 1 of group i % SIM_GROUPS + 1. Those
 * are the homes; numbers from SIM_HOME_NUMBERS on are given by moves. */
#include "sim/sim_moves.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/metadata.h"
#include "cluster/move_step.h"
#include "log/repair.h"
#include "sim/sim_actor.h"
#include "sim/sim_metadata.h"

#define TOPIC_MARK       7
#define TOPIC_NAME       "moving"
#define ON_THEIR_WAY_MAX 8 /* proposals not applied yet */
#define HOME_COUNT       (SIM_GROUPS * (SIM_HOME_NUMBERS - 1))
#define PAUSE_NS_MIN     (WORLD_S / 5)
#define PAUSE_NS_MAX     (3 * WORLD_S)
#define REPORT_NS_MAX    (200 * WORLD_MS)
#define LOSS_CHANCE      0.1
#define DUPLICATE_CHANCE 0.1

struct moves {
    struct sim *sim;
    unsigned count; /* under way, as last seen */
    struct sim_place homes[SIM_GROUPS][SIM_PARTITION_NUMBERS];
    bool is_settled;
};

static struct moves *moves; /* one simulation a process */

/* One task of a replica, as long as it is under way; of one process. */
struct task {
    struct sim_group *group;
    struct metadata_move move;
    struct machine_request request;
    struct log_partition_settings settings;
    uint8_t *state; /* of an opening */
    size_t state_size;
    uint32_t position;
    struct metadata_change report;
};

/* ---- group 0 ---- */

static const struct metadata_topic *topic(const struct metadata *m)
{
    return metadata_topic_by_name(m, TOPIC_NAME, strlen(TOPIC_NAME));
}

static int32_t index_of(struct sim_place home)
{
    return (int32_t)((home.partition - 1) * SIM_GROUPS + home.group_id - 1);
}

static struct sim_place home_at(int32_t index)
{
    return (struct sim_place){.group_id = (uint32_t)index % SIM_GROUPS + 1,
                              .partition = (uint32_t)index / SIM_GROUPS + 1};
}

void sim_moves_found(struct sim *s)
{
    static const struct sim_topic moving = {TOPIC_NAME, TOPIC_MARK, HOME_COUNT};
    moves = calloc(1, sizeof *moves);
    if (moves == NULL)
        abort();
    moves->sim = s;
    for (int32_t i = 0; i < HOME_COUNT; i++) {
        struct sim_place home = home_at(i);
        moves->homes[home.group_id - 1][home.partition] = home;
    }
    s->do_partitions_move = true;
    sim_metadata_found(s, &moving, 1);
}

static void note_start(const struct metadata_move *move)
{
    struct sim *s = moves->sim;
    struct sim_place *home = &moves->homes[move->to.group_id - 1][move->to.number];
    if (home->group_id != 0)
        return;
    *home = home_at(move->partition);
    sim_count(s, SIM_moves_started, 1);
    sim_tell(s, "partition %u of group %u moves from group %u to %u, number %u", home->partition,
             home->group_id, move->from.group_id, move->to.group_id, move->to.number);
}

void sim_moves_note(void)
{
    const struct metadata *truth = sim_metadata_truth();
    unsigned count = metadata_move_count(truth);
    for (unsigned i = 0; i < count; i++)
        note_start(metadata_move_at(truth, i));
    if (count < moves->count)
        sim_count(moves->sim, SIM_partitions_moved, 1);
    moves->count = count;
}

/* ---- where things are ---- */

static struct sim_place place_in(const struct metadata *m, struct sim_place home,
                                 int32_t *epoch_base)
{
    const struct metadata_topic *t = topic(m);
    *epoch_base = 0;
    if (t == NULL) /* not heard of yet */
        return home;
    const struct metadata_partition *p = &t->partitions[index_of(home)];
    *epoch_base = p->epoch_base;
    return (struct sim_place){p->group_id, p->number};
}

static bool is_known(const struct sim *s, struct sim_place home)
{
    return s->do_partitions_move && home.partition > 0 && home.partition < SIM_HOME_NUMBERS;
}

struct sim_place sim_moves_place(struct sim *s, struct sim_place home)
{
    int32_t epoch_base;
    if (!is_known(s, home))
        return home;
    const struct sim_node *asked = s->nodes[world_between(s->world, 0, s->node_count - 1)];
    const struct metadata *known = sim_metadata_of(asked);
    return place_in(known == NULL ? sim_metadata_truth() : known, home, &epoch_base);
}

struct sim_place sim_moves_true_place(const struct sim *s, struct sim_place home,
                                      int32_t *epoch_base)
{
    *epoch_base = 0;
    return is_known(s, home) ? place_in(sim_metadata_truth(), home, epoch_base) : home;
}

struct sim_place sim_moves_home(const struct sim *s, struct sim_place place)
{
    if (!s->do_partitions_move)
        return place;
    return moves->homes[place.group_id - 1][place.partition];
}

struct log_partition_id sim_moves_id(const struct sim *s, struct sim_place home)
{
    struct log_partition_id id = {.partition = (int32_t)home.partition};
    id.topic_id[0] = (uint8_t)home.group_id;
    if (is_known(s, home)) {
        id.topic_id[0] = TOPIC_MARK;
        id.partition = index_of(home);
    }
    return id;
}

uint64_t sim_moves_version(const struct sim *s)
{
    return s->do_partitions_move ? metadata_version(sim_metadata_truth()) : 0;
}

bool sim_moves_lack_files(const struct sim_life *life)
{
    for (unsigned i = 0; i < SIM_GROUPS && life->node->sim->do_partitions_move; i++) {
        struct log_damage_status status;
        log_store_damage(life->groups[i].store, &status);
        if (status.suspected + status.damaged > 0)
            return true;
    }
    return false;
}

bool sim_moves_are_over(struct sim *s, void *data)
{
    (void)data;
    if (s->do_partitions_move && metadata_move_count(sim_metadata_truth()) > 0)
        return false;
    for (unsigned i = 0; i < s->node_count && s->do_partitions_move; i++)
        if (s->nodes[i]->life == NULL || sim_moves_lack_files(s->nodes[i]->life))
            return false;
    return true;
}

/* ---- a replica's tasks ---- */

static bool *busy_mark(const struct sim_group *g, const struct metadata_move *move)
{
    return &g->is_moving[move->partition];
}

static void end_task(struct task *t)
{
    *busy_mark(t->group, &t->move) = false;
    free(t->state);
    free(t);
}

static struct move_replica replica_of(const struct sim_group *g)
{
    return (struct move_replica){.machine = g->machine,
                                 .group_id = g->group_id,
                                 .node_id = sim_node_id(g->life->node),
                                 .checkpoint_index = log_store_state(g->store)->index};
}

static int propose(struct task *t, uint32_t number, struct slice body, machine_cb cb)
{
    t->request = (struct machine_request){.data = t};
    t->request.submit.head.kind = ENTRY_PARTITION_STATE;
    t->request.submit.head.partition_number = number;
    t->request.submit.body = body;
    int err = machine_submit(t->group->machine, &t->request, cb);
    buffer_unref(body.owner);
    return err;
}

static void on_applied(struct machine_request *req, int status)
{
    (void)status; /* the next tick looks again */
    end_task(req->data);
}

static int propose_task(struct task *t, enum move_task task)
{
    struct move_replica here = replica_of(t->group);
    uint64_t version = metadata_version(t->group->life->metadata);
    struct buffer *buffer = buffer_create(PARTITION_STATE_SIZE);
    if (buffer == NULL)
        abort();
    uint32_t number = move_entry_body(&t->move, task, &here, version, buffer->data);
    struct slice body = {.owner = buffer, .bytes = bytes_of(buffer->data, PARTITION_STATE_SIZE)};
    return propose(t, number, body, on_applied);
}

static int propose_piece(struct task *t);

static void on_piece(struct machine_request *req, int status)
{
    struct task *t = req->data;
    bool is_more = status == 0 && req->result.error == 0 && t->position < t->state_size;
    if (!is_more || propose_piece(t) != 0)
        end_task(t);
}

static int propose_piece(struct task *t)
{
    struct move_opening opening = {.move = &t->move,
                                   .settings = t->settings,
                                   .metadata_version = metadata_version(t->group->life->metadata),
                                   .state = bytes_of(t->state, t->state_size)};
    struct slice body;
    t->position = (uint32_t)move_opening_piece(&opening, t->position, &body);
    return propose(t, t->move.to.number, body, on_piece);
}

static int open_here(struct task *t)
{
    struct sim_group *old = &t->group->life->groups[t->move.from.group_id - 1];
    int err = machine_moved_state(old->machine, t->move.from.number, &t->state, &t->state_size);
    if (err != 0)
        return err;
    t->settings = machine_partition(old->machine, t->move.from.number)->settings;
    return propose_piece(t);
}

/* ---- reports ---- */

static void on_reported(void *data)
{
    struct task *t = data;
    struct random *random = world_random(moves->sim->world);
    if (!random_chance(random, LOSS_CHANCE))
        sim_metadata_propose(moves->sim, &t->report);
    if (random_chance(random, DUPLICATE_CHANCE))
        sim_metadata_propose(moves->sim, &t->report);
    end_task(t);
}

static int report(struct task *t, enum move_task task)
{
    struct world *w = moves->sim->world;
    struct move_replica here = replica_of(t->group);
    t->report = move_report(&t->move, task, &here);
    world_in(w, world_between(w, WORLD_MS, REPORT_NS_MAX), NULL, on_reported, t);
    return 0;
}

static int begin(struct task *t, unsigned tasks)
{
    enum move_task task = (enum move_task)(tasks & (~tasks + 1)); /* the first of them */
    if (task == MOVE_OPEN)
        return open_here(t);
    if (task & (MOVE_PROPOSE_OUT | MOVE_PROPOSE_SETTLE | MOVE_PROPOSE_CLOSE))
        return propose_task(t, task);
    return report(t, task);
}

static void work_on(struct sim_group *g, const struct metadata_move *move)
{
    struct move_replica here = replica_of(g);
    unsigned tasks = move_tasks(move, &here);
    if (tasks & MOVE_CHECKPOINT)
        repl_group_checkpoint(g->raft);
    tasks &= ~(unsigned)MOVE_CHECKPOINT;
    if (tasks == 0 || *busy_mark(g, move))
        return;
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL)
        abort();
    *t = (struct task){.group = g, .move = *move};
    *busy_mark(g, move) = true;
    if (begin(t, tasks) != 0)
        end_task(t);
}

void sim_moves_tick(struct sim_life *life)
{
    for (unsigned i = 0; i < life->node->sim->group_count; i++)
        log_store_tend(life->groups[i].store);
    if (!life->node->sim->do_partitions_move)
        return;
    const struct metadata *m = life->metadata;
    for (unsigned i = 0; i < metadata_move_count(m); i++) {
        const struct metadata_move *move = metadata_move_at(m, i);
        work_on(&life->groups[move->from.group_id - 1], move);
        work_on(&life->groups[move->to.group_id - 1], move);
    }
}

/* ---- who moves what ---- */

/* A keeper that was not answered opens again, under the old number. */
static bool are_all_opened(const struct sim *s)
{
    for (unsigned i = 0; i < s->clients->count; i++) {
        const struct sim_actor *a = &s->clients->actors[i];
        if (a->partition == 0 && a->step < SIM_OPEN_PARTITIONS)
            return false;
    }
    return true;
}

static void move_one(struct sim *s)
{
    int32_t epoch_base;
    struct sim_place home = {(uint32_t)world_between(s->world, 1, SIM_GROUPS),
                             (uint32_t)world_between(s->world, 1, SIM_OPEN_PARTITIONS)};
    struct sim_place from = sim_moves_true_place(s, home, &epoch_base);
    struct metadata_change change = {.kind = METADATA_MOVE, .id = {TOPIC_MARK}};
    change.move.step = METADATA_MOVE_START;
    change.move.partition = index_of(home);
    change.move.group_id = from.group_id % SIM_GROUPS + 1;
    uint32_t number =
        metadata_group_by_id(sim_metadata_truth(), change.move.group_id)->next_partition_number;
    if (number + ON_THEIR_WAY_MAX < SIM_PARTITION_NUMBERS)
        sim_metadata_propose(s, &change);
}

static void on_time(void *data)
{
    struct sim *s = data;
    if (moves->is_settled)
        return;
    bool may_move = sim_metadata_is_founded() && are_all_opened(s);
    for (uint64_t count = world_between(s->world, 1, 2); count > 0 && may_move; count--)
        move_one(s);
    world_in(s->world, world_between(s->world, PAUSE_NS_MIN, PAUSE_NS_MAX), NULL, on_time, s);
}

void sim_moves_start(struct sim *s)
{
    on_time(s);
}

void sim_moves_settle(struct sim *s)
{
    if (s->do_partitions_move)
        moves->is_settled = true;
}
