/* Leaders, votes and configurations, and what readers get. */
#include <inttypes.h>
#include <string.h>

#include "base/crc32c.h"
#include "protocol/record_batch.h"
#include "sim/sim_check_parts.h"
#include "sim/sim_check_recovery.h"
#include "sim/sim_history.h"

static uint64_t raft_id_of(const struct sim_group *g)
{
    return sim_node_raft_id(g->life->node);
}

static void note_leader(struct sim_check *c, struct sim_group *g, uint64_t term)
{
    struct check_group *seen = check_group_of(c, g->group_id);
    seen->leaders = check_grow(seen->leaders, &seen->leader_capacity, term, sizeof *seen->leaders);
    uint64_t id = raft_id_of(g);
    if (seen->leaders[term] != 0 && seen->leaders[term] != id)
        world_violation(c->sim->world, "11 one leader",
                        "group %u term %" PRIu64 ": nodes %u and %u lead", g->group_id, term,
                        repl_raft_id_node(seen->leaders[term]), repl_raft_id_node(id));
    seen->leaders[term] = id;
}

/* What was answered in its own or an earlier term must be there. A later term may have begun
 * unheard: then it leads no one, and newer answers are not its concern. */
void sim_check_leader(struct sim_check *c, struct sim_group *g, uint64_t term)
{
    struct check_group *seen = check_group_of(c, g->group_id);
    sim_history_leads(c->sim, sim_node_id(g->life->node), g->group_id, term);
    if (c->sim->is_blind)
        return;
    note_leader(c, g, term);
    for (uint64_t i = g->applied_index + 1; i <= seen->acknowledged_index; i++)
        if (seen->entries[i].is_acknowledged && seen->entries[i].term <= term)
            world_violation(c->sim->world, "1 durable",
                            "node %u leads group %u in term %" PRIu64 " with index %" PRIu64
                            " and lacks %" PRIu64 ", acknowledged in term %" PRIu64,
                            sim_node_id(g->life->node), g->group_id, term, g->applied_index, i,
                            seen->entries[i].term);
}

/* ---- votes ---- */

static struct seen_vote *last_vote(struct check_group *seen, uint64_t raft_id)
{
    for (size_t i = 0; i < seen->vote_count; i++)
        if (seen->votes[i].raft_id == raft_id)
            return &seen->votes[i];
    seen->votes = check_grow(seen->votes, &seen->vote_capacity, seen->vote_count,
                             sizeof *seen->votes);
    seen->votes[seen->vote_count] = (struct seen_vote){.raft_id = raft_id};
    return &seen->votes[seen->vote_count++];
}

/* What the disk says: a term never falls, and a vote never changes within its term. */
static void check_vote(struct sim_check *c, struct sim_group *g)
{
    struct log_wal_state state;
    if (log_wal_state(g->life->wal, g->group_id, &state) != 0)
        return;
    struct seen_vote *last = last_vote(check_group_of(c, g->group_id), raft_id_of(g));
    bool is_other = state.term == last->term && last->voted_for != 0 &&
                    state.voted_for != last->voted_for;
    if (state.term < last->term || is_other)
        world_violation(c->sim->world, "11 one vote",
                        "node %u group %u: term %" PRIu64 " vote %u"
                        " after term %" PRIu64 " vote %u",
                        sim_node_id(g->life->node), g->group_id, state.term,
                        repl_raft_id_node(state.voted_for), last->term,
                        repl_raft_id_node(last->voted_for));
    last->term = state.term;
    last->voted_for = state.voted_for;
}

void sim_check_forget_votes(struct sim_check *c, const struct sim_node *n)
{
    uint64_t raft_id = sim_node_raft_id(n);
    for (uint32_t group_id = 1; group_id <= SIM_RAFT_GROUPS_MAX; group_id++)
        *last_vote(check_group_of(c, group_id), raft_id) = (struct seen_vote){.raft_id = raft_id};
}

/* ---- configurations ---- */

static unsigned voters_at(const struct repl_group_status *status, const char *site)
{
    unsigned count = 0;
    for (unsigned i = 0; i < status->replica_count; i++)
        count += status->replicas[i].member.is_voter &&
                 (site == NULL || strcmp(status->replicas[i].member.site, site) == 0);
    return count;
}

static uint64_t hash_of(const struct repl_group_status *status)
{
    uint64_t hash = 1;
    for (unsigned i = 0; i < status->replica_count; i++)
        hash = (hash * 31 + status->replicas[i].member.raft_id) * 31 +
               status->replicas[i].member.is_voter;
    return hash;
}

