/* One step of libraft and what follows from it.
 *
 * An event goes in, an update comes out: entries to store, term and vote to store, messages,
 * perhaps a new role or commit index. Here the update is taken apart; nothing is applied and no
 * callback is called from here: that is the turn's. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "group_internal.h"
#include "raft_err.h"

uint64_t group_now_ms(const struct repl_group *g)
{
    return clock_now_ms(g->options.clock);
}

bool group_is_leader(const struct repl_group *g)
{
    return g->raft.state == RAFT_LEADER;
}

/* The others went on without this replica, from a state that an operator chose; were it to serve,
 * vote or lead, there would be two histories. What it has stays as it is. */
void repl_group_set_aside(struct repl_group *g, uint32_t generation)
{
    if (g->is_set_aside || generation <= g->options.identity.generation)
        return;
    event_error("replica_set_aside", "group=%u generation=%u heard=%u",
                g->options.identity.group_id, g->options.identity.generation, generation);
    repl_group_sit_out(g);
}

void repl_group_sit_out(struct repl_group *g)
{
    g->is_set_aside = true;
    group_role_give_up(g);
}

void repl_group_hold(struct repl_group *g, bool is_held)
{
    assert(!is_held || g->role != REPL_LEADER);
    g->is_held = is_held;
}

bool repl_group_is_held(const struct repl_group *g)
{
    return g->is_held;
}

bool group_is_over(const struct repl_group *g)
{
    return g->is_stopped || g->is_failed;
}

void group_fatal(struct repl_group *g, int status, const char *what)
{
    if (group_is_over(g))
        return;
    g->is_failed = true;
    event_error("replica_failed", "group=%u what=\"%s\" error=%s", g->options.identity.group_id,
                what, err_name(status));
    g->options.on_fatal(g->options.fatal_data, status);
}

bool group_term_of(struct repl_group *g, uint64_t index, uint64_t *term)
{
    const struct log_entry *e = cache_get(&g->cache, index);
    enum log_entry_type type;
    if (e != NULL) {
        *term = e->term;
        return true;
    }
    if (index == g->raft.trail.snapshot.index) {
        *term = g->raft.trail.snapshot.term;
        return true;
    }
    return log_wal_entry_term(g->options.wal, g->options.identity.group_id, index, term, &type) ==
           0;
}

void group_fill_message(const struct repl_group *g, enum repl_message_type type, uint64_t to,
                        struct repl_message *m)
{
    memset(m, 0, sizeof *m);
    m->type = type;
    m->group = g->options.identity;
    m->from = g->options.raft_id;
    m->to = to;
    m->term = g->raft.current_term;
}

static void note_wall(struct repl_group *g, const struct log_entry *e)
{
    struct repl_entry_head head;
    if (e->type == LOG_ENTRY_COMMAND && repl_entry_head_decode(e->head.bytes, &head) == 0 &&
        head.wall_ms > g->wall_ms)
        g->wall_ms = head.wall_ms;
}

/* The entry that libraft wants stored at `index`: from the event's own entries, or its barrier. */
static struct log_entry entry_of(const struct raft_entry *raft_entry, uint64_t index,
                                 const struct log_entry *source, uint64_t source_first)
{
    if (source != NULL)
        return source[index - source_first];
    assert(raft_entry->type == RAFT_BARRIER);
    return (struct log_entry){.term = raft_entry->term, .index = index, .type = LOG_ENTRY_BARRIER};
}

/* A leader appends what it proposes, everyone else what a leader sends. */
static void note_proposer(struct repl_group *g, uint64_t first)
{
    if (!group_is_leader(g))
        g->own_from = 0;
    else if (g->own_from == 0 || g->own_from > first)
        g->own_from = first;
}

