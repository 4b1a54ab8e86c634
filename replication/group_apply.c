/* Committed entries, in order, into the state machine.
 *
 * From the cache; after a restart from the WAL. A leader may apply before its own disk has an
 * entry: a majority has it. A pending request of this node is found by its index; whether the
 * entry is really its own follows from the term, for requests of a lost term were failed. */
#include <assert.h>
#include <stdlib.h>

#include "base/event.h"
#include "group_internal.h"

#define APPLY_ENTRIES_A_TURN 20000
#define APPLY_READ_BYTES     (4u << 20)

void group_fail_pending(struct repl_group *g, int status)
{
    struct repl_submit *lists[2] = {g->pending, g->queued};
    g->pending = g->pending_last = g->queued = g->queued_last = NULL;
    g->pending_bytes = 0;
    for (int i = 0; i < 2; i++)
        while (lists[i] != NULL) {
            struct repl_submit *req = lists[i];
            lists[i] = req->next;
            slice_unref(&req->body);
            bool is_certain = i == 1 &&
                              status == ERR_LEADERSHIP_LOST; /* it never entered the log */
            req->on_failed(req, is_certain ? ERR_NOT_LEADER : status);
        }
}

static struct repl_submit *take_own(struct repl_group *g, const struct log_entry *e)
{
    struct repl_submit *req = g->pending;
    if (req == NULL || req->index != e->index)
        return NULL;
    assert(req->term == e->term); /* requests of a lost term were failed */
    g->pending = req->next;
    if (g->pending == NULL)
        g->pending_last = NULL;
    g->pending_bytes -= log_entry_size(e);
    slice_unref(&req->body);
    return req;
}

static void apply_command(struct repl_group *g, const struct log_entry *e)
{
    struct repl_entry_head head;
    int err = repl_entry_head_decode(e->head.bytes, &head);
    if (err != 0) { /* a later release wrote it: a replica may be behind, never different */
        group_fatal(g, err, "an entry of a later release");
        return;
    }
    struct repl_submit *own = take_own(g, e);
    if (head.wall_ms > g->wall_ms)
        g->wall_ms = head.wall_ms; /* of entries from before a restart, too */
    g->options.machine.apply(g->options.machine.data, e, &head, own);
    g->counters.entries_applied++;
}

static void apply_change(struct repl_group *g, const struct log_entry *e)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    event.configuration.index = e->index;
    int err = configuration_decode(e->body.bytes, &event.configuration.conf);
    if (err == 0)
        err = group_step(g, &event, NULL, 0);
    if (err < 0) {
        group_fatal(g, err, "a configuration");
        return;
    }
    event_info("configuration_committed", "group=%u index=%llu members=%u",
               g->options.identity.group_id, (unsigned long long)e->index, g->raft.configuration.n);
}

static void apply_one(struct repl_group *g, const struct log_entry *e)
{
    assert(e->index == g->applied_index + 1);
    if (e->type == LOG_ENTRY_COMMAND)
        apply_command(g, e);
    else if (e->type == LOG_ENTRY_CHANGE)
        apply_change(g, e);
    if (g->is_failed)
        return; /* not applied */
    g->applied_index = e->index;
    g->applied_term = e->term;
    g->has_progress = true;
}

static void drop_read(struct repl_group *g)
{
    if (g->apply_read == NULL || g->is_apply_reading)
        return;
    for (unsigned i = 0; i < g->apply_read->entry_count; i++) {
        slice_unref(&g->apply_read->entries[i].head);
        slice_unref(&g->apply_read->entries[i].body);
    }
    free(g->apply_read);
    g->apply_read = NULL;
}

/* What was read ahead of the commit index may since have been replaced by another leader's. */
void group_apply_forget(struct repl_group *g)
{
    g->is_apply_read_stale = g->is_apply_reading;
    drop_read(g);
}

static void on_read(struct log_wal_read *read, int status)
{
    struct repl_group *g = read->data;
    bool is_stale = g->is_apply_read_stale;
    g->is_apply_reading = g->is_apply_read_stale = false;
    if (status != 0)
        read->entry_count = 0;
    if (status != 0 && status != ERR_OUT_OF_RANGE && !is_stale)
        group_fatal(g, status, "read the write-ahead log");
    if (status != 0 || is_stale || group_is_over(g))
        drop_read(g); /* not durable yet: the turn tries again */
}

static void begin_read(struct repl_group *g)
{
    drop_read(g);
    if (g->is_apply_reading || (g->apply_read = calloc(1, sizeof *g->apply_read)) == NULL)
        return;
    g->apply_read->data = g;
    g->apply_read->group_id = g->options.identity.group_id;
    g->apply_read->index = g->applied_index + 1;
    g->apply_read->size_bytes_max = APPLY_READ_BYTES;
    g->apply_read->home = g->options.home;
    g->is_apply_reading = true;
    log_wal_read(g->options.wal, g->apply_read, on_read);
}

static const struct log_entry *next_entry(struct repl_group *g)
{
    uint64_t index = g->applied_index + 1;
    const struct log_entry *e = cache_get(&g->cache, index);
    const struct log_wal_read *read = g->apply_read;
    if (e != NULL || read == NULL || g->is_apply_reading || index < read->index ||
        index >= read->index + read->entry_count)
        return e;
    return &read->entries[index - read->index];
}

void group_apply(struct repl_group *g)
{
    uint64_t upto = g->raft.commit_index;
#ifdef TRILOG_BREAK_ACK_BEFORE_MAJORITY
    /* On purpose wrong, for the simulation to find: a leader's own disk is taken for enough. */
    if (group_is_leader(g) && g->raft.last_stored > upto)
        upto = g->raft.last_stored;
#endif
    if (g->is_checkpoint_wanted && upto > g->raft.last_stored)
        upto = g->raft.last_stored;
    for (unsigned i = 0; i < APPLY_ENTRIES_A_TURN && g->applied_index < upto; i++) {
        if (g->raft.snapshot.installing || group_is_over(g))
            return;
        const struct log_entry *e = next_entry(g);
        if (e == NULL) {
            if (!g->is_apply_reading)
                begin_read(g);
            return;
        }
        struct log_entry kept = *e; /* a step may move the cache */
        slice_ref(kept.head);
        slice_ref(kept.body);
        apply_one(g, &kept);
        slice_unref(&kept.head);
        slice_unref(&kept.body);
    }
    if (g->apply_read != NULL && g->applied_index >= upto)
        drop_read(g);
}
