/* The keeper of a group's partitions: opens the first ones, then opens and closes others, changes
 * settings, and moves log starts, as retention and DeleteRecords do. */
#include <stdlib.h>

#include "base/err.h"
#include "sim/sim_actor.h"
#include "sim/sim_coordinator.h"
#include "sim/sim_moves.h"

#define FIRST_ACT_NS_MAX WORLD_S

static struct log_partition_settings draw_settings(struct world *w)
{
    return (struct log_partition_settings){.segment_bytes = (int64_t)world_between(w, 4000, 60000),
                                           .segment_ms = (int64_t)world_between(w, 5000, 60000),
                                           .index_interval_bytes = 1000,
                                           .producer_count_max = 100};
}

static struct slice copied(const uint8_t *bytes, size_t size)
{
    struct buffer *b = buffer_create(size);
    if (b == NULL)
        abort();
    memcpy(b->data, bytes, size);
    return (struct slice){.owner = b, .bytes = bytes_of(b->data, size)};
}

/* The partitions that it opens before all others. */
static unsigned first_count(const struct sim_actor *a)
{
    return SIM_OPEN_PARTITIONS + a->sim->has_consumers;
}

static uint32_t first_at(unsigned step)
{
    return step < SIM_OPEN_PARTITIONS ? step + 1 : SIM_OFFSETS_PARTITION;
}

static void on_ended(struct sim_call *call)
{
    struct sim_actor *a = call->data;
    a->open_count--;
    if (call->request.submit.head.kind == ENTRY_LOG_START)
        sim_history_deleted(
            a->sim, call->number,
            sim_moves_home(a->sim, (struct sim_place){call->group_id, call->partition}),
            call->offset,
            call->status == 0                   ? SIM_HISTORY_OK
            : sim_call_is_unknown(call->status) ? SIM_HISTORY_UNKNOWN
                                                : SIM_HISTORY_FAIL);
    if (call->request.submit.head.kind == ENTRY_PARTITION_STATE && call->number == PARTITION_OPEN &&
        (call->status == 0 || call->status == ERR_EXISTS)) {
        a->is_open[call->partition] = true;
        a->has_backlog = false;
    }
    if (!a->sim->clients->is_stopping || a->has_backlog)
        sim_actor_act_in(a, a->step < first_count(a) ? 50 * WORLD_MS : sim_actor_pace(a));
}

static struct sim_call *propose(struct sim_actor *a, struct sim_place place, enum entry_kind kind,
                                struct slice body, uint64_t number)
{
    struct sim_call *call = sim_actor_call(a, sim_call_submit, on_ended);
    call->group_id = place.group_id;
    call->partition = place.partition;
    call->number = number;
    call->request.submit.head = (struct repl_entry_head){.kind = (uint8_t)kind,
                                                         .partition_number = place.partition};
    call->request.submit.body = body;
    return call;
}

static void propose_state(struct sim_actor *a, uint32_t partition, enum partition_action action)
{
    uint8_t bytes[PARTITION_STATE_SIZE];
    struct sim_place home = {a->group_id, partition};
    struct partition_state state = {.action = action, .settings = draw_settings(a->sim->world)};
    if (a->sim->has_consumers && partition == SIM_OFFSETS_PARTITION)
        state.flags = PARTITION_IS_OFFSETS;
    state.id = sim_moves_id(a->sim, home);
    state.metadata_version = sim_moves_version(a->sim);
    size_t size = partition_state_encode(&state, bytes);
    sim_actor_send(a, propose(a, sim_moves_place(a->sim, home), ENTRY_PARTITION_STATE,
                              copied(bytes, size), action));
}

/* What a leader would propose: a place in the log that it has now. */
static void propose_start(struct sim_actor *a, uint32_t partition)
{
    struct sim *s = a->sim;
    struct sim_place home = {a->group_id, partition}, place = sim_moves_place(s, home);
    struct sim_group *g = sim_leader(s, place.group_id);
    struct partition *p = g == NULL ? NULL : machine_partition(g->machine, place.partition);
    if (p == NULL || s->has_fixed_starts) {
        sim_actor_act_in(a, sim_actor_pace(a));
        return;
    }
    int64_t start = log_partition_start_offset(p->log), next = log_partition_next_offset(p->log);
    struct log_start_advance advance = {.reason = LOG_START_DELETE_RECORDS,
                                        .start_offset = start + (next - start) / 3};
    if (random_chance(world_random(s->world), 0.5)) {
        advance.reason = LOG_START_RETENTION;
        int64_t found = log_partition_retention_offset(p->log, 0, -1, 100000, true);
        advance.start_offset = found < 0 ? start : found;
    }
    uint8_t bytes[LOG_START_ADVANCE_SIZE];
    size_t size = log_start_advance_encode(&advance, bytes);
    uint64_t id = sim_history_delete(s, home, advance.start_offset);
    struct sim_call *call = propose(a, place, ENTRY_LOG_START, copied(bytes, size), id);
    call->offset = advance.start_offset;
    sim_actor_send(a, call);
}

/* One that was opened later, or is about to be. */
static uint32_t any_other(struct sim_actor *a)
{
    uint32_t last = a->next_partition < SIM_OFFSETS_PARTITION ? a->next_partition
                                                              : SIM_OFFSETS_PARTITION - 1;
    return (uint32_t)world_between(a->sim->world, SIM_OPEN_PARTITIONS + 1, last);
}

static void act(struct sim_actor *a)
{
    struct world *w = a->sim->world;
    if (a->step < first_count(a)) {
        a->has_backlog = true;
        if (a->is_open[first_at(a->step)])
            a->step++;
        if (a->step < first_count(a)) {
            propose_state(a, first_at(a->step), PARTITION_OPEN);
            return;
        }
        a->has_backlog = false;
        a->next_partition = SIM_OPEN_PARTITIONS + 1;
    }
    unsigned choice = (unsigned)world_between(w, 0, 9);
    uint32_t any = (uint32_t)world_between(w, 1, SIM_OPEN_PARTITIONS);
    if (choice < 3)
        propose_start(a, any);
    else if (choice < 5)
        propose_state(a, any, PARTITION_SETTINGS);
    else if (choice < 8 && a->next_partition < SIM_OFFSETS_PARTITION)
        propose_state(a, a->next_partition++, PARTITION_OPEN);
    else
        propose_state(a, any_other(a), PARTITION_CLOSE);
}

void sim_keeper_make(struct sim_actor *a)
{
    a->act = act;
    if (a->sim->has_consumers) /* others wait for it, and its pace is slow there */
        sim_actor_act_in(a, world_between(a->sim->world, 1, FIRST_ACT_NS_MAX));
}
