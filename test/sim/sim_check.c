/* What is applied, at whichever node, against what was sent and what others applied.
 *
 * The first replica that applies an index fixes what it is; every other one must apply the same
 * bytes with the same effect. The history of a partition is built from first applies alone, so
 * later failovers can't rewrite it unseen. */
#include "sim/sim_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/move_entry.h"
#include "cluster/recovery_entry.h"
#include "protocol/record.h"
#include "sim/sim_check_parts.h"
#include "sim/sim_check_recovery.h"
#include "sim/sim_consumer.h"
#include "sim/sim_home.h"
#include "sim/sim_check_sites.h"
#include "sim/sim_metadata.h"
#include "sim/sim_moves.h"

#define SAMPLE_EVERY 16 /* entries between comparisons of checksums */

struct sim_check *sim_check_create(struct sim *s)
{
    struct sim_check *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->sim = s;
    for (unsigned i = 0; i < SIM_RAFT_GROUPS_MAX; i++)
        c->groups[i].group_id = i + 1;
    return c;
}

void *check_grow(void *items, size_t *capacity, size_t index, size_t item_size)
{
    if (index < *capacity)
        return items;
    size_t grown = (index + 1) * 2;
    items = realloc(items, grown * item_size);
    if (items == NULL)
        abort();
    memset((char *)items + *capacity * item_size, 0, (grown - *capacity) * item_size);
    *capacity = grown;
    return items;
}

bool check_is_compacted(const struct sim_check *c, uint32_t group_id, uint32_t partition)
{
    struct sim_place place = {group_id, partition};
    return !c->sim->does_recover &&
           sim_moves_home(c->sim, place).partition == SIM_COMPACTED_PARTITION;
}

/* ---- what clients do ---- */

void sim_check_sent(struct sim_check *c, uint32_t client, uint64_t number, bool is_idempotent,
                    struct bytes batch)
{
    struct check_client *from = &c->clients[client];
    if (c->sim->is_blind)
        return;
    from->is_idempotent = is_idempotent;
    from->batches = check_grow(from->batches, &from->capacity, number, sizeof *from->batches);
    from->batches[number] = (struct sent_batch){
        .crc = bytes_get_be32(batch.data + 17), .is_sent = true, .seen_offset = -1};
}

struct sent_batch *check_find_sent(struct sim_check *c, uint32_t client, uint64_t number)
{
    if (client >= SIM_CLIENTS_MAX || number >= c->clients[client].capacity ||
        !c->clients[client].batches[number].is_sent)
        return NULL;
    return &c->clients[client].batches[number];
}

static void answered_batch(struct sim_check *c, const struct sim_call *call)
{
    const struct machine_result *result = &call->request.result;
    if (result->verdict != LOG_PRODUCER_NEW && result->verdict != LOG_PRODUCER_DUPLICATE)
        return;
    uint32_t client = (uint32_t)(uintptr_t)call->request.submit.data;
    struct sent_batch *sent = check_find_sent(c, client, call->number);
    if (result->verdict == LOG_PRODUCER_DUPLICATE)
        sim_count(c->sim, SIM_repeated_batches, 1);
    if (sent->seen_offset != result->base_offset)
        world_violation(c->sim->world, "10 honest",
                        "batch %" PRIu64 " of client %u is answered with offset %" PRId64
                        " and lies at %" PRId64,
                        call->number, client, result->base_offset, sent->seen_offset);
    if (!sent->is_acknowledged)
        sim_count(c->sim, SIM_batches_acknowledged, 1);
    sent->is_acknowledged = true;
    sent->acknowledged_offset = result->base_offset;
}

void check_acknowledge(struct sim_check *c, uint32_t group_id, uint64_t index, int64_t wall_ms)
{
    struct check_group *g = check_group_of(c, group_id);
    if (index == 0 || index >= g->entry_capacity || g->entries[index].term == 0)
        world_violation(c->sim->world, "10 honest",
                        "an answer for index %" PRIu64 " which nobody has applied", index);
    if (!g->entries[index].is_acknowledged)
        g->entries[index].acknowledged_ms = wall_ms;
    g->entries[index].is_acknowledged = true;
    if (g->acknowledged_index < index)
        g->acknowledged_index = index;
}

void sim_check_answered(struct sim_check *c, const struct sim_call *call)
{
    if (c->sim->is_blind)
        return;
    check_acknowledge(c, call->group_id, call->request.submit.index,
                      clock_wall_ms(&call->life->clock));
    if (call->request.submit.head.kind == ENTRY_RECORD_BATCH)
        answered_batch(c, call);
}

uint64_t sim_check_acknowledged_index(const struct sim_check *c, uint32_t group_id)
{
    return c->groups[group_id - 1].acknowledged_index;
}

