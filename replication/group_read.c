/* Fresh reads by read index (Raft dissertation, 6.4).
 *
 * A read notes the commit index, once an entry of the leader's own term is committed, and waits
 * for a round of "do you still follow me?" that begins after it to be answered by a majority, and
 * for apply. One round serves all that wait; a paused leader that wakes up gets no majority for
 * its old term. No leases: fast failover would break them.
 *
 * An answered round is also what a leader knows of its lead: when the round began, nobody else had
 * been elected, so all that was acknowledged until then is in this replica's log. A forced recovery
 * reckons from that (led_until_ms), so one round a second is made when nobody reads. That peers
 * are alive says nothing of the kind: they may follow somebody else already. */
#include <stdlib.h>

#include "base/err.h"
#include "group_internal.h"

#define ROUND_REPEAT_MS 50
#define LED_EVERY_MS    1000

int repl_group_read(struct repl_group *g, struct repl_read *req, repl_read_cb cb)
{
    if (g->role != REPL_LEADER || group_is_over(g))
        return ERR_NOT_LEADER;
    if (g->read_count >= REPL_READS_MAX)
        return ERR_BUSY;
    g->read_count++;
    req->cb = cb;
    req->index = g->raft.commit_index;
    req->round = g->round + 1; /* one that begins after this call */
#ifdef TRILOG_BREAK_SKIP_READ_INDEX
    req->round = 0; /* on purpose wrong, for the simulation to find: nobody else is asked */
#endif
    req->at_ms = group_now_ms(g);
    req->next = NULL;
    if (g->reads_last != NULL)
        g->reads_last->next = req;
    else
        g->reads = req;
    g->reads_last = req;
    return 0;
}

void group_reads_fail(struct repl_group *g, int status)
{
    struct repl_read *req = g->reads;
    g->reads = g->reads_last = NULL;
    g->read_count = 0;
    while (req != NULL) {
        struct repl_read *next = req->next;
        req->cb(req, status);
        req = next;
    }
}

static bool is_voter(const struct raft_server *server)
{
    return server->role == RAFT_VOTER;
}

/* The newest round that a majority, this replica included, has answered. */
static uint64_t confirmed_round(struct repl_group *g)
{
    const struct raft_configuration *c = &g->raft.configuration;
    uint64_t best = 0;
    for (unsigned i = 0; i < c->n; i++) { /* each acknowledged round is a candidate */
        struct peer *candidate = group_find_peer(g, c->servers[i].id);
        uint64_t round = c->servers[i].id == g->options.raft_id ? g->round
                         : candidate == NULL                    ? 0
                                                                : candidate->acked_round;
        unsigned voters = 0, votes = 0;
        for (unsigned j = 0; j < c->n; j++) {
            if (!is_voter(&c->servers[j]))
                continue;
            voters++;
            struct peer *p = c->servers[j].id == g->options.raft_id
                                 ? NULL
                                 : group_find_peer(g, c->servers[j].id);
            votes += c->servers[j].id == g->options.raft_id ||
                     (p != NULL && p->acked_round >= round);
        }
        if (votes > voters / 2 && round > best)
            best = round;
    }
    return best;
}

static void send_round(struct repl_group *g)
{
    const struct raft_configuration *c = &g->raft.configuration;
    g->round_at_ms = group_now_ms(g);
    for (unsigned i = 0; i < c->n; i++) {
        struct repl_message m;
        if (c->servers[i].id == g->options.raft_id || !is_voter(&c->servers[i]))
            continue;
        group_fill_message(g, REPL_READ_ROUND, c->servers[i].id, &m);
        m.round = g->round;
        group_send_message(g, NET_CONTROL, &m, NULL, 0);
    }
}

static void begin_round(struct repl_group *g)
{
    g->round++;
    g->round_term = g->raft.current_term;
    g->rounds_begun_ms[g->round % REPL_ROUNDS] = group_now_ms(g);
    send_round(g);
}

