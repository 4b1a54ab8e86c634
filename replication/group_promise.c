/* What a replica acknowledged and no longer has.
 *
 * A disk that lies about fdatasync loses the end of the log at a power cut; damage to the last
 * write is taken for a torn one. Either way the log merely ends earlier: no byte of it is wrong,
 * and no opening can tell. But the leader remembers what it was told in its own term, and counts on
 * it. libraft never goes back below that: such a replica would refuse all it is sent, until the
 * leader's log no longer reaches back so far and a snapshot is shipped.
 *
 * A refusal that names an earlier end may be an old one. So the leader only reminds; the replica
 * judges by what it has now. That is a proof: what it acknowledged to this leader in this term is
 * the leader's own log, was durable then, and no message of the same term takes it away (Raft,
 * section 5.3: a leader never overwrites its log; a follower cuts only what its leader
 * contradicts). In a later term it may have been cut, so a reminder of an earlier one says nothing
 * (who leaves the group and gives its log away begins another term, see group_leave.c);
 * nor does one to another incarnation, or of another generation, which never arrive here
 * (group_receive.c).
 *
 * Who has lost entries may have lost votes, in any group: the WAL is noted as damaged, the process
 * ends, and its next start takes a new incarnation. Where a majority is hit, each of it does so:
 * then nobody is elected without what was acknowledged, and the loss is reported.
 *
 * A leader that is new was told nothing: it brings the replica up to its own log, and nobody
 * learns of the loss. */
#include <stdio.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define REMIND_MS 200 /* at most so often to one peer */

void group_promise_remind(struct repl_group *g, struct peer *p, const struct repl_message *result)
{
    raft_index match = 0;
    uint64_t now_ms = group_now_ms(g);
    if (!group_is_leader(g) || result->rejected == 0 || result->term != g->raft.current_term ||
        raft_match_index(&g->raft, p->raft_id, &match) != 0 || result->last_index >= match ||
        (p->reminded_ms != 0 && now_ms - p->reminded_ms < REMIND_MS))
        return;
    struct repl_message m;
    p->reminded_ms = now_ms;
    group_fill_message(g, REPL_PROMISE, p->raft_id, &m);
    m.last_index = match;
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

static void give_up(struct repl_group *g, const struct repl_message *m, uint64_t last)
{
    char text[200];
    snprintf(text, sizeof text,
             "wal: ends at index %llu of group %u, which acknowledged %llu to node %u in term %llu",
             (unsigned long long)last, g->options.identity.group_id,
             (unsigned long long)m->last_index, repl_raft_id_node(m->from),
             (unsigned long long)m->term);
    event_error("wal_writes_lost", "group=%u index=%llu acknowledged=%llu reason=\"%s\"",
                g->options.identity.group_id, (unsigned long long)last,
                (unsigned long long)m->last_index, text);
    log_wal_note_damage(g->options.wal, text);
    group_fatal(g, ERR_CORRUPT, "acknowledged entries are gone");
}

/* Who takes what its leader sends lacks nothing before it: then the reminder is no leader's word,
 * but damage. Who installs a snapshot has its index for its last: what it lacks is on its way. */
void group_promise_on_reminder(struct repl_group *g, const struct repl_message *m)
{
    uint64_t last = raft_last_index(&g->raft);
    bool is_of_our_leader = m->term == g->raft.current_term && g->raft.state == RAFT_FOLLOWER &&
                            g->raft.follower_state.current_leader.id == m->from;
    bool has_refused = g->answered_to != m->from || g->answered_term != m->term;
    if (is_of_our_leader && has_refused && last < m->last_index)
        give_up(g, m, last);
}
