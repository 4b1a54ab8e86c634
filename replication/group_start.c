/* A replica from what is on disk: RAFT_START with checkpoint, term, vote and kept entries.
 *
 * The founders' configuration is no entry: a founded replica begins with a snapshot of nothing at
 * index 1, term 1, whose configuration the node's identity file keeps. It is the same on every
 * founder, needs no write, and goes with the first checkpoint. A group that comes later begins with
 * that snapshot as a checkpoint, for the identity file does not know it (repl_group_found). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"
#include "raft_err.h"

#define APPEND_BYTES_MAX_DEFAULT (4u << 20)
#define INSTALL_TIMEOUT_MS       (3600u * 1000) /* lost ones are noticed before: group_receive.c */

struct start {
    uint64_t term, voted_for;
    struct raft_snapshot_metadata metadata;
    bool has_metadata;
    uint64_t first_index;
    struct raft_entry *entries;
    unsigned entry_count;
    bool is_wal_stale; /* what the WAL has does not go on from the checkpoint: it is replaced */
    bool is_wal_left;  /* what the WAL has is of a group that this replica has left */
};

static int founding_snapshot(struct repl_group *g, struct start *s)
{
    s->metadata.index = s->metadata.term = s->metadata.configuration_index = 1;
    raft_configuration_init(&s->metadata.configuration);
    for (unsigned i = 0; i < g->options.founder_count; i++)
        if (configuration_add(&s->metadata.configuration, &g->options.founders[i]) != 0)
            return UV_ENOMEM;
    s->has_metadata = true;
    return 0;
}

int repl_group_found(struct log_store *store, const struct repl_member *founders,
                     unsigned founder_count, struct bytes machine, uint32_t feature_level)
{
    uint8_t *configuration = NULL;
    size_t size = 0;
    int err = repl_configuration_encode(founders, founder_count, &configuration, &size);
    struct log_store_state state = {.index = 1,
                                    .term = 1,
                                    .configuration_index = 1,
                                    .configuration = bytes_of(configuration, size),
                                    .machine = machine,
                                    .feature_level = feature_level};
    if (err == 0)
        err = log_store_begin(store, &state);
    free(configuration);
    return err;
}

static int checkpoint_snapshot(const struct log_store_state *state, struct start *s)
{
    s->metadata.index = state->index;
    s->metadata.term = state->term;
    s->metadata.configuration_index = state->configuration_index;
    s->has_metadata = true;
    int err = configuration_decode(state->configuration, &s->metadata.configuration);
    return err == ERR_MALFORMED ? ERR_CORRUPT : err;
}

static int read_configuration(struct repl_group *g, uint64_t index, struct raft_buffer *into)
{
    struct log_entry entry;
    int err = log_wal_read_one(g->options.wal, g->options.identity.group_id, index, &entry);
    if (err != 0)
        return err;
    if (!configuration_is_sound(entry.body.bytes))
        err = ERR_CORRUPT;
    into->len = entry.body.bytes.size;
    if (err == 0 && (into->base = malloc(into->len)) == NULL)
        err = UV_ENOMEM;
    if (err == 0)
        memcpy(into->base, entry.body.bytes.data, into->len);
    slice_unref(&entry.head);
    slice_unref(&entry.body);
    return err;
}

/* A crash between the swap to a shipped snapshot and the WAL's record of it leaves a log that the
 * snapshot has replaced: its entry at the snapshot's index is another leader's, or it ends before
 * (and then begins anew behind it). */
static bool does_wal_contradict(struct repl_group *g, const struct log_wal_state *wal,
                                const struct start *s)
{
    enum log_entry_type type;
    uint64_t term;
    if (!s->has_metadata || s->metadata.index < wal->first_index ||
        s->metadata.index > wal->last_index)
        return false;
    return log_wal_entry_term(g->options.wal, g->options.identity.group_id, s->metadata.index,
                              &term, &type) != 0 ||
           term != s->metadata.term;
}