/* Repeated rounds count from when they were first asked, and one that is too old for its beginning
 * to be known counts for nothing. */
static void note_lead(struct repl_group *g, uint64_t confirmed)
{
    if (g->round_term != g->raft.current_term || confirmed == 0 ||
        g->round - confirmed >= REPL_ROUNDS)
        return;
    uint64_t begun_ms = g->rounds_begun_ms[confirmed % REPL_ROUNDS];
    if (g->led_term == g->raft.current_term && begun_ms <= g->led_until_ms)
        return;
    g->led_term = g->raft.current_term;
    g->led_until_ms = begun_ms;
}

static void serve(struct repl_group *g, uint64_t confirmed)
{
    struct repl_read **at = &g->reads, *kept = NULL;
    while (*at != NULL) {
        struct repl_read *req = *at;
        if (req->round > confirmed || req->index > g->applied_index) {
            kept = req;
            at = &req->next;
            continue;
        }
        *at = req->next;
        if (g->reads_last == req)
            g->reads_last = kept;
        g->counters.reads_served++;
        g->read_count--;
        req->cb(req, 0);
    }
}

static void expire(struct repl_group *g)
{
    uint64_t now_ms = group_now_ms(g);
    while (g->reads != NULL &&
           now_ms - g->reads->at_ms > 2 * (uint64_t)g->options.election_timeout_ms) {
        struct repl_read *req = g->reads;
        g->reads = req->next;
        if (g->reads == NULL)
            g->reads_last = NULL;
        g->read_count--;
        req->cb(req, ERR_TIMEOUT);
    }
}

/* Once a turn: serves, and begins a round when somebody waits for one that has not begun and the
 * last is answered (or lost). */
void group_reads_advance(struct repl_group *g)
{
    if (g->reads == NULL)
        return;
    uint64_t confirmed = confirmed_round(g);
    serve(g, confirmed);
    expire(g);
    if (g->reads == NULL || g->reads_last == NULL)
        return;
    bool is_over = confirmed >= g->round || g->reads->round > g->round; /* or nobody waits for it */
    bool is_late = group_now_ms(g) - g->round_at_ms >= ROUND_REPEAT_MS;
    if (is_over && g->reads_last->round > g->round) {
        begin_round(g);
        if (confirmed_round(g) >= g->round) /* a single voter */
            serve(g, g->round);
    } else if (is_late && g->reads_last->round > g->round) {
        begin_round(g);
    } else if (is_late) {
        send_round(g);
    }
}

void group_lead_tick(struct repl_group *g, uint64_t now_ms)
{
    if (!group_is_leader(g) || g->is_deaf)
        return;
    if (g->round_term != g->raft.current_term ||
        now_ms - g->rounds_begun_ms[g->round % REPL_ROUNDS] >= LED_EVERY_MS)
        begin_round(g);
    note_lead(g, confirmed_round(g)); /* of a single voter nobody answers */
}

/* A voter answers only while the asker is the leader it follows, in a term that is on its disk. */
void group_on_read_round(struct repl_group *g, const struct repl_message *m)
{
    struct repl_message answer;
    if (g->raft.state != RAFT_FOLLOWER || g->raft.current_term != m->term || g->vote_persists > 0)
        return;
    group_fill_message(g, REPL_READ_ROUND_ACK, m->from, &answer);
    answer.round = m->round;
    group_send_message(g, NET_CONTROL, &answer, NULL, 0);
}

void group_on_read_ack(struct repl_group *g, const struct repl_message *m)
{
    struct peer *p = group_find_peer(g, m->from);
    if (!group_is_leader(g) || m->term != g->raft.current_term || p == NULL || m->round > g->round)
        return;
    p->heard_ns = clock_now_ns(g->options.clock);
    if (m->round <= p->acked_round)
        return;
    p->acked_round = m->round;
    note_lead(g, confirmed_round(g));
}
