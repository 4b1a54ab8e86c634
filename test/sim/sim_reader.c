/* Readers: of records, at leaders and at followers, and of what must be fresh. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim/sim_actor.h"
#include "sim/sim_moves.h"

/* ---- records ---- */

static void take(struct sim_call *call)
{
    struct log_read *req = call->log_read;
    uint8_t *bytes = malloc(req->size_bytes + 1), *at = bytes;
    if (bytes == NULL)
        abort();
    for (unsigned i = 0; i < req->slice_count; i++) {
        memcpy(at, req->slices[i].bytes.data, req->slices[i].bytes.size);
        at += req->slices[i].bytes.size;
        slice_unref(&req->slices[i]);
    }
    struct sim_actor *a = call->data;
    struct sim_place place = {a->group_id, a->partition};
    struct bytes all = bytes_of(bytes, (size_t)(at - bytes));
    char reader[32];
    snprintf(reader, sizeof reader, "reader-%u-", a->number);
    sim_history_moved(call->sim, reader, call->node + 1, place, req->offset, false);
    sim_history_read(call->sim, reader, call->node + 1, place, req->offset, false, all);
    sim_check_read(call->sim->check, call->group, call->partition, req->offset, all);
    sim_count(call->sim, SIM_reads, 1);
    free(bytes);
}

static void finish(struct sim_call *call, int status)
{
    if (status == 0)
        take(call);
    if (status == ERR_CORRUPT && !call->life->node->is_damaged &&
        !call->life->node->has_damaged_segments && !sim_moves_lack_files(call->life))
        world_violation(call->sim->world, "19 known damage only",
                        "node %u can't read offset %lld of"
                        " partition %u of group %u on a sound disk",
                        call->node + 1, (long long)call->log_read->offset, call->partition,
                        call->group_id);
    if (status == ERR_CORRUPT)
        sim_count(call->sim, SIM_damage_found, 1);
    sim_call_answer(call, status);
}

static void on_cold_read(struct log_read *req, int status)
{
    struct sim_call *call = req->data;
    sim_count(call->sim, SIM_cold_reads, 1);
    finish(call, status);
}

/* Anywhere in the log; often at its end. */
static int64_t draw_offset(struct world *w, const struct log_partition *log)
{
    int64_t start = log_partition_start_offset(log), end = log_partition_next_offset(log);
    int64_t gap_from, gap_until;
    if (start == end)
        return -1;
    if (log_partition_gap(log, start, &gap_from, &gap_until)) {
        unsigned where = (unsigned)world_between(w, 0, 3); /* nearly all is gap */
        if (where == 0)
            return gap_from + (int64_t)world_between(w, 0, (uint64_t)(gap_until - gap_from) - 1);
        if (where == 1 && gap_from > start)
            end = gap_from;
        else if (end > gap_until)
            start = gap_until;
    }
    if (random_chance(world_random(w), 0.4) && end - start > 20)
        return end - 1 - (int64_t)world_between(w, 0, 10);
    return start + (int64_t)world_between(w, 0, (uint64_t)(end - start) - 1);
}

/* What it has may be of a generation that is no more: who hears no leader, is held, or was elected
 * and may not serve yet, is not asked. */
static bool is_served(const struct sim_call *call)
{
    struct repl_group_status status;
    if (!call->sim->does_recover)
        return true;
    repl_group_status(call->group->raft, &status);
    return !status.is_set_aside && status.leader_node_id != 0 &&
           !repl_group_is_held(call->group->raft) &&
           (status.role != REPL_LEADER || status.is_ready);
}

/* A consumer that waits there gets the first record behind it. */
static void check_in_gap(const struct sim_call *call, int64_t asked, int got)
{
    if (got == ERR_OUT_OF_RANGE)
        world_violation(call->sim->world, "7 no throw-back",
                        "node %u group %u partition %u offset %lld is out of range", call->node + 1,
                        call->group_id, call->partition, (long long)asked);
    sim_count(call->sim, SIM_reads_in_gaps, call->log_read->offset > asked);
}

static void run_read(struct sim_call *call)
{
    struct partition *p = machine_partition(call->group->machine, call->partition);
    int64_t offset = p == NULL ? -1 : draw_offset(call->sim->world, p->log);
    struct log_read *req = offset < 0 || !is_served(call) ? NULL : calloc(1, sizeof *req);
    if (req == NULL) {
        sim_call_answer(call, ERR_NOT_FOUND);
        return;
    }
    if (!machine_is_ready(call->group->machine))
        sim_count(call->sim, SIM_follower_reads, 1);
    req->data = call;
    req->offset = offset;
    req->offset_max = INT64_MAX;
    req->size_bytes_max = world_between(call->sim->world, 1, 40000);
    req->readers = &call->life->readers.seam;
    req->home = &call->life->shard.seam;
    call->log_read = req;
    int got = log_partition_read(p->log, req, on_cold_read);
    check_in_gap(call, offset, got);
    if (got > 0)
        finish(call, 0);
    else if (got < 0)
        sim_call_answer(call, got);
}

static void on_ended(struct sim_call *call)
{
    struct sim_actor *a = call->data;
    a->open_count--;
    if (!a->sim->clients->is_stopping)
        sim_actor_act_in(a, sim_actor_pace(a));
}

static void act_read(struct sim_actor *a)
{
    struct sim_call *call = sim_actor_call(a, run_read, on_ended);
    call->node = (unsigned)world_between(a->sim->world, 0, a->sim->node_count - 1);
    sim_call_send(call, &a->wire);
}

void sim_reader_make(struct sim_actor *a)
{
    a->act = act_read;
}

/* ---- fresh reads ---- */

static void on_fresh(struct repl_read *req, int status)
{
    struct sim_call *call = req->data;
    if (status == 0)
        sim_check_fresh(call->sim->check, call);
    sim_call_answer(call, status);
}

static void run_fresh(struct sim_call *call)
{
    call->read.data = call;
    call->acknowledged_index = sim_check_acknowledged_index(call->sim->check, call->group_id);
    int err = repl_group_read(call->group->raft, &call->read, on_fresh);
    if (err != 0)
        sim_call_answer(call, err);
}

/* Asks anyone, not only who is said to lead: a node that believes it leads must find out. */
static void act_fresh(struct sim_actor *a)
{
    struct sim_call *call = sim_actor_call(a, run_fresh, on_ended);
    call->node = (unsigned)world_between(a->sim->world, 0, a->sim->node_count - 1);
    sim_call_send(call, &a->wire);
}

void sim_fresh_make(struct sim_actor *a)
{
    a->act = act_fresh;
}
