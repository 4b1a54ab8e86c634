/* The survivor's replay is told entry by entry: what the model knows must come as it was, what it
 * does not know is new history. At the RECOVERY entry what lies behind the kept index is lost, and
 * compared with what the plan has said. */
#include "sim/sim_check_recovery.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/recovery_entry.h"
#include "log/partition.h"
#include "sim/sim_check_parts.h"
#include "sim/sim_home.h"
#include "sim/sim_metadata.h"
#include "state/machine_parts.h"

/* ---- the plan ---- */

static bool has_led(const struct check_group *seen, const struct sim_group *g, uint64_t term)
{
    return term < seen->leader_capacity && seen->leaders[term] == sim_node_raft_id(g->life->node) &&
           g->led_term_min != 0 && term >= g->led_term_min;
}

/* Of the history that others have applied each command is known, and nothing else. */
static bool is_replaced(const struct check_group *seen, uint64_t index, uint64_t term,
                        enum log_entry_type type)
{
    uint64_t seen_term = index < seen->entry_capacity ? seen->entries[index].term : 0;
    if (seen_term == 0)
        return type == LOG_ENTRY_COMMAND && index < seen->last_index;
    return seen_term != term;
}

/* The first kept entry that is another one than its group has committed; 0: there is none. */
static uint64_t find_replaced(const struct check_group *seen, const struct sim_group *g,
                              const struct repl_group_status *status, uint64_t *term)
{
    enum log_entry_type type;
    for (uint64_t i = status->checkpoint_index + 1; i <= status->kept_index; i++)
        if (log_wal_entry_term(g->life->wal, g->group_id, i, term, &type) == 0 &&
            is_replaced(seen, i, *term, type))
            return i;
    return 0;
}

bool sim_check_recovery_plan(struct sim_check *c, struct sim_group *g,
                             const struct recover_loss *loss)
{
    struct check_group *seen = check_group_of(c, g->group_id);
    struct repl_group_status status;
    uint64_t term = 0;
    repl_group_status(g->raft, &status);
    if (status.kept_index < status.commit_index || status.kept_index < g->applied_index)
        world_violation(
            c->sim->world, "1 durable",
            "node %u group %u keeps up to index %" PRIu64 ", %" PRIu64 " is committed there",
            sim_node_id(g->life->node), g->group_id, status.kept_index, status.commit_index);
    sim_check_consumers_plan(c, g);
    uint64_t replaced = find_replaced(seen, g, &status, &term);
    if (replaced != 0 && has_led(seen, g, term))
        world_violation(c->sim->world, "2 one history",
                        "node %u group %u keeps its own index %" PRIu64 " of term %" PRIu64
                        ", committed was another one",
                        sim_node_id(g->life->node), g->group_id, replaced, term);
    seen->plan = (struct check_plan){.kept_index = status.kept_index,
                                     .records = loss->is_at_most ? 0 : loss->records,
                                     .known_until_ms = loss->known_until_ms};
    sim_count(c->sim, SIM_tails_left_out, status.kept_index < status.last_index);
    sim_count(c->sim, SIM_tails_kept, status.kept_index > status.commit_index);
    return replaced == 0;
}

/* ---- replaying ---- */

static void on_restored(void *data, const struct replay *r)
{
    struct sim_node *n = data;
    if (n->is_surviving)
        check_group_of(n->sim->check, r->group_id)->replayed_index = r->index;
}

static int64_t next_offset(const struct replay *r, uint32_t number)
{
    struct partition *p = machine_partition(r->machine, number);
    return p == NULL ? -1 : log_partition_next_offset(p->log);
}

/* From the last one on, up to `index`, there is nothing that anybody has applied. */
static void check_without_hole(struct sim_node *n, struct check_group *seen, uint64_t index)
{
    for (uint64_t i = seen->replayed_index + 1; i < index && i < seen->entry_capacity; i++)
        if (seen->entries[i].term != 0)
            world_violation(n->sim->world, "1 durable",
                            "node %u group %u survives without index %" PRIu64, sim_node_id(n),
                            seen->group_id, i);
}

