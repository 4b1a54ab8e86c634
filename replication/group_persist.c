/* What a replica makes durable, in order.
 *
 * Nothing leaves before what it depends on is on disk: while a term or vote is on its way to the
 * WAL, every message waits behind it. Entries need no such care: libraft reports only what was
 * persisted, and a leader may send entries before its own disk has them. A completion of entries
 * that were truncated meanwhile is cut to what still stands. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "group_internal.h"

static void free_persist(struct persist *p)
{
    for (unsigned i = 0; i < p->append.entry_count; i++) {
        slice_unref(&p->entries[i].head);
        slice_unref(&p->entries[i].body);
    }
    while (p->held != NULL) {
        struct held_message *next = p->held->next;
        free(p->held);
        p->held = next;
    }
    free(p);
}

static void queue(struct repl_group *g, struct persist *p)
{
    if (g->persists_last != NULL)
        g->persists_last->next = p;
    else
        g->persists = p;
    g->persists_last = p;
}

static void cut_truncated(struct repl_group *g, uint64_t from_index)
{
    for (struct persist *p = g->persists; p != NULL; p = p->next)
        if (p->last >= from_index)
            p->last = from_index - 1;
}

static struct persist *create(struct repl_group *g, unsigned entry_count)
{
    struct persist *p = calloc(1, sizeof *p + entry_count * sizeof p->entries[0]);
    if (p == NULL)
        return NULL;
    p->group = g;
    p->first = 1;
    p->append.data = p;
    p->append.group = g->options.identity;
    p->append.home = g->options.home;
    p->append.entries = p->entries;
    return p;
}

int persist_add(struct repl_group *g, bool has_vote, const struct log_entry *entries,
                unsigned count, uint64_t truncate_from)
{
    struct persist *p = create(g, count);
    if (p == NULL)
        return UV_ENOMEM;
    p->append.has_vote = has_vote;
    p->append.term = g->raft.current_term;
    p->append.voted_for = g->raft.voted_for;
    p->append.truncate_from = truncate_from;
    p->append.entry_count = count;
    if (truncate_from != 0)
        cut_truncated(g, truncate_from);
    for (unsigned i = 0; i < count; i++) {
        p->entries[i] = entries[i];
        slice_ref(entries[i].head);
        slice_ref(entries[i].body);
    }
    if (count > 0) {
        p->first = entries[0].index;
        p->last = entries[count - 1].index;
        g->appended_index = p->last;
    }
    g->vote_persists += has_vote;
    queue(g, p);
    return 0;
}

void persist_snapshot(struct repl_group *g, uint64_t index, uint64_t term)
{
    struct persist *p = create(g, 0);
    if (p == NULL) {
        group_fatal(g, UV_ENOMEM, "store snapshot record");
        return;
    }
    p->append.has_vote = true;
    p->append.term = g->raft.current_term;
    p->append.voted_for = g->raft.voted_for;
    p->append.snapshot_index = index;
    p->append.snapshot_term = term;
    g->vote_persists++;
    g->appended_index = index;
    g->own_from = 0;
    cut_truncated(g, 1); /* what is under way belongs to the log that is replaced */
    queue(g, p);
}

/* What the WAL has of a group that this replica has left; with the vote that stays. */
void persist_forget(struct repl_group *g)
{
    struct persist *p = create(g, 0);
    assert(g->persists == NULL);
    if (p == NULL) {
        group_fatal(g, UV_ENOMEM, "forget a group's log");
        return;
    }
    p->append.forgets = p->append.has_vote = true;
    p->append.term = g->raft.current_term;
    p->append.voted_for = g->raft.voted_for;
    g->vote_persists++;
    g->appended_index = 0;
    queue(g, p);
}

void persist_hold(struct repl_group *g, const struct raft_message *message)
{
    struct persist *p = g->persists, *with_vote = NULL;
    for (; p != NULL; p = p->next)
        if (p->append.has_vote)
            with_vote = p;
    assert(with_vote != NULL);
    struct held_message *held = malloc(sizeof *held);
    if (held == NULL)
        return; /* as a lost frame: libraft repeats what matters */
    held->message = *message;
    held->next = NULL;
    if (with_vote->held_last != NULL)
        with_vote->held_last->next = held;
    else
        with_vote->held = held;
    with_vote->held_last = held;
}

/* Messages of a term that has passed meanwhile are dropped: they would only be refused. */
static void send_held(struct repl_group *g, struct persist *p)
{
    while (p->held != NULL) {
        struct held_message *held = p->held;
        p->held = held->next;
        bool is_leaders = held->message.type == RAFT_APPEND_ENTRIES ||
                          held->message.type == RAFT_INSTALL_SNAPSHOT ||
                          held->message.type == RAFT_TIMEOUT_NOW;
        if (!is_leaders || group_is_leader(g))
            group_send(g, &held->message);
        free(held);
    }
}

static void report_persisted(struct repl_group *g, uint64_t last)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
    event.persisted_entries.index = last;
    if (last <= g->raft.last_stored || g->raft.snapshot.installing ||
        last > raft_last_index(&g->raft))
        return;
    int err = group_step(g, &event, NULL, 0);
    if (err < 0)
        group_fatal(g, err, "persisted entries");
}

static void on_durable(struct log_wal_append *append, int status)
{
    struct persist *p = append->data;
    struct repl_group *g = p->group;
    assert(g->persists == p); /* the WAL completes in order */
    g->persists = p->next;
    if (g->persists == NULL)
        g->persists_last = NULL;
    g->vote_persists -= p->append.has_vote;
    if (status != 0) {
        group_fatal(g, status, "write-ahead log");
    } else if (!group_is_over(g)) {
        send_held(g, p);
        if (p->last >= p->first)
            report_persisted(g, p->last);
    }
    free_persist(p);
}

void persist_flush(struct repl_group *g)
{
    g->is_wal_full = false;
    for (struct persist *p = g->persists; p != NULL && !group_is_over(g); p = p->next) {
        if (p->is_appended)
            continue;
        int err = log_wal_append(g->options.wal, &p->append, on_durable);
        g->is_wal_full = err == ERR_BUSY;
        if (g->is_wal_full)
            return; /* the next turn or tick tries again, in order */
        if (err != 0) {
            group_fatal(g, err, "write-ahead log");
            return;
        }
        p->is_appended = true;
    }
}

bool persist_is_idle(const struct repl_group *g)
{
    for (const struct persist *p = g->persists; p != NULL; p = p->next)
        if (p->is_appended)
            return false;
    return true;
}

void persist_drop_all(struct repl_group *g)
{
    while (g->persists != NULL) {
        struct persist *p = g->persists;
        g->persists = p->next;
        free_persist(p);
    }
    g->persists_last = NULL;
}
