/* Who compacts, and what may be missing afterwards.
 *
 * A record may go when a later one of its key was applied, or when it has no value. The model keeps
 * key and checksum of every record that got an offset; a compacted batch is another one than was
 * sent, but its records are not. */
#include "sim/sim_compaction.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "log/compact.h"
#include "protocol/record.h"
#include "sim/sim_actor.h"
#include "sim/sim_check_parts.h"
#include "sim/sim_moves.h"

/* A step on its way; of one process, as long as it lives. */
struct step {
    struct log_compact_plan plan;
    struct machine_request request;
    struct sim_group *group;
    uint32_t number;
};

struct search {
    struct sim_group *group;
    struct partition *found;
};

static void end_step(struct step *s)
{
    slice_unref(&s->plan.step);
    s->group->is_compacting = false;
    free(s);
}

static void on_applied(struct machine_request *req, int status)
{
    struct step *s = req->data;
    struct sim *sim = s->group->life->node->sim;
    if (status == 0 && req->result.error == 0) {
        sim_count(sim, SIM_compaction_steps, 1);
        sim_count(sim, SIM_records_compacted, s->plan.counts.records_removed);
    }
    end_step(s);
}

static void on_planned(struct log_compact_plan *plan, int status)
{
    struct step *s = plan->data;
    s->request.data = s;
    s->request.submit.head.kind = ENTRY_COMPACTION_STEP;
    s->request.submit.head.partition_number = s->number;
    s->request.submit.body = plan->step;
    if (status != 0 || machine_submit(s->group->machine, &s->request, on_applied) != 0)
        end_step(s);
}

/* As in the daemon: not while it moves away, nor before its files are there. */
static void keep_compacted(void *data, struct partition *p)
{
    struct search *search = data;
    struct sim_place place = {search->group->group_id, p->number};
    if (sim_moves_home(search->group->life->node->sim, place).partition ==
            SIM_COMPACTED_PARTITION &&
        p->moved_index == 0 && log_partition_has_files(p->log))
        search->found = p;
}

static struct partition *find_compacted(struct sim_group *g)
{
    struct search search = {.group = g};
    machine_each_partition(g->machine, keep_compacted, &search);
    return search.found;
}

void sim_compaction_upkeep(struct sim_group *g)
{
    const struct sim *sim = g->life->node->sim;
    struct world *w = sim->world;
    struct partition *p = find_compacted(g);
    bool is_quiet = sim->clients == NULL || sim->clients->is_stopping;
    if (is_quiet || g->is_compacting || p == NULL || !machine_is_ready(g->machine) ||
        !random_chance(world_random(w), 0.3))
        return;
    struct step *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    s->group = g;
    s->number = p->number;
    s->plan = (struct log_compact_plan){
        .data = s,
        .now_ms = g->life->clock.wall_ms(g->life->clock.data),
        .delete_retention_ms = (int64_t)world_between(w, 0, 5000),
        .segment_bytes = (int64_t)world_between(w, 4000, 60000),
        .step_bytes_max = (int64_t)world_between(w, 1, 100000),
        .map_bytes_max = (size_t)world_between(w, 2, 64) * 32,
        .worker = &g->life->readers.seam,
        .home = &g->life->shard.seam,
    };
    bytes_put_le64(s->plan.seed, random_u64(world_random(w)));
    g->is_compacting = log_partition_compact_plan(p->log, &s->plan, on_planned) == 0;
    if (!g->is_compacting)
        free(s);
}

/* ---- the model ---- */

static uint32_t sum_of(const struct kafka_record *record)
{
    return crc32c(crc32c(0, record->key), record->value);
}

void sim_compaction_note(struct check_partition *p, const struct kafka_record_batch *batch,
                         int64_t base_offset)
{
    struct kafka_record_iterator it;
    struct kafka_record record;
    if (kafka_record_iterator_init(&it, batch) != 0)
        abort(); /* the producer made it */
    for (int64_t offset = base_offset; kafka_record_next(&it, &record) == 1; offset++) {
        p->records = check_grow(p->records, &p->record_capacity, (size_t)offset,
                                sizeof *p->records);
        p->records[offset] = (struct seen_record){.sum = sum_of(&record),
                                                  .timestamp_ms = record.timestamp,
                                                  .key = record.key.data[0],
                                                  .is_tombstone = record.value.data == NULL};
        p->newest[record.key.data[0] % SIM_KEYS] = offset;
    }
}

static void check_gone(const struct sim_group *g, const struct check_partition *p, int64_t from,
                       int64_t until)
{
    for (int64_t offset = from; offset < until; offset++) {
        const struct seen_record *seen = &p->records[offset];
        if (!seen->is_tombstone && p->newest[seen->key % SIM_KEYS] == offset)
            world_violation(g->life->node->sim->world, "1 durable",
                            "node %u group %u: offset %" PRId64
                            ", the newest of its key, was compacted away",
                            sim_node_id(g->life->node), g->group_id, offset);
    }
}

static void check_record(const struct sim_group *g, const struct check_partition *p, int64_t offset,
                         const struct kafka_record *record)
{
    const struct seen_record *seen = &p->records[offset];
    if (seen->sum != sum_of(record) || seen->timestamp_ms != record->timestamp)
        world_violation(g->life->node->sim->world, "2 one history",
                        "node %u group %u: the record at offset %" PRId64 " is not what it was",
                        sim_node_id(g->life->node), g->group_id, offset);
}

void sim_compaction_check_read(const struct sim_group *g, const struct check_partition *p,
                               int64_t offset, const struct kafka_record_batch *batch)
{
    struct kafka_record_iterator it;
    struct kafka_record record;
    int64_t expected = batch->base_offset, next_offset = kafka_record_batch_next_offset(batch);
    int more = batch->record_count == 0 ? 0 : kafka_record_iterator_init(&it, batch);
    if (batch->base_offset > offset || next_offset <= offset || next_offset > p->next_offset ||
        more != 0 || kafka_record_batch_check_crc(batch) != 0)
        world_violation(g->life->node->sim->world, "19 known damage only",
                        "node %u group %u: no sound batch at offset %" PRId64,
                        sim_node_id(g->life->node), g->group_id, offset);
    while (batch->record_count > 0 && (more = kafka_record_next(&it, &record)) == 1) {
        check_gone(g, p, expected, record.offset);
        check_record(g, p, record.offset, &record);
        expected = record.offset + 1;
    }
    check_gone(g, p, expected, next_offset);
}