static void on_applying(void *data, const struct replay *r, const struct log_entry *entry,
                        const struct repl_entry_head *head)
{
    struct sim_node *n = data;
    if (!n->is_surviving)
        return;
    struct check_group *seen = check_group_of(n->sim->check, r->group_id);
    if (head->kind == ENTRY_RECOVERY) {
        check_without_hole(n, seen, seen->plan.kept_index + 1);
        return;
    }
    check_without_hole(n, seen, entry->index);
    seen->entries = check_grow(seen->entries, &seen->entry_capacity, entry->index,
                               sizeof *seen->entries);
    const struct seen_entry *e = &seen->entries[entry->index];
    seen->replay_next_before = next_offset(r, head->partition_number);
    if (e->term != 0 && (e->term != entry->term || e->crc != entry->crc))
        world_violation(n->sim->world, "2 one history",
                        "node %u group %u survives with index %" PRIu64 " of term %" PRIu64
                        ", elsewhere of term %" PRIu64,
                        sim_node_id(n), r->group_id, entry->index, entry->term, e->term);
}

/* ---- the model as it was there ---- */

static void forget_partition(struct sim_check *c, struct check_partition *p, uint64_t index)
{
    for (size_t i = 0; i < p->batch_count; i++) {
        const struct seen_batch *b = &p->batches[i];
        struct sent_batch *sent = check_find_sent(c, b->client, b->number);
        sent->seen_offset = -1;
        sent->is_acknowledged &= b->index <= index;
    }
    int64_t given_end = p->given_end > p->next_offset ? p->given_end : p->next_offset;
    free(p->batches);
    free(p->records);
    *p = (struct check_partition){.given_end = given_end};
}

static void note_again(struct sim_check *c, struct check_group *g, uint64_t index)
{
    struct seen_entry *e = &g->entries[index];
    struct log_entry entry = {
        .term = e->term, .index = index, .type = LOG_ENTRY_COMMAND, .crc = e->crc};
    entry.head.bytes = bytes_of(e->head_bytes, LOG_ENTRY_HEAD_SIZE);
    entry.body = (struct slice){.owner = e->body,
                                .bytes = bytes_of(e->body->data, e->body->capacity)};
    const struct sim_applied applied = {.entry = &entry,
                                        .head = &e->head,
                                        .next_before = e->next_before,
                                        .next_after = e->next_after};
    check_note_effect(c, g, &applied);
    sim_check_consumers_again(c, g, &applied);
    if (g->group_id == SIM_METADATA_GROUP)
        sim_metadata_again(c->sim, &applied);
    g->last_index = index;
    if (e->is_acknowledged)
        g->acknowledged_index = index;
}

static void forget_after(struct sim_check *c, struct check_group *g, uint64_t index)
{
    for (uint32_t i = 0; i < SIM_PARTITION_NUMBERS; i++)
        forget_partition(c, &g->partitions[i], index);
    sim_check_consumers_forget(c, g);
    if (g->group_id == SIM_METADATA_GROUP)
        sim_metadata_forget();
    for (uint64_t i = index + 1; i < g->entry_capacity; i++) {
        buffer_unref(g->entries[i].body);
        g->entries[i] = (struct seen_entry){0};
    }
    g->last_index = g->acknowledged_index = 0;
    for (uint64_t i = 1; i <= index && i < g->entry_capacity; i++)
        if (g->entries[i].term != 0)
            note_again(c, g, i);
}

/* ---- what is lost ---- */

static void check_loss(struct sim_node *n, const struct check_group *seen)
{
    const struct check_plan *plan = &seen->plan;
    uint64_t records = 0;
    for (uint64_t i = plan->kept_index + 1; i < seen->entry_capacity; i++) {
        const struct seen_entry *e = &seen->entries[i];
        if (e->term == 0 || e->head.kind == ENTRY_RECOVERY)
            continue;
        records += machine_count(NULL, &e->head, bytes_of(e->body->data, e->body->capacity));
        if (e->is_acknowledged && e->acknowledged_ms < plan->known_until_ms)
            world_violation(n->sim->world, "10 honest",
                            "node %u group %u loses index %" PRIu64 ", acknowledged at %" PRId64
                            " ms; possibly lost since %" PRId64 " ms, it said",
                            sim_node_id(n), seen->group_id, i, e->acknowledged_ms,
                            plan->known_until_ms);
        sim_count(n->sim, SIM_acknowledged_lost, e->is_acknowledged);
    }
    if (plan->records > records && !seen->is_recovery_told)
        world_violation(n->sim->world, "10 honest",
                        "node %u group %u loses %" PRIu64 " records, known lost were %" PRIu64,
                        sim_node_id(n), seen->group_id, records, plan->records);
    sim_count(n->sim, SIM_records_known_lost, plan->records);
    sim_count(n->sim, SIM_records_lost, records);
}