/* Entries of the WAL, as libraft wants them: terms and types, bytes only of configurations. */
static int read_entries(struct repl_group *g, const struct log_wal_state *wal, struct start *s,
                        struct err_note *note)
{
    uint64_t snapshot = s->has_metadata ? s->metadata.index : 0;
    uint32_t group_id = g->options.identity.group_id;
    s->first_index = wal->first_index > 0 ? wal->first_index : 1;
    s->is_wal_stale = does_wal_contradict(g, wal, s);
    if (s->is_wal_stale || wal->last_index < snapshot) {
        s->first_index = snapshot + 1; /* the checkpoint has all that the WAL has */
        return 0;
    }
    /* Also where none is kept: they were released because a checkpoint had them. */
    if (s->first_index > snapshot + 1)
        return err_set(note, ERR_CORRUPT, "group %u: entries %llu to %llu are missing", group_id,
                       (unsigned long long)snapshot + 1, (unsigned long long)s->first_index - 1);
    if (wal->last_index < s->first_index) {
        s->first_index = snapshot + 1; /* there are none */
        return 0;
    }
    uint64_t count = wal->last_index - s->first_index + 1;
    s->entries = calloc(count, sizeof *s->entries);
    if (s->entries == NULL || count > UINT32_MAX)
        return UV_ENOMEM;
    s->entry_count = (unsigned)count;
    for (uint64_t i = 0; i < count; i++) {
        enum log_entry_type type;
        uint64_t term;
        int err = log_wal_entry_term(g->options.wal, group_id, s->first_index + i, &term, &type);
        if (err != 0)
            return err_set(note, ERR_CORRUPT, "group %u: entry %llu is missing", group_id,
                           (unsigned long long)(s->first_index + i));
        s->entries[i].term = term;
        s->entries[i].type = (enum raft_entry_type)type;
        if (type == LOG_ENTRY_CHANGE && s->first_index + i > s->metadata.configuration_index) {
            err = read_configuration(g, s->first_index + i, &s->entries[i].buf);
            if (err != 0)
                return err_set(note, err, "group %u: configuration at %llu: %s", group_id,
                               (unsigned long long)(s->first_index + i), err_text(err));
        }
    }
    return 0;
}

static void free_start(struct start *s)
{
    for (unsigned i = 0; i < s->entry_count; i++)
        free(s->entries[i].buf.base);
    free(s->entries);
}

/* Of a group that was left only the vote counts. The term rises by one: an acknowledgement of then
 * that is still on its way may reach a leader that has taken this replica in again, and would count
 * for what is no more here; that leader hears of the higher term first (group_leave.c). */
static void leave_wal(const struct log_wal_state *wal, struct start *s)
{
    s->is_wal_left = wal->last_index > 0 || wal->first_index > 1 || wal->snapshot_index > 0;
    s->first_index = 1;
    if (!s->is_wal_left)
        return;
    s->term++;
    s->voted_for = 0;
}

static int read_disk(struct repl_group *g, struct start *s, struct err_note *note)
{
    const struct log_store_state *state = log_store_state(g->options.store);
    struct log_wal_state wal = {.first_index = 1};
    bool has_wal = log_wal_state(g->options.wal, g->options.identity.group_id, &wal) == 0;
    int err = 0;
    if (state->index > 0)
        err = checkpoint_snapshot(state, s);
    else if (g->options.founder_count > 0 && state->left_index == 0)
        err = founding_snapshot(g, s);
    if (err != 0)
        return err;
    s->term = has_wal ? wal.term : 0;
    s->voted_for = has_wal ? wal.voted_for : 0;
    if (s->has_metadata && s->term < s->metadata.term) {
        s->term = s->metadata.term;
        s->voted_for = 0;
    }
    if (state->left_index == 0)
        return read_entries(g, &wal, s, note);
    leave_wal(&wal, s);
    return 0;
}

int repl_group_check(const struct repl_group_options *options, struct err_note *note)
{
    struct start s = {.first_index = 1};
    struct repl_group *g = calloc(1, sizeof *g);
    if (g == NULL)
        return UV_ENOMEM;
    g->options = *options;
    int err = read_disk(g, &s, note);
    if (s.has_metadata)
        raft_configuration_close(&s.metadata.configuration);
    free_start(&s);
    free(g);
    return err;
}

static int init_raft(struct repl_group *g)
{
    char address[64];
    snprintf(address, sizeof address, "%llx", (unsigned long long)g->options.raft_id);
    int rv = raft_init(&g->raft, NULL, NULL, g->options.raft_id, address);
    if (rv != 0)
        return repl_raft_err(rv);
    g->raft.tracer = NULL;
    raft_seed(&g->raft, (unsigned)random_u64(g->options.random));
    raft_set_pre_vote(&g->raft, true);
    g->raft.election_timeout = g->options.election_timeout_ms;
    g->raft.heartbeat_timeout = 1; /* the leader's timeouts come in a rhythm of their own */
    raft_set_max_inflight_entries(&g->raft, g->options.in_flight_entries_max);
    raft_set_install_snapshot_timeout(&g->raft, INSTALL_TIMEOUT_MS);
    return 0;
}

/* The newest configuration of the log, committed or not, as libraft will have it. */
static bool is_sole_voter(const struct repl_group *g, const struct start *s)
{
    for (unsigned i = s->entry_count; i > 0; i--) {
        struct raft_configuration c;
        const struct raft_buffer *buf = &s->entries[i - 1].buf;
        if (buf->base == NULL || configuration_decode(bytes_of(buf->base, buf->len), &c) != 0)
            continue;
        bool is_sole = configuration_has_sole_voter(&c, g->options.raft_id);
        raft_configuration_close(&c);
        return is_sole;
    }
    return s->has_metadata &&
           configuration_has_sole_voter(&s->metadata.configuration, g->options.raft_id);
}

