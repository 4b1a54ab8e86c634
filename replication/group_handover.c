/* A leader that hands over votes for its successor before it is asked.
 *
 * TimeoutNow makes the target stand; its request for votes and the answers then cost a round trip
 * in which nobody leads. The leader knows what it will be asked and what it will answer: so it
 * takes that request as come, and its vote travels behind the TimeoutNow on the same connection.
 * Between two of three voters the target has its majority when its own vote is on its disk:
 *
 *   leader  --TimeoutNow, vote of T+1--> target        25 ms
 *   target  --first entry of T+1-->      the others    25 ms
 *   others  --they have it-->            target        25 ms
 *
 * libraft would send TimeoutNow as soon as all entries are sent. Here it waits a little until all
 * that was submitted is applied and answered: nobody's batch is cut off by the new term, to a fate
 * unknown, and the target, which has it all, does as it is told.
 *
 * To Raft nothing is new: the vote is given once in its term, to a log that has all of ours, after
 * it is on the disk (persist_hold). What can be lost is a frame: so both are repeated, until
 * somebody leads or the time of a transfer is over. Then the others are asked what they think of
 * an election: from who asks that they know that it leads no more, and they elect as ever. */
#include "base/err.h"
#include "group_internal.h"

#define REPEAT_MS   50
#define PATIENCE_MS 100 /* so long it is waited for answers; with a disk in trouble not at all */
#define OVER_MS     200 /* so long both are repeated, and this replica does not stand */

/* ---- the leader ---- */

/* Whoever was promised an answer has it: what is cut off by a new term has an unknown fate. */
static bool is_all_answered(struct repl_group *g)
{
    uint64_t last = raft_last_index(&g->raft);
    return g->raft.commit_index == last && g->applied_index == last && g->pending == NULL &&
           g->vote_persists == 0;
}

static void send_timeout_now(struct repl_group *g, const struct handover *h)
{
    struct repl_message m;
    group_fill_message(g, REPL_TIMEOUT_NOW, h->to, &m);
    m.term = h->term;
    m.last_index = h->last_index;
    m.last_term = h->last_term;
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

static struct handover handover_now(struct repl_group *g)
{
    struct handover h = {.to = g->raft.leader_state.transferee,
                         .term = g->raft.current_term,
                         .last_index = raft_last_index(&g->raft),
                         .since_ms = group_now_ms(g),
                         .sent_ms = group_now_ms(g)};
    if (!group_term_of(g, h.last_index, &h.last_term))
        h.to = 0;
    return h;
}

static void vote_ahead(struct repl_group *g)
{
    struct handover h = handover_now(g);
    struct repl_message vote;
    if (h.to == 0)
        return;
    group_fill_message(g, REPL_REQUEST_VOTE, g->options.raft_id, &vote);
    vote.from = h.to;
    vote.term = h.term + 1;
    vote.last_index = h.last_index;
    vote.last_term = h.last_term;
    vote.does_disrupt = true;
    vote.raft_version = REPL_VOTE_VERSION;
    g->handover = h;
    node_publish_handover(g->options.node, g->options.identity.group_id, true);
    g->quiet_until_ms = h.since_ms + OVER_MS;
    send_timeout_now(g, &h);
    int err = group_receive_vote(g, &vote);
    if (err != 0)
        group_fatal(g, err, "a vote ahead");
}

/* Not all will be answered soon: our own disk is in trouble, or the others are slow. The target
 * stands once it has everything; until it asks for our vote we lead. */
static void ask_target(struct repl_group *g)
{
    uint64_t now_ms = group_now_ms(g);
    bool is_patient = node_disk_state(g->options.node, node_own_id(g->options.node)) ==
                      REPL_DISK_OK;
    struct handover h = handover_now(g);
    if ((is_patient && now_ms - g->transfer_since_ms < PATIENCE_MS) || h.to == 0 ||
        now_ms - g->asked_target_ms < REPEAT_MS)
        return;
    g->asked_target_ms = now_ms;
    send_timeout_now(g, &h);
}

static void send_again(struct repl_group *g, const struct handover *h)
{
    struct repl_message m;
    send_timeout_now(g, h);
    if (g->raft.current_term != h->term + 1 || g->raft.voted_for != h->to || g->vote_persists > 0)
        return;
    group_fill_message(g, REPL_REQUEST_VOTE_RESULT, h->to, &m);
    m.raft_version = REPL_VOTE_VERSION;
    m.is_granted = true;
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

/* Their own timers would tell them after a second or two. */
static void tell_not_leading(struct repl_group *g, const struct handover *h)
{
    const struct raft_configuration *c = &g->raft.configuration;
    struct repl_message m;
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].id == g->options.raft_id || c->servers[i].role != RAFT_VOTER)
            continue;
        group_fill_message(g, REPL_REQUEST_VOTE, c->servers[i].id, &m);
        m.term = g->raft.current_term + 1;
        m.is_pre_vote = true;
        m.last_index = h->last_index;
        m.last_term = h->last_term;
        m.raft_version = REPL_VOTE_VERSION;
        group_send_message(g, NET_CONTROL, &m, NULL, 0);
    }
}

static bool is_taken(const struct repl_group *g, const struct handover *h)
{
    return g->raft.current_term != h->term + 1 || g->raft.state != RAFT_FOLLOWER ||
           g->raft.follower_state.current_leader.id != 0;
}

static void end(struct repl_group *g)
{
    g->handover.to = 0;
    node_publish_handover(g->options.node, g->options.identity.group_id, false);
}

void group_handover_tick(struct repl_group *g, uint64_t now_ms)
{
    struct handover *h = &g->handover;
    if (h->to == 0)
        return;
    if (is_taken(g, h)) {
        end(g);
    } else if (now_ms - h->since_ms >= OVER_MS) {
        tell_not_leading(g, h);
        end(g);
    } else if (now_ms - h->sent_ms >= REPEAT_MS) {
        h->sent_ms = now_ms;
        send_again(g, h);
    }
}

/* ---- the target ---- */

/* A vote may come before our own is durable: counted then, we would lead in a term that a crash
 * could still take from us. */
bool group_handover_keep_vote(struct repl_group *g, const struct repl_message *m)
{
    if (g->vote_persists == 0 || m->is_pre_vote || !m->is_granted)
        return false;
    g->early_vote = *m;
    return true;
}

static void count_early_vote(struct repl_group *g)
{
    struct repl_message m = g->early_vote;
    g->early_vote.from = 0;
    int err = group_receive_vote_result(g, &m);
    if (err != 0)
        group_fatal(g, err, "an early vote");
}

void group_handover_turn(struct repl_group *g)
{
    if (g->early_vote.from != 0 && g->vote_persists == 0)
        count_early_vote(g);
    if (g->transfer_since_ms == 0 || !group_is_leader(g) || !g->raft.leader_state.transferring)
        return;
    if (is_all_answered(g))
        vote_ahead(g);
    else
        ask_target(g);
}
