/* Checkpoints: the store makes what was applied durable, libraft is told, the WAL released. */
#include <stdlib.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define ROOM_RETRY_MS 500 /* between two attempts on a full disk */

static void forget_buffers(struct repl_group *g)
{
    free((void *)(uintptr_t)g->checkpoint.state.machine.data);
    g->checkpoint.state.machine = (struct bytes){0};
    raft_free(g->checkpoint_configuration.base);
    g->checkpoint_configuration.base = NULL;
}

/* How many entries before the checkpoint libraft may count on: those that the WAL still has. */
static unsigned trailing_entries(struct repl_group *g, uint64_t index)
{
    struct log_wal_state state;
    uint64_t kept = 0;
    if (log_wal_state(g->options.wal, g->options.identity.group_id, &state) == 0 &&
        state.first_index <= index)
        kept = index - state.first_index + 1;
    if (kept > g->options.trailing_entries)
        kept = g->options.trailing_entries;
    return kept > UINT32_MAX ? UINT32_MAX : (unsigned)kept;
}

static void tell_raft(struct repl_group *g, uint64_t index, uint64_t term,
                      const struct log_store_state *state)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    struct raft_snapshot_metadata *metadata = &event.snapshot.metadata;
    metadata->index = index;
    metadata->term = term;
    metadata->configuration_index = state->configuration_index;
    event.snapshot.trailing = trailing_entries(g, index);
    int err = configuration_decode(state->configuration, &metadata->configuration);
    if (err == 0)
        err = group_step(g, &event, NULL, 0);
    if (err < 0)
        group_fatal(g, err, "a checkpoint");
}

/* A full disk may be emptied; what is applied stays in memory and in the WAL until then. */
static void wait_for_room(struct repl_group *g, int status)
{
    if (!g->waits_for_room)
        event_error("checkpoint_waits_for_room", "group=%u error=%s", g->options.identity.group_id,
                    err_name(status));
    g->waits_for_room = true;
    g->no_room_ms = group_now_ms(g);
}

static void on_checkpoint(struct log_checkpoint *req, int status)
{
    struct repl_group *g = req->data;
    uint64_t index = req->state.index, term = req->state.term;
    g->is_checkpointing = false;
    if (err_is_no_room(status) && !group_is_over(g)) {
        wait_for_room(g, status);
        forget_buffers(g);
        return;
    }
    g->waits_for_room = false;
    if (status != 0) {
        forget_buffers(g);
        group_fatal(g, status, "a checkpoint");
        return;
    }
    if (!group_is_over(g)) {
        g->checkpoint_index = index;
        if (index > g->raft.trail.snapshot.index && !g->raft.snapshot.installing)
            tell_raft(g, index, term, log_store_state(g->options.store));
        log_wal_release(g->options.wal, g->options.identity.group_id, index);
        group_send_due_installs(g);
    }
    forget_buffers(g);
}

/* The WAL gives files back when it likes, libraft learns of it with a checkpoint. A peer that needs
 * what is gone meanwhile would wait for the next one, which may itself wait for that peer. So the
 * records of terms that begin libraft's trail are dropped here as a checkpoint drops them; the
 * event itself may not name the same index twice. */
void group_tell_compacted(struct repl_group *g)
{
    struct raft_trail *t = &g->raft.trail;
    uint64_t kept = trailing_entries(g, t->snapshot.index);
    uint64_t before_first = t->snapshot.index - kept; /* kept is at most the snapshot's index */
    if (before_first <= t->offset || g->raft.snapshot.installing)
        return;
    while (t->front != t->back && t->records[t->front].index <= before_first) {
        t->records[t->front].index = t->records[t->front].term = 0;
        t->front = (t->front + 1) % t->size;
    }
    t->offset = before_first;
}

static int fill_state(struct repl_group *g, struct log_store_state *state)
{
    uint8_t *machine = NULL;
    size_t machine_size = 0;
    int err = g->options.machine.encode_state(g->options.machine.data, &machine, &machine_size,
                                              &state->feature_level);
    if (err != 0)
        return err;
    state->machine = bytes_of(machine, machine_size);
    if (raft_configuration_encode(&g->raft.configuration_committed, &g->checkpoint_configuration) !=
        0)
        return UV_ENOMEM;
    state->configuration = bytes_of(g->checkpoint_configuration.base,
                                    g->checkpoint_configuration.len);
    state->configuration_index = g->raft.configuration_committed_index;
    state->index = g->applied_index;
    state->term = g->applied_term;
    state->generation = g->options.identity.generation;
    state->recovery_id = g->options.identity.recovery_id;
    return 0;
}

/* A checkpoint never runs ahead of this replica's own log on disk (a crash would leave a state
 * that the log contradicts), nor behind a configuration that libraft already counts as committed.
 * Until then it stays wanted, and apply waits for the disk. */
static bool is_early(const struct repl_group *g)
{
    return g->applied_index > g->raft.last_stored ||
           g->applied_index < g->raft.configuration_committed_index;
}

void group_checkpoint_begin(struct repl_group *g)
{
    bool has_new = g->applied_index > g->checkpoint_index && g->applied_term > 0;
    if (g->waits_for_room && group_now_ms(g) - g->no_room_ms < ROOM_RETRY_MS)
        return;
    g->is_checkpoint_wanted = false;
    if (g->is_checkpointing || g->leave != NULL || g->installation != NULL ||
        g->raft.snapshot.installing || group_is_over(g) || !has_new)
        return;
    g->is_checkpoint_wanted = is_early(g);
    if (g->is_checkpoint_wanted)
        return;
    g->checkpoint = (struct log_checkpoint){.data = g};
    int err = fill_state(g, &g->checkpoint.state);
    if (err == 0)
        err = log_store_checkpoint(g->options.store, &g->checkpoint, on_checkpoint);
    if (err != 0) {
        forget_buffers(g);
        if (err != ERR_BUSY)
            group_fatal(g, err, "a checkpoint");
        return;
    }
    g->is_checkpointing = true;
}

void repl_group_checkpoint(struct repl_group *g)
{
    group_checkpoint_begin(g);
}
