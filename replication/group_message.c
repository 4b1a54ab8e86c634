/* libraft's messages as ours: votes, answers, snapshots, and what is said better than it would. */
#include "base/err.h"
#include "group_internal.h"

static void fill_vote(const struct raft_request_vote *vote, struct repl_message *m)
{
    m->term = vote->term;
    m->raft_version = vote->version;
    m->last_index = vote->last_log_index;
    m->last_term = vote->last_log_term;
    m->is_pre_vote = vote->pre_vote;
    m->does_disrupt = vote->disrupt_leader;
}

/* libraft answers a pre-vote with the asker's own term, so a candidate of a lower term with the
 * longest log would never learn of ours, nor win: a refusal says ours. */
static void fill_vote_result(const struct raft_request_vote_result *result, struct repl_message *m)
{
    bool is_refusal = result->pre_vote && !result->vote_granted;
    m->term = is_refusal && m->term > result->term ? m->term : result->term;
    m->raft_version = result->version;
    m->is_granted = result->vote_granted;
    m->is_pre_vote = result->pre_vote;
    m->features = result->features;
    m->capacity = result->capacity;
}

/* Where a leader may go on whose entry at `rejected` is another than ours: before all that we have
 * of that term, and behind what is committed. libraft alone goes back an entry a round trip. */
static uint64_t conflict_hint(const struct raft *r, uint64_t rejected, uint64_t hint)
{
    const struct raft_trail *t = &r->trail;
    uint64_t before = t->offset; /* last index of the terms before */
    if (rejected <= t->offset || hint != rejected - 1)
        return hint;
    for (unsigned i = t->front; i != t->back; i = (i + 1) % t->size) {
        if (t->records[i].index >= rejected)
            return before > r->commit_index ? before : r->commit_index;
        before = t->records[i].index;
    }
    return hint; /* we have no entry there: the hint says what we have */
}

static void fill_append_result(const struct raft *r,
                               const struct raft_append_entries_result *result,
                               struct repl_message *m)
{
    m->term = result->term;
    m->raft_version = result->version;
    m->rejected = result->rejected;
    m->last_index = result->last_log_index;
    if (m->rejected > 0 && result->term == r->current_term)
        m->last_index = conflict_hint(r, m->rejected, m->last_index);
    m->features = result->features;
    m->capacity = result->capacity;
}

/* A message that only tells of a commit needs no answer: what it would say was just said. */
static bool is_answered(struct repl_group *g, const struct repl_message *m)
{
    uint64_t now_ms = group_now_ms(g);
    bool is_same = m->rejected == 0 && m->to == g->answered_to && m->term == g->answered_term &&
                   m->last_index == g->answered_index;
    if (is_same && now_ms - g->answered_ms < g->options.election_timeout_ms / 50)
        return true;
    g->answered_to = m->rejected == 0 ? m->to : 0;
    g->answered_term = m->term;
    g->answered_index = m->last_index;
    g->answered_ms = now_ms;
    return false;
}

/* The shipment is pinned now, and its index is the one that is named: at least what libraft has in
 * mind. Without a checkpoint yet the message is due when there is one: libraft itself would repeat
 * it only after the long timeout of an installation. */
static void send_install(struct repl_group *g, struct peer *p)
{
    struct repl_message m;
    if (group_spares_peer(g, p->node_id)) {
        p->is_install_due = true; /* its disk has no room for one */
        return;
    }
    group_ship_pin(g, p);
    p->is_install_due = p->pin == NULL || (p->pin_index < p->install_index_min &&
                                           !group_ship_is_asked(g, p, UINT64_MAX));
    if (p->is_install_due) {
        group_checkpoint_begin(g);
        return;
    }
    group_fill_message(g, REPL_INSTALL, p->raft_id, &m);
    m.raft_version = p->install_version;
    m.last_index = p->pin_index;
    m.last_term = log_pin_state(p->pin)->term;
    m.configuration = log_pin_state(p->pin)->configuration;
    m.configuration_index = log_pin_state(p->pin)->configuration_index;
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
    g->counters.snapshots_sent++;
}

static void begin_install(struct repl_group *g, const struct raft_message *message)
{
    struct peer *p = group_peer(g, message->server_id);
    if (p == NULL)
        return;
    p->install_version = message->install_snapshot.version;
    p->install_index_min = message->install_snapshot.last_index;
    send_install(g, p);
}

void group_send_due_installs(struct repl_group *g)
{
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        if (g->peers[i].raft_id != 0 && g->peers[i].is_install_due && group_is_leader(g))
            send_install(g, &g->peers[i]);
}

void group_send(struct repl_group *g, const struct raft_message *message)
{
    struct repl_message m;
    group_fill_message(g, REPL_REQUEST_VOTE, message->server_id, &m);
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        group_send_append(g, message);
        return;
    case RAFT_INSTALL_SNAPSHOT:
        begin_install(g, message);
        return;
    case RAFT_REQUEST_VOTE:
        fill_vote(&message->request_vote, &m);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        m.type = REPL_REQUEST_VOTE_RESULT;
        fill_vote_result(&message->request_vote_result, &m);
        break;
    case RAFT_APPEND_ENTRIES_RESULT:
        m.type = REPL_APPEND_RESULT;
        fill_append_result(&g->raft, &message->append_entries_result, &m);
        if (!is_answered(g, &m))
            group_send_message(g, NET_ENTRIES, &m, NULL, 0);
        return;
    case RAFT_TIMEOUT_NOW:
        return; /* not before all is answered (group_handover.c) */
    }
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}