static void take_entries(struct repl_group *g, const struct raft_update *update,
                         const struct log_entry *source, uint64_t source_first)
{
    uint64_t first = update->entries.index;
    unsigned count = update->entries.n;
    struct log_entry *entries = malloc(count * sizeof *entries);
    if (entries == NULL) {
        group_fatal(g, UV_ENOMEM, "take entries");
        return;
    }
    uint64_t truncate_from = first <= g->appended_index ? first : 0;
    if (truncate_from != 0) {
        g->counters.truncations++;
        cache_truncate(&g->cache, first);
        group_apply_forget(g);
    }
    if (g->cache.count > 0 && g->cache.first + g->cache.count != first)
        cache_drop_before(&g->cache, UINT64_MAX);
    for (unsigned i = 0; i < count; i++) {
        entries[i] = entry_of(&update->entries.batch[i], first + i, source, source_first);
        note_wall(g, &entries[i]);
        if (cache_push(&g->cache, &entries[i]) != 0)
            group_fatal(g, UV_ENOMEM, "cache entries");
    }
    note_proposer(g, first);
    group_lag_add(g, entries, count);
    bool has_vote = update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR);
    int err = persist_add(g, has_vote, entries, count, truncate_from);
    free(entries);
    if (err != 0)
        group_fatal(g, err, "store entries");
}

void group_send_when_durable(struct repl_group *g, const struct raft_message *message)
{
    if (g->vote_persists > 0)
        persist_hold(g, message);
    else
        group_send(g, message);
}

static void take_messages(struct repl_group *g, const struct raft_update *update)
{
    for (unsigned i = 0; i < update->messages.n && !group_is_over(g); i++)
        group_send_when_durable(g, &update->messages.batch[i]);
}

/* libraft allocates the payload of the barrier that a new leader begins with; ours has none. */
static void free_barrier(struct repl_group *g, const struct raft_update *update)
{
    if ((update->flags & RAFT_UPDATE_ENTRIES) && update->entries.batch == &g->raft.barrier) {
        raft_free(g->raft.barrier.buf.base);
        g->raft.barrier.buf.base = NULL;
    }
}

static struct peer *refusing_peer(struct repl_group *g, const struct raft_event *event)
{
    const struct raft_message *message = event->receive.message;
    if (event->type != RAFT_RECEIVE || message->type != RAFT_APPEND_ENTRIES_RESULT ||
        message->append_entries_result.rejected == 0)
        return NULL;
    return group_find_peer(g, message->server_id);
}

int group_step(struct repl_group *g, struct raft_event *event, const struct log_entry *source,
               uint64_t source_first)
{
    struct raft_update update = {0};
    event->time = group_now_ms(g);
    event->capacity = 0;
    uint64_t term = g->raft.current_term;
    int rv = raft_step(&g->raft, event, &update);
    if (rv != 0)
        return repl_raft_err(rv);
    bool has_vote = update.flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR);
    bool is_barrier = (update.flags & RAFT_UPDATE_ENTRIES) &&
                      update.entries.batch == &g->raft.barrier;
    if (update.flags & RAFT_UPDATE_ENTRIES) {
        take_entries(g, &update, is_barrier ? NULL : source, source_first);
    } else if (has_vote && event->type != RAFT_START) {
        int err = persist_add(g, true, NULL, 0, 0);
        if (err != 0)
            group_fatal(g, err, "store vote");
    }
    free_barrier(g, &update);
    if (g->raft.current_term > term)
        group_role_term_rose(g, event);
    if (update.flags & RAFT_UPDATE_STATE)
        group_role_changed(g);
    struct peer *refusing = refusing_peer(g, event);
    if (refusing != NULL)
        refusing->is_refused = true;
    if (update.flags & RAFT_UPDATE_MESSAGES)
        take_messages(g, &update);
    if (refusing != NULL)
        refusing->is_refused = false;
    if (update.flags & RAFT_UPDATE_SNAPSHOT)
        group_install_begin(g, &update.snapshot.metadata);
    return update.flags & RAFT_UPDATE_ENTRIES ? 1 : 0;
}