void sim_check_fresh(struct sim_check *c, const struct sim_call *call)
{
    if (!c->sim->is_blind && call->group->applied_index < call->acknowledged_index)
        world_violation(c->sim->world, "15 fresh where it counts",
                        "node %u group %u reads at index %" PRIu64 ", acknowledged was %" PRIu64,
                        call->node + 1, call->group_id, call->group->applied_index,
                        call->acknowledged_index);
    sim_count(c->sim, SIM_fresh_reads, 1);
}

/* ---- the first apply of an entry ---- */

static bool read_mark(struct bytes batch_bytes, struct kafka_record_batch *batch, uint32_t *client,
                      uint64_t *number)
{
    struct kafka_record_iterator it;
    struct kafka_record record;
    if (kafka_record_batch_decode(batch_bytes, batch) != (int)batch_bytes.size ||
        kafka_record_iterator_init(&it, batch) != 0 || kafka_record_next(&it, &record) != 1 ||
        record.value.size < SIM_BATCH_MARK_SIZE)
        return false;
    *client = (uint32_t)bytes_get_le64(record.value.data);
    *number = bytes_get_le64(record.value.data + 8);
    return true;
}

static void check_order(struct sim_check *c, struct check_partition *p, uint32_t client,
                        uint64_t number)
{
    bool is_idempotent = c->clients[client].is_idempotent;
    uint64_t last = p->last_number[client];
    if (number < last)
        world_violation(c->sim->world, is_idempotent ? "4 no invention, once" : "3 order",
                        "client %u: batch %" PRIu64 " comes after %" PRIu64, client, number,
                        last - 1);
    p->last_number[client] = number + 1;
}

static void add_batch(struct sim_check *c, struct check_group *g, const struct sim_applied *a)
{
    struct check_partition *p = &g->partitions[a->head->partition_number];
    struct kafka_record_batch batch;
    uint32_t client;
    uint64_t number;
    bool is_known = read_mark(a->entry->body.bytes, &batch, &client, &number);
    struct sent_batch *sent = is_known ? check_find_sent(c, client, number) : NULL;
    if (sent == NULL || sent->crc != batch.crc)
        world_violation(c->sim->world, "4 no invention",
                        "group %u index %" PRIu64 " holds a batch that nobody sent", g->group_id,
                        a->entry->index);
    if (a->next_before != p->next_offset)
        world_violation(c->sim->world, "2 one history",
                        "group %u partition %u goes on at %" PRId64 " instead of %" PRId64,
                        g->group_id, a->head->partition_number, a->next_before, p->next_offset);
    if (p->moved_index != 0)
        world_violation(c->sim->world, "2 one history",
                        "group %u partition %u has moved away and takes a batch at index %" PRIu64,
                        g->group_id, a->head->partition_number, a->entry->index);
    check_order(c, p, client, number);
    p->batches = check_grow(p->batches, &p->batch_capacity, p->batch_count, sizeof *p->batches);
    p->batches[p->batch_count++] = (struct seen_batch){.base_offset = a->next_before,
                                                       .next_offset = a->next_after,
                                                       .crc = batch.crc,
                                                       .leader_epoch = p->epoch_base +
                                                                       (int32_t)a->entry->term,
                                                       .index = a->entry->index,
                                                       .client = client,
                                                       .number = number};
    if (check_is_compacted(c, g->group_id, a->head->partition_number))
        sim_compaction_note(p, &batch, a->next_before);
    p->next_offset = a->next_after;
    sent->seen_offset = a->next_before;
    sent->group_id = g->group_id;
    sent->partition = a->head->partition_number;
}

/* ---- moves ---- */

static const struct check_partition *find_moved(const struct check_group *g, uint64_t moved_index)
{
    for (uint32_t i = 1; i < SIM_PARTITION_NUMBERS; i++)
        if (g->partitions[i].moved_index == moved_index)
            return &g->partitions[i];
    return NULL;
}

static void *copy_of(const void *items, size_t count, size_t item_size)
{
    void *copy = malloc(count * item_size + 1);
    if (copy == NULL)
        abort();
    return count == 0 ? copy : memcpy(copy, items, count * item_size);
}

/* The new group goes on with the old one's history, to the last offset. */
static void note_moved_in(struct sim_check *c, struct check_group *g, const struct sim_applied *a)
{
    struct check_partition *p = &g->partitions[a->head->partition_number];
    struct move_in move;
    if (move_in_decode(a->entry->body.bytes, &move) != 0)
        return;
    const struct check_partition *old = find_moved(check_group_of(c, move.from_group),
                                                   move.from_index);
    if (old == NULL || old->is_closed || old->next_offset != a->next_after)
        world_violation(c->sim->world, "2 one history",
                        "group %u partition %u goes on at %" PRId64
                        ", group %u ended it at %" PRId64,
                        g->group_id, a->head->partition_number, a->next_after, move.from_group,
                        old == NULL ? -1 : old->next_offset);
    *p = *old;
    p->moved_index = 0;
    p->epoch_base = move.state.epoch_base;
    p->batches = copy_of(old->batches, old->batch_capacity, sizeof *old->batches);
    p->records = copy_of(old->records, old->record_capacity, sizeof *old->records);
}