static int start_raft(struct repl_group *g, struct start *s)
{
    if (is_sole_voter(g, s)) {
        int err = group_begin_sole_term(g, s->term + 1);
        if (err != 0)
            return err;
        s->term = g->raft.current_term;
        s->voted_for = g->raft.voted_for;
    }
    struct raft_event event = {.type = RAFT_START};
    event.start.term = s->term;
    event.start.voted_for = s->voted_for;
    event.start.metadata = s->has_metadata ? &s->metadata : NULL;
    event.start.start_index = s->first_index;
    event.start.entries = s->entries;
    event.start.n_entries = s->entry_count;
    int err = group_step(g, &event, NULL, 0);
    return err < 0 ? err : 0;
}

/* The WAL may be behind the checkpoint, or contradict it: then it is told, so that what follows has
 * no gap. */
static void align_wal(struct repl_group *g, const struct start *s)
{
    struct log_wal_state wal = {0};
    uint64_t last = s->first_index + s->entry_count - 1;
    bool has_wal = log_wal_state(g->options.wal, g->options.identity.group_id, &wal) == 0;
    uint64_t wal_last = has_wal ? wal.last_index : 0;
    g->appended_index = last;
    if (!s->is_wal_left)
        group_heard_begin(g);
    if (s->is_wal_left)
        persist_forget(g);
    else if (last > wal_last || s->is_wal_stale)
        persist_snapshot(g, s->metadata.index, s->metadata.term);
}

static int open_raft(struct repl_group *g, struct start *s, struct err_note *note)
{
    int err = init_raft(g);
    if (err == 0)
        err = read_disk(g, s, note);
    if (err == 0)
        err = start_raft(g, s); /* libraft has the configuration from here on */
    else if (s->has_metadata)
        raft_configuration_close(&s->metadata.configuration);
    if (err == 0) {
        align_wal(g, s);
        group_lag_begin(g);
    }
    free_start(s);
    return err;
}

/* What was applied stays applied: libraft begins below it and comes up to it again. */
int group_restart(struct repl_group *g, struct err_note *note)
{
    struct start s = {.first_index = 1};
    assert(!group_is_leader(g) && g->persists == NULL);
    raft_close(&g->raft, NULL);
    memset(&g->raft, 0, sizeof g->raft);
    cache_close(&g->cache);
    group_apply_forget(g);
    return open_raft(g, &s, note);
}

int group_begin_anew(struct repl_group *g, struct err_note *note)
{
    const struct log_store_state *state = log_store_state(g->options.store);
    int err = group_restart(g, note);
    if (err != 0)
        return err;
    g->applied_index = g->checkpoint_index = state->index;
    g->applied_term = state->term;
    g->wall_ms = 0;
    g->has_progress = true;
    return g->options.machine.restore(g->options.machine.data, g->options.store, state);
}

/* The clock of the last entry that the checkpoint covers, when the WAL still has it: the next
 * entry's is not to be below, also when the machine's clock was set back meanwhile. */
static void know_wall(struct repl_group *g, uint64_t index)
{
    struct log_entry entry;
    struct repl_entry_head head;
    if (index == 0 ||
        log_wal_read_one(g->options.wal, g->options.identity.group_id, index, &entry) != 0)
        return;
    if (entry.type == LOG_ENTRY_COMMAND && repl_entry_head_decode(entry.head.bytes, &head) == 0)
        g->wall_ms = head.wall_ms;
    slice_unref(&entry.head);
    slice_unref(&entry.body);
}

static int open_replica(struct repl_group *g, struct err_note *note)
{
    const struct log_store_state *state = log_store_state(g->options.store);
    struct start s = {.first_index = 1};
    int err = open_raft(g, &s, note);
    if (err != 0)
        return err;
    know_wall(g, s.has_metadata ? s.metadata.index : 0);
    g->applied_index = s.has_metadata ? s.metadata.index : 0;
    g->applied_term = s.has_metadata ? s.metadata.term : 0;
    g->checkpoint_index = state->index;
    if (state->index > 0)
        log_wal_release(g->options.wal, g->options.identity.group_id, state->index);
    return g->options.machine.restore(g->options.machine.data, g->options.store, state);
}

int repl_group_create(const struct repl_group_options *options, struct repl_group **group,
                      struct err_note *note)
{
    struct repl_group *g = calloc(1, sizeof *g);
    if (g == NULL)
        return UV_ENOMEM;
    g->options = *options;
    if (g->options.append_bytes_max == 0)
        g->options.append_bytes_max = APPEND_BYTES_MAX_DEFAULT;
    int err = open_replica(g, note);
    if (err == 0)
        err = repl_node_add_group(options->node, g, options->identity.group_id, options->shard);
    if (err != 0) {
        persist_drop_all(g);
        growth_close(&g->growth);
        raft_close(&g->raft, NULL);
        free(g);
        return err;
    }
    *group = g;
    return 0;
}