/* Where partitions go on: behind all that was ever given. */
static void check_strides(struct sim_node *n, const struct check_group *seen,
                          const struct replay *r)
{
    for (uint32_t number = 1; number < SIM_PARTITION_NUMBERS; number++) {
        const struct check_partition *p = &seen->partitions[number];
        int64_t next = next_offset(r, number);
        if ((next >= 0) != (p->is_open && !p->is_closed) || (next >= 0 && next != p->next_offset) ||
            (next >= 0 && next <= p->given_end))
            world_violation(n->sim->world, "13 no number twice",
                            "node %u group %u partition %u goes on at %" PRId64
                            " instead of %" PRId64 "; given were all below %" PRId64,
                            sim_node_id(n), seen->group_id, number, next, p->next_offset,
                            p->given_end);
    }
}

static void begin_generation(struct sim_node *n, const struct replay *r,
                             const struct sim_applied *applied)
{
    struct check_group *seen = check_group_of(n->sim->check, r->group_id);
    struct recovery_entry recovery;
    if (recovery_entry_decode(applied->entry->body.bytes, &recovery) != 0)
        abort();
    sim_check_consumers_lose(n->sim->check, seen);
    check_loss(n, seen);
    forget_after(n->sim->check, seen, seen->plan.kept_index);
    seen->entries = check_grow(seen->entries, &seen->entry_capacity, applied->entry->index,
                               sizeof *seen->entries);
    check_note_first(n->sim->check, seen, applied);
    sim_check_consumers_again(n->sim->check, seen, applied);
    sim_check_consumers_recovered(n->sim->check, seen, r->machine, sim_node_id(n));
    if (seen->group_id == SIM_METADATA_GROUP)
        sim_metadata_recovered(n->sim, applied);
    check_strides(n, seen, r);
    seen->is_recovery_told = true;
    seen->generation = recovery.generation;
    seen->voter_count = seen->voter_count_min = 1;
    seen->configuration_hash = seen->configuration_term = 0;
}

static void on_applied(void *data, const struct replay *r, const struct log_entry *entry,
                       const struct repl_entry_head *head)
{
    struct sim_node *n = data;
    if (!n->is_surviving)
        return;
    struct check_group *seen = check_group_of(n->sim->check, r->group_id);
    struct sim_applied applied = {.entry = entry,
                                  .head = head,
                                  .next_before = seen->replay_next_before,
                                  .next_after = next_offset(r, head->partition_number)};
    if (head->kind == ENTRY_RECOVERY)
        begin_generation(n, r, &applied);
    else if (seen->entries[entry->index].term == 0)
        check_note_first(n->sim->check, seen, &applied);
    seen->replayed_index = entry->index;
}

struct replay_watch sim_check_recovery_watch(struct sim_node *n)
{
    return (struct replay_watch){.data = n,
                                 .on_restored = on_restored,
                                 .on_applying = on_applying,
                                 .on_applied = on_applied};
}

/* ---- generations ---- */

/* A home that was lost applies its own log when it is back, alone and for nobody, until it hears
 * that the group is in a newer generation. */
bool check_is_over(struct sim_check *c, const struct sim_group *g)
{
    bool is_held = sim_home_is_alone(c->sim, g->group_id) &&
                   (g->raft == NULL || repl_group_is_held(g->raft)); /* not: it is being made */
    return is_held && g->generation < check_group_of(c, g->group_id)->generation;
}

void sim_check_generation(struct sim_check *c, const struct sim_group *g, const char *does)
{
    uint32_t generation = check_group_of(c, g->group_id)->generation;
    if (g->generation != generation)
        world_violation(c->sim->world, "14 one lineage",
                        "node %u group %u %s in generation %u, the group is in %u",
                        sim_node_id(g->life->node), g->group_id, does, g->generation, generation);
}
