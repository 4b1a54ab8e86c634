/* How far replicas are behind, and what a replica tells of its own place.
 *
 * Every replica counts what its log grows by, so that whoever comes to lead knows at once what the
 * others lack. Records are what the machine says that an entry carries; totals since the group
 * began are the machine's, too, and go with its state: so a leader's place and a survivor's can be
 * compared long after. */
#include <stdlib.h>

#include "beat.h"
#include "group_internal.h"

static uint64_t last_index(const struct repl_group *g)
{
    return raft_last_index(
        (struct raft *)(uintptr_t)&g->raft); /* libraft's queries are not const */
}

void group_lag_begin(struct repl_group *g)
{
    growth_begin(&g->growth, last_index(g), group_now_ms(g));
}

static uint32_t count_records(const struct repl_group *g, const struct log_entry *e,
                              uint32_t *partition_number)
{
    const struct repl_machine *machine = &g->options.machine;
    struct repl_entry_head head;
    *partition_number = 0;
    if (e->type != LOG_ENTRY_COMMAND || repl_entry_head_decode(e->head.bytes, &head) != 0)
        return 0;
    *partition_number = head.partition_number;
    return machine->count == NULL ? 0 : machine->count(machine->data, &head, e->body.bytes);
}

void group_lag_add(struct repl_group *g, const struct log_entry *entries, unsigned count)
{
    uint64_t now_ms = group_now_ms(g);
    growth_cut(&g->growth, entries[0].index, now_ms);
    if (g->growth.last + 1 != entries[0].index)
        growth_begin(&g->growth, entries[0].index - 1, now_ms);
    for (unsigned i = 0; i < count; i++) {
        uint32_t partition_number, records = count_records(g, &entries[i], &partition_number);
        growth_add(&g->growth, partition_number, records,
                   records > 0 ? entries[i].body.bytes.size : 0, now_ms);
    }
}

bool repl_group_lag_after(const struct repl_group *g, uint64_t index, struct repl_lag *lag)
{
    struct growth_rest rest;
    bool is_known = growth_after(&g->growth, index, &rest);
    *lag = (struct repl_lag){.entries = rest.entries, .records = rest.records, .bytes = rest.bytes};
    if (rest.entries > 0)
        lag->ms = group_now_ms(g) - rest.since_ms;
    return is_known;
}

/* ---- by partition ---- */

struct gather {
    struct repl_lag_share *shares;
    unsigned count;
    bool is_full; /* of different partitions, nearly */
};

static void add_share(void *data, const struct repl_lag_share *share)
{
    struct gather *gather = data;
    if (gather->count == REPL_SHARES_MAX) {
        gather->count = growth_shares_join(gather->shares, gather->count);
        gather->is_full = gather->count > REPL_SHARES_MAX / 4 * 3;
    }
    if (!gather->is_full)
        gather->shares[gather->count++] = *share;
}

unsigned repl_group_lag_shares(const struct repl_group *g, uint64_t index,
                               struct repl_lag_share shares[REPL_SHARES_MAX])
{
    struct gather gather = {.shares = shares};
    growth_each(&g->growth, index, add_share, &gather);
    return growth_shares_join(shares, gather.count);
}

/* ---- status ---- */

void group_lag_of(const struct repl_group *g, uint64_t match, struct repl_replica_status *r)
{
    struct repl_lag lag;
    r->match_index = match;
    r->is_lag_known = repl_group_lag_after(g, match, &lag) && match > 0;
    r->lag_entries = lag.entries;
    r->lag_records = lag.records;
    r->lag_bytes = lag.bytes;
    r->lag_ms = lag.ms;
}

static struct repl_totals totals_of(const struct repl_group *g)
{
    struct repl_totals totals = {0};
    if (g->options.machine.totals != NULL)
        g->options.machine.totals(g->options.machine.data, &totals);
    return totals;
}

/* What others have sent may be committed, unheard: it stays. What this replica proposed itself is
 * not acknowledged before it is committed here; as a leader of the past it may have such entries at
 * whose indexes its successor went on with others. So these go: kept, their records would stand at
 * offsets where clients have seen the successor's. What is applied is committed, also where libraft
 * has begun again from the checkpoint (a snapshot that did not come) and counts from there. */
uint64_t repl_group_kept_index(const struct repl_group *g)
{
    uint64_t last = last_index(g), before = g->own_from == 0 ? last : g->own_from - 1;
#ifdef TRILOG_BREAK_KEEP_OWN_TAIL
    before = last; /* on purpose wrong, for the simulation to find */
#endif
    uint64_t committed = g->applied_index > g->raft.commit_index ? g->applied_index
                                                                 : g->raft.commit_index;
    return before > committed ? before : committed;
}

/* What lies between the applied and the last index that would be kept. */
static void count_tail(const struct repl_group *g, struct repl_group_status *status)
{
    struct growth_rest all, left_out;
    status->kept_index = repl_group_kept_index(g);
    if (!group_term_of((struct repl_group *)(uintptr_t)g, status->kept_index, &status->kept_term))
        status->kept_term = 0;
    status->is_tail_counted = growth_after(&g->growth, g->applied_index, &all);
    growth_after(&g->growth, status->kept_index, &left_out); /* counted if what is before is */
    status->tail = (struct repl_totals){.records = all.records - left_out.records,
                                        .bytes = all.bytes - left_out.bytes};
}

void group_lag_fill(const struct repl_group *g, struct repl_group_status *status)
{
    status->heard = group_heard_now(g);
    status->totals = totals_of(g);
    count_tail(g, status);
}

/* Until it is ready a new leader has not applied all that leaders before it acknowledged: then its
 * place says nothing of when (wall clock 0). */
struct repl_place group_lag_place(const struct repl_group *g)
{
    bool is_ready = g->role == REPL_LEADER;
    return (struct repl_place){.position = g->applied_index,
                               .totals = totals_of(g),
                               .wall_ms = is_ready ? clock_wall_ms(g->options.clock) : 0};
}
