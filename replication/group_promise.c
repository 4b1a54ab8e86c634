/* What a replica acknowledged and no longer has.
 *
 * A disk that lies about fdatasync, or loses the end of a file, leaves a log that merely ends
 * earlier: nothing in it is damaged, no opening can tell. But a leader remembers what it was told
 * in its own term. A refusal that names an earlier end may be an old one; so the leader only
 * reminds, and the replica judges by what it has: in one term, with one leader, a log never gets
 * shorter. It waits a little, too: who has lost nothing takes the leader's next heartbeat, who has
 * can't. It may have forgotten votes as well: the WAL is noted as damaged, the process ends, and
 * the next start takes a new incarnation.
 *
 * A leader that is new does not know what its predecessors were told: then nobody can tell. */
#include <stdio.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define REMIND_MS 200 /* at most so often to one peer */
#define WAIT_MS   300 /* for a message of the leader that fits: there are several a second */

void group_promise_remind(struct repl_group *g, struct peer *p, const struct repl_message *result)
{
    raft_index match = 0;
    uint64_t now_ms = group_now_ms(g);
    if (!group_is_leader(g) || result->rejected == 0 || result->term != g->raft.current_term ||
        raft_match_index(&g->raft, p->raft_id, &match) != 0 || result->last_index >= match ||
        now_ms - p->reminded_ms < REMIND_MS)
        return;
    struct repl_message m;
    p->reminded_ms = now_ms;
    group_fill_message(g, REPL_PROMISE, p->raft_id, &m);
    m.term = g->raft.current_term;
    m.last_index = match;
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

static bool is_of_our_leader(const struct repl_group *g, uint64_t term, uint64_t from)
{
    return term == g->raft.current_term && g->raft.state == RAFT_FOLLOWER &&
           g->raft.follower_state.current_leader.id == from;
}

static void give_up(struct repl_group *g)
{
    const struct reminder *r = &g->reminder;
    char text[200];
    snprintf(text, sizeof text,
             "wal: ends at index %llu of group %u, which acknowledged %llu to node %u in term %llu",
             (unsigned long long)r->last_index, g->options.identity.group_id,
             (unsigned long long)r->promised_index, repl_raft_id_node(r->from),
             (unsigned long long)r->term);
    event_error("wal_writes_lost", "group=%u index=%llu acknowledged=%llu reason=\"%s\"",
                g->options.identity.group_id, (unsigned long long)r->last_index,
                (unsigned long long)r->promised_index, text);
    log_wal_note_damage(g->options.wal, text);
    group_fatal(g, ERR_CORRUPT, "acknowledged entries are gone");
}

void group_promise_on_reminder(struct repl_group *g, const struct repl_message *m)
{
    uint64_t last = raft_last_index(&g->raft);
    if (!is_of_our_leader(g, m->term, m->from) || last >= m->last_index ||
        g->installation != NULL || g->reminder.since_ms != 0)
        return;
    g->reminder = (struct reminder){.since_ms = group_now_ms(g),
                                    .term = m->term,
                                    .from = m->from,
                                    .promised_index = m->last_index,
                                    .last_index = last};
}

void group_promise_on_fit(struct repl_group *g)
{
    g->reminder.since_ms = 0;
}

/* Who is sent a snapshot to go on from is not going to take anything else. */
void group_promise_tick(struct repl_group *g)
{
    const struct reminder *r = &g->reminder;
    if (r->since_ms == 0)
        return;
    if (!is_of_our_leader(g, r->term, r->from))
        group_promise_on_fit(g);
    else if (g->installation != NULL || group_now_ms(g) - r->since_ms >= WAIT_MS)
        give_up(g);
}