static void note_moved_out(struct check_partition *p, const struct sim_applied *a)
{
    struct partition_state state;
    if (partition_state_decode(a->entry->body.bytes, &state) == 0 &&
        state.action == PARTITION_MOVE_OUT && p->moved_index == 0)
        p->moved_index = a->entry->index;
}

static bool is_of_offsets(const struct sim_applied *a)
{
    struct partition_state state;
    return partition_state_decode(a->entry->body.bytes, &state) == 0 &&
           (state.flags & PARTITION_IS_OFFSETS) != 0;
}

static void note_state(struct sim_check *c, struct check_group *g, const struct sim_applied *a)
{
    struct check_partition *p = &g->partitions[a->head->partition_number];
    if (a->next_before < 0 && a->next_after >= 0) {
        p->is_open = true;
        p->is_of_offsets = is_of_offsets(a);
        sim_count(c->sim, SIM_partitions_opened, 1);
    }
    if (a->next_before < 0 && a->next_after >= 0 &&
        a->entry->body.bytes.size > PARTITION_STATE_SIZE)
        note_moved_in(c, g, a);
    if (a->next_before >= 0 && a->next_after >= 0)
        note_moved_out(p, a);
    if (a->next_before >= 0 && a->next_after < 0) {
        p->is_closed = true;
        sim_count(c->sim, SIM_partitions_closed, 1);
    }
}

/* All numbers that clients see move on. */
static void note_recovery(struct check_group *g)
{
    for (uint32_t i = 1; i < SIM_PARTITION_NUMBERS; i++) {
        struct check_partition *p = &g->partitions[i];
        if (!p->is_open || p->is_closed)
            continue;
        p->next_offset = (p->next_offset / LOG_OFFSET_STRIDE + 1) * LOG_OFFSET_STRIDE;
        p->epoch_base += RECOVERY_EPOCH_STRIDE;
    }
}

void check_note_effect(struct sim_check *c, struct check_group *g, const struct sim_applied *a)
{
    struct check_partition *p = &g->partitions[a->head->partition_number];
    struct log_start_advance advance;
    if (a->head->kind == ENTRY_RECORD_BATCH && a->next_after > a->next_before)
        add_batch(c, g, a);
    if (a->head->kind == ENTRY_LOG_START && a->next_after >= 0 &&
        log_start_advance_decode(a->entry->body.bytes, &advance) == 0) {
        if (p->log_start < advance.start_offset)
            p->log_start = advance.start_offset;
        sim_count(c->sim, SIM_log_start_moves, 1);
    }
    if (a->head->kind == ENTRY_PARTITION_STATE)
        note_state(c, g, a);
    if (a->head->kind == ENTRY_GROUP_STATE && a->next_after > a->next_before)
        p->next_offset = a->next_after;
    if (a->head->kind == ENTRY_RECOVERY)
        note_recovery(g);
}

void check_note_first(struct sim_check *c, struct check_group *g, const struct sim_applied *a)
{
    struct seen_entry *e = &g->entries[a->entry->index];
    e->term = a->entry->term;
    e->crc = a->entry->crc;
    e->head = *a->head;
    e->next_before = a->next_before;
    e->next_after = a->next_after;
    memcpy(e->head_bytes, a->entry->head.bytes.data, LOG_ENTRY_HEAD_SIZE);
    e->body = buffer_create(a->entry->body.bytes.size + 1);
    if (e->body == NULL)
        abort();
    e->body->capacity = a->entry->body.bytes.size;
    memcpy(e->body->data, a->entry->body.bytes.data, a->entry->body.bytes.size);
    if (g->last_index < a->entry->index)
        g->last_index = a->entry->index;
    check_note_effect(c, g, a);
}

/* How many nodes have the index on disk must be a majority of the voters before anyone applies it.
 * A node counts with what it had when it was last up; that makes the check weaker, never wrong. */