/* Each quorum spans two sites: no site has a majority by itself. */
static void check_sites(struct sim_check *c, const struct sim_group *g,
                        const struct repl_group_status *status, unsigned voter_count)
{
    for (unsigned i = 0; i < status->replica_count; i++) {
        const char *site = status->replicas[i].member.site;
        if (voter_count > 1 && voters_at(status, site) >= voter_count / 2 + 1)
            world_violation(c->sim->world, "16 site rule", "group %u: site %s has %u of %u voters",
                            g->group_id, site, voters_at(status, site), voter_count);
    }
}

static void note_configuration(struct sim_check *c, struct sim_group *g,
                               const struct repl_group_status *status)
{
    struct check_group *seen = check_group_of(c, g->group_id);
    uint64_t hash = hash_of(status);
    if (hash == seen->configuration_hash || status->replica_count == 0 ||
        status->term < seen->configuration_term)
        return;
    seen->configuration_term = status->term;
    if (seen->configuration_hash != 0)
        sim_count(c->sim, SIM_configuration_changes, 1);
    unsigned voter_count = voters_at(status, NULL);
    check_sites(c, g, status, voter_count);
    seen->voter_count_min = seen->voter_count != 0 && seen->voter_count < voter_count
                                ? seen->voter_count
                                : voter_count;
    seen->voter_count = voter_count;
    seen->configuration_hash = hash;
}

void sim_check_turn(struct sim_check *c, struct sim_group *g)
{
    struct repl_group_status status;
    repl_group_status(g->raft, &status);
    if (!c->sim->is_blind)
        check_vote(c, g);
    if (status.checkpoint_index > g->checkpoint_index) {
        g->checkpoint_index = status.checkpoint_index;
        sim_count(c->sim, SIM_checkpoints, 1);
    }
    if (status.role != REPL_LEADER || c->sim->is_blind || check_is_over(c, g))
        return;
    sim_check_generation(c, g, "leads");
    if (g->led_term_min == 0)
        g->led_term_min = status.term;
    note_leader(c, g, status.term);
    note_configuration(c, g, &status);
}

/* ---- reads ---- */

const struct seen_batch *check_find(const struct check_partition *p, int64_t offset)
{
    size_t low = 0, high = p->batch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->batches[middle].next_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->batch_count && p->batches[low].base_offset <= offset ? &p->batches[low] : NULL;
}

static void check_batch_read(struct sim_check *c, const struct sim_group *g, uint32_t partition,
                             int64_t offset, const struct kafka_record_batch *batch)
{
    unsigned node = sim_node_id(g->life->node);
    const struct seen_batch *seen = check_find(
        &check_group_of(c, g->group_id)->partitions[partition], offset);
    if (kafka_record_batch_check_crc(batch) != 0)
        world_violation(c->sim->world, "19 known damage only",
                        "node %u serves damaged bytes at "
                        "offset %" PRId64,
                        node, offset);
    if (seen == NULL)
        world_violation(c->sim->world, "5 committed only",
                        "node %u group %u partition %u shows "
                        "offset %" PRId64 " which nobody has applied",
                        node, g->group_id, partition, offset);
    if (batch->base_offset != seen->base_offset || batch->crc != seen->crc ||
        batch->leader_epoch != seen->leader_epoch ||
        kafka_record_batch_next_offset(batch) != seen->next_offset)
        world_violation(c->sim->world, "2 one history",
                        "node %u group %u partition %u offset %" PRId64
                        " (epoch %d) is not what it was (epoch %d)",
                        node, g->group_id, partition, offset, batch->leader_epoch,
                        seen->leader_epoch);
}

int64_t sim_check_read(struct sim_check *c, const struct sim_group *g, uint32_t partition,
                       int64_t offset, struct bytes bytes)
{
    while (bytes.size > 0) {
        struct kafka_record_batch batch;
        int size = kafka_record_batch_decode(bytes, &batch);
        if (size <= 0)
            world_violation(c->sim->world, "19 known damage only",
                            "node %u serves no whole batch "
                            "at offset %" PRId64,
                            sim_node_id(g->life->node), offset);
        if (!c->sim->is_blind && check_is_compacted(c, g->group_id, partition))
            sim_compaction_check_read(g, &check_group_of(c, g->group_id)->partitions[partition],
                                      offset, &batch);
        else if (!c->sim->is_blind)
            check_batch_read(c, g, partition, offset, &batch);
        offset = kafka_record_batch_next_offset(&batch);
        bytes = bytes_of(bytes.data + size, bytes.size - (size_t)size);
    }
    return offset;
}