static void check_committed(struct sim_check *c, struct check_group *g, uint64_t index)
{
    unsigned count = 0;
    for (unsigned i = 0; i < c->sim->node_count; i++)
        count += sim_home_votes(c->sim, g->group_id, i) &&
                 sim_node_durable_index(c->sim->nodes[i], g->group_id) >= index;
    unsigned voters = g->voter_count_min > 0 ? g->voter_count_min : c->sim->founder_count;
    if (sim_home_is_alone(c->sim, g->group_id))
        voters = 1;
    if (count < voters / 2 + 1)
        world_violation(c->sim->world, "5 committed only",
                        "group %u index %" PRIu64 " is applied and %u of %u voters have it on disk",
                        g->group_id, index, count, voters);
}

/* ---- each apply ---- */

void sim_check_before_apply(struct sim_check *c, struct sim_group *g,
                            const struct sim_applied *applied)
{
    struct check_group *seen = check_group_of(c, g->group_id);
    uint64_t index = applied->entry->index;
    if (c->sim->is_blind || check_is_over(c, g))
        return;
    sim_check_generation(c, g, "applies");
    if (index <= g->applied_index)
        world_violation(c->sim->world, "12 pure apply",
                        "node %u group %u applies index %" PRIu64 " after %" PRIu64,
                        sim_node_id(g->life->node), g->group_id, index, g->applied_index);
    for (uint64_t i = g->applied_index + 1; i < index && i < seen->entry_capacity; i++)
        if (seen->entries[i].term != 0)
            world_violation(c->sim->world, "8 same replicas",
                            "node %u group %u applies index %" PRIu64 " without %" PRIu64,
                            sim_node_id(g->life->node), g->group_id, index, i);
    seen->entries = check_grow(seen->entries, &seen->entry_capacity, index, sizeof *seen->entries);
    struct seen_entry *e = &seen->entries[index];
    if (e->term == 0)
        check_committed(c, seen, index);
    else if (e->term != applied->entry->term || e->crc != applied->entry->crc)
        world_violation(
            c->sim->world, "2 one history",
            "node %u group %u index %" PRIu64 " is of term %" PRIu64 ", elsewhere of term %" PRIu64,
            sim_node_id(g->life->node), g->group_id, index, applied->entry->term, e->term);
}

static void compare_state(struct sim_check *c, struct sim_group *g, struct seen_entry *e,
                          uint64_t index)
{
    uint32_t checksum = machine_checksum(g->machine);
    if (e->has_checksum && e->checksum != checksum)
        world_violation(c->sim->world, "8 same replicas",
                        "node %u group %u differs after index %" PRIu64, sim_node_id(g->life->node),
                        g->group_id, index);
    if (e->has_checksum)
        sim_count(c->sim, SIM_replicas_compared, 1);
    e->has_checksum = true;
    e->checksum = checksum;
}

/* The model says nothing, but what the simulation goes by must be there. */
static void note_blind_metadata(struct sim_check *c, struct check_group *seen,
                                const struct sim_applied *applied)
{
    if (applied->entry->index <= seen->last_index)
        return;
    seen->last_index = applied->entry->index;
    sim_metadata_entry(c->sim, applied);
}

void sim_check_after_apply(struct sim_check *c, struct sim_group *g,
                           const struct sim_applied *applied)
{
    uint64_t index = applied->entry->index;
    struct check_group *seen = check_group_of(c, g->group_id);
    g->applied_index = index;
    world_mix(c->sim->world, index ^ (uint64_t)applied->entry->crc << 32);
    if (c->sim->is_blind && applied->head->kind == ENTRY_METADATA)
        note_blind_metadata(c, seen, applied);
    if (c->sim->is_blind || check_is_over(c, g))
        return;
    struct seen_entry *e = &seen->entries[index];
    if (e->term != 0 && e->next_after != applied->next_after)
        world_violation(
            c->sim->world, "8 same replicas",
            "node %u group %u index %" PRIu64 " leads to offset %" PRId64 ", elsewhere to %" PRId64,
            sim_node_id(g->life->node), g->group_id, index, applied->next_after, e->next_after);
    if (e->term == 0) {
        check_note_first(c, seen, applied);
        if (applied->head->kind == ENTRY_GROUP_STATE)
            sim_check_consumer_entry(c, g, applied);
        if (applied->head->kind == ENTRY_METADATA)
            sim_metadata_entry(c->sim, applied);
    }
    sim_check_sites_applied(g, index);
    if (index % SAMPLE_EVERY == 0)
        compare_state(c, g, e, index);
}

void sim_check_restored(struct sim_check *c, struct sim_group *g)
{
    struct check_group *seen = check_group_of(c, g->group_id);
    if (c->sim->is_blind || g->applied_index == 0 || g->applied_index >= seen->entry_capacity ||
        check_is_over(c, g))
        return;
    sim_check_consumers_restored(c, g);
    sim_check_sites_applied(g, g->applied_index);
    struct seen_entry *e = &seen->entries[g->applied_index];
    if (e->has_checksum)
        compare_state(c, g, e, g->applied_index);
}
