/* Who leads: losing and winning leadership, fast failover.
 *
 * libraft elects by a randomized timeout. On top of it: when the leader's node is gone (node.c
 * says so), every follower forgets the leader, for libraft refuses votes while it knows one; then
 * the followers stand one after the other in an order that all of them compute alike
 * (leader_order.c), from when they hear a majority. Pre-vote protects a leader that only we can't
 * hear. */
#include <assert.h>

#include "base/err.h"
#include "base/event.h"
#include "beat.h"
#include "group_internal.h"

#define FIRST_STAND_MS        40  /* more than a one-way delay: the others have let go by then */
#define NEXT_STAND_MS         250 /* between the ranks */
#define CANDIDATE_RETRY_MS    300
#define ABLE_MS_MAX           1500 /* without a leader: then everyone stands */
#define LESSER_MS             1000 /* so long one that can't win is left out of the order */
#define HEARD_OF_LEADER_MS    1000
#define WAIT_FOR_PREFERRED_MS 1000 /* after the start of this node */
#define ELECTION_MS_MAX       15000
#define DEAF_MS               50 /* without a majority: more than a tick, for it may just be won */

static bool has_leader(const struct repl_group *g)
{
    return g->raft.state == RAFT_LEADER ||
           (g->raft.state == RAFT_FOLLOWER && g->raft.follower_state.current_leader.id != 0);
}

static uint64_t leader_raft_id(const struct repl_group *g)
{
    if (g->raft.state == RAFT_LEADER)
        return g->options.raft_id;
    return g->raft.state == RAFT_FOLLOWER ? g->raft.follower_state.current_leader.id : 0;
}

static void lose(struct repl_group *g)
{
    g->counters.transfers_done += g->transfer_since_ms != 0;
    g->transfer_since_ms = 0;
    g->ready_index = 0;
    g->needs_barrier = false;
    group_forget_peers(g);
    group_fail_pending(g, ERR_LEADERSHIP_LOST);
    group_reads_fail(g, ERR_LEADERSHIP_LOST);
    if (g->role == REPL_LEADER) {
        g->role = REPL_FOLLOWER;
        g->options.machine.on_role(g->options.machine.data, REPL_FOLLOWER, g->raft.current_term);
    }
}

void group_role_give_up(struct repl_group *g)
{
    g->transfer_since_ms = 0;
    g->role_term = 0;
    lose(g);
    node_publish(g->options.node, g->options.identity.group_id, 0, g->raft.current_term,
                 g->raft.commit_index, NULL);
}

static void win(struct repl_group *g)
{
    group_forget_peers(g);
    g->round = 0;
    g->beaten_ms = group_now_ms(g); /* libraft begins with a heartbeat */
    g->counters.terms_led++;
    g->role_term = g->raft.current_term;
    for (unsigned i = 0; i < g->raft.configuration.n; i++)
        if (g->raft.configuration.servers[i].id != g->options.raft_id)
            group_peer(g, g->raft.configuration.servers[i].id);
    /* libraft begins its term with a barrier only when something is uncommitted. */
    uint64_t last = raft_last_index(&g->raft), term = 0;
    bool has_barrier = last > 0 && group_term_of(g, last, &term) && term == g->raft.current_term;
    g->ready_index = has_barrier ? last : last + 1;
    g->needs_barrier = !has_barrier;
    if (has_barrier)
        group_send_ahead(g, last, 1); /* libraft would ask first what the others have */
}

static void tell(const struct repl_group *g, const char *event)
{
    event_info(event, "group=%u term=%llu last_index=%llu", g->options.identity.group_id,
               (unsigned long long)g->raft.current_term,
               (unsigned long long)raft_last_index((struct raft *)(uintptr_t)&g->raft));
}

void group_role_changed(struct repl_group *g)
{
    bool was_leading = g->role_term != 0;
    if (g->raft.state == RAFT_LEADER) {
        tell(g, "replica_elected");
        win(g);
    } else if (was_leading) {
        tell(g, "replica_steps_down");
        g->role_term = 0;
        lose(g);
    }
    if (g->raft.state == RAFT_CANDIDATE) {
        tell(g, "replica_stands");
        g->counters.elections_started++;
        g->candidate_since_ms = group_now_ms(g);
        g->candidate_spread_ms = 0;
    }
}

static void submit_barrier(struct repl_group *g)
{
    static char batch[1];
    struct log_entry entry = {.term = g->raft.current_term,
                              .index = raft_last_index(&g->raft) + 1,
                              .type = LOG_ENTRY_BARRIER};
    struct raft_entry raft_entry = {.term = entry.term, .type = RAFT_BARRIER, .batch = batch};
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = &raft_entry;
    event.submit.n = 1;
    if (group_step(g, &event, &entry, entry.index) == 1) {
        g->needs_barrier = false;
        g->ready_index = entry.index;
        group_send_ahead(g, entry.index, 1);
    }
}

/* From the last sign of life of the leader before: its last word of this group may be as much older
 * as heartbeats lie apart. What took longer was no election, but a majority that was missing. */
static void note_election(struct repl_group *g)
{
    uint64_t now_ms = group_now_ms(g);
    uint32_t before = repl_raft_id_node(g->heard.leader_raft_id);
    bool is_handed_over = node_is_alive(g->options.node, before);
    uint64_t last_ms = node_last_sign_ns(g->options.node, before, g->heard_ns) / 1000000;
    uint64_t since_ms = is_handed_over ? g->candidate_since_ms : last_ms;
    if (g->heard_ns != 0 && since_ms != 0 && now_ms - since_ms <= ELECTION_MS_MAX)
        node_note_election(g->options.node, is_handed_over, now_ms - since_ms);
}

/* Once a turn, after apply. */
void group_role_ready(struct repl_group *g)
{
    if (g->needs_barrier && group_is_leader(g))
        submit_barrier(g);
    if (group_is_leader(g) && g->role != REPL_LEADER && !g->needs_barrier && !g->is_held &&
        g->applied_index >= g->ready_index) {
        g->role = REPL_LEADER;
        note_election(g);
        g->options.machine.on_role(g->options.machine.data, REPL_LEADER, g->raft.current_term);
    }
}

/* ---- a sole voter ---- */

/* libraft lets a sole voter lead without an election, in the term that it finds: after a restart or
 * another's lead the same index and term could then be two entries. It begins a term of its own,
 * and nothing leaves before that is on the disk. */
int group_begin_sole_term(struct repl_group *g, uint64_t term)
{
    g->raft.current_term = term;
    g->raft.voted_for = g->options.raft_id;
    return persist_add(g, true, NULL, 0, 0);
}

/* At a leader's timeout libraft takes a peer that did not answer since the last one for lost, stops
 * streaming to it, and sends it new entries once a heartbeat interval only. So all peers get their
 * heartbeats at every timeout, and timeouts are further apart than a round trip. */
bool group_role_is_timeout_due(const struct repl_group *g)
{
    uint64_t now_ms = group_now_ms(g);
    if (g->raft.state == RAFT_LEADER)
        return now_ms - g->beaten_ms >= g->options.election_timeout_ms / 4;
    return now_ms >= raft_timeout(&g->raft);
}

void group_role_timeout(struct repl_group *g)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};
    int err = 0;
    g->beaten_ms = group_now_ms(g);
    if (g->raft.state == RAFT_FOLLOWER && !g->raft.snapshot.installing &&
        g->raft.last_stored == raft_last_index(&g->raft) &&
        configuration_has_sole_voter(&g->raft.configuration, g->options.raft_id))
        err = group_begin_sole_term(g, g->raft.current_term + 1);
    if (err == 0)
        err = group_step(g, &event, NULL, 0);
    if (err < 0)
        group_fatal(g, err, "a timeout");
    group_beat_blocked(g);
}

/* ---- failover ---- */

static void forget_leader(struct repl_group *g)
{
    if (g->raft.state != RAFT_FOLLOWER)
        return;
    raft_free(g->raft.follower_state.current_leader.address);
    g->raft.follower_state.current_leader.address = NULL;
    g->raft.follower_state.current_leader.id = 0;
}

/* libraft keeps the leader that it knows also when it learns of a higher term from a candidate:
 * named beside the new term, the old leader would be a second one of it. */
void group_role_term_rose(struct repl_group *g, const struct raft_event *event)
{
    bool is_from_leader = event->type == RAFT_RECEIVE &&
                          (event->receive.message->type == RAFT_APPEND_ENTRIES ||
                           event->receive.message->type == RAFT_INSTALL_SNAPSHOT);
    if (!is_from_leader)
        forget_leader(g);
}

void group_on_node_gone(struct repl_group *g, uint32_t node_id)
{
    if (group_is_over(g) || g->is_set_aside || g->leave != NULL)
        return;
    if (g->raft.state == RAFT_FOLLOWER && repl_raft_id_node(leader_raft_id(g)) == node_id &&
        leader_raft_id(g) != 0) {
        event_info("leader_gone", "group=%u leader=%u term=%llu", g->options.identity.group_id,
                   node_id, (unsigned long long)g->raft.current_term);
        forget_leader(g);
        g->leaderless_since_ms = group_now_ms(g);
        g->quiet_until_ms = 0;
    }
    group_install_on_node_gone(g, node_id);
}

/* It can't win either, and has its place in the order until it is heard of no more. */
static void on_deaf_leader(struct repl_group *g, const struct repl_beat_row *row)
{
    g->lesser_node_id = repl_raft_id_node(row->leader);
    g->lesser_asked_ms = group_now_ms(g);
    g->quiet_until_ms = 0;
    if (leader_raft_id(g) != row->leader)
        return;
    event_info("leader_hears_nobody", "group=%u leader=%u term=%llu", g->options.identity.group_id,
               repl_raft_id_node(row->leader), (unsigned long long)g->raft.current_term);
    forget_leader(g);
    g->leaderless_since_ms = group_now_ms(g);
}

void group_on_heartbeat(struct repl_group *g, const struct repl_beat_row *row)
{
    if (row->term < g->raft.current_term || group_is_leader(g) || group_is_over(g) ||
        g->is_set_aside || g->leave != NULL)
        return;
    bool is_our_term = row->term == g->raft.current_term;
    group_heard_note(g, row);
    if (row->is_deaf) {
        if (is_our_term)
            on_deaf_leader(g, row);
    } else if (leader_raft_id(g) == row->leader && is_our_term) {
        g->raft.election_timer_start = group_now_ms(g); /* it lives: libraft may wait */
    } else {
        g->quiet_until_ms = group_now_ms(g) + HEARD_OF_LEADER_MS;
    }
}

/* This replica's place among those who may lead now, but `without` one; UINT32_MAX when it is none
 * of them. */
static unsigned own_rank(const struct repl_group *g, uint32_t without)
{
    uint32_t order[REPL_MEMBERS_MAX], own = repl_raft_id_node(g->options.raft_id);
    unsigned count = group_leader_order(g, order), rank = 0;
    for (unsigned i = 0; i < count && order[i] != own; i++)
        rank += order[i] != without && node_may_lead(g->options.node, order[i]);
    bool is_voter = configuration_is_voter(&g->raft.configuration, g->options.raft_id);
    return is_voter && node_may_lead(g->options.node, own) ? rank : UINT32_MAX;
}

/* Whose log ends before ours can't win: its place in the order is free. It may have found the
 * leader gone a little before us. Who can win is given its time, when its turn comes before ours:
 * where nobody is left over, a second candidate would take the vote that it needs. */
void group_role_on_candidate(struct repl_group *g, const struct repl_message *vote)
{
    uint64_t own_index = raft_last_index(&g->raft), own_term = 0;
    if (!group_term_of(g, own_index, &own_term))
        return;
    bool is_lesser = vote->last_term < own_term ||
                     (vote->last_term == own_term && vote->last_index < own_index);
    *(is_lesser ? &g->lesser_node_id : &g->able_node_id) = repl_raft_id_node(vote->from);
    *(is_lesser ? &g->lesser_asked_ms : &g->able_asked_ms) = group_now_ms(g);
}

/* Its followers may not have noticed yet, and would refuse it as a disturber of itself. The vote is
 * of a higher term, so it was sent after that lead had ended. */
void group_role_before_vote(struct repl_group *g, const struct repl_message *vote)
{
    if (vote->from != leader_raft_id(g) || vote->term <= g->raft.current_term ||
        g->raft.state != RAFT_FOLLOWER)
        return;
    forget_leader(g);
    g->leaderless_since_ms = group_now_ms(g);
}

static bool is_before_us(const struct repl_group *g, uint32_t node_id)
{
    uint32_t order[REPL_MEMBERS_MAX], own = repl_raft_id_node(g->options.raft_id);
    unsigned count = group_leader_order(g, order);
    for (unsigned i = 0; i < count && order[i] != own; i++)
        if (order[i] == node_id)
            return true;
    return false;
}

static bool is_others_turn(const struct repl_group *g, uint64_t now_ms)
{
    return g->able_asked_ms != 0 && now_ms - g->able_asked_ms < CANDIDATE_RETRY_MS &&
           now_ms - g->leaderless_since_ms < ABLE_MS_MAX &&
           node_may_lead(g->options.node, g->able_node_id) && is_before_us(g, g->able_node_id);
}

/* Some voter was not heard yet, and may be about to say that the group has gone on without us: two
 * lost sites that return together must not find a majority before they hear of the third. */
static bool is_any_awaited(const struct repl_group *g)
{
    const struct raft_configuration *c = &g->raft.configuration;
    for (unsigned i = 0; i < c->n; i++)
        if (c->servers[i].role == RAFT_VOTER &&
            node_is_awaited(g->options.node, repl_raft_id_node(c->servers[i].id)))
            return true;
    return false;
}

/* Nodes that start together are up a little apart. Whoever is first would lead everything. */
static bool is_early(const struct repl_group *g)
{
    uint32_t order[REPL_MEMBERS_MAX];
    return node_age_ms(g->options.node) < WAIT_FOR_PREFERRED_MS &&
           ((group_leader_order(g, order) > 0 && !node_is_known(g->options.node, order[0])) ||
            is_any_awaited(g));
}

static bool hears_majority(const struct repl_group *g)
{
    const struct raft_configuration *c = &g->raft.configuration;
    unsigned voters = 0, alive = 0;
    for (unsigned i = 0; i < c->n; i++) {
        if (c->servers[i].role != RAFT_VOTER)
            continue;
        voters++;
        alive += c->servers[i].id == g->options.raft_id ||
                 node_is_alive(g->options.node, repl_raft_id_node(c->servers[i].id));
    }
    return alive > voters / 2;
}

/* Lets libraft's election timer expire now. It stands only when its entries are on disk. */
static void stand(struct repl_group *g)
{
    g->raft.election_timer_start = 0;
    if (g->raft.last_stored == raft_last_index(&g->raft) && !g->raft.snapshot.installing)
        group_role_timeout(g);
}

/* TimeoutNow lets its receiver stand without asking first. That is for one election: were it to go
 * on so, a replica that lacks entries would raise the term again and again, each time before the
 * one that can win has stood. */
static void ask_first_again(struct repl_group *g, uint64_t now_ms)
{
    if (g->raft.state == RAFT_CANDIDATE && now_ms - g->candidate_since_ms >= CANDIDATE_RETRY_MS / 2)
        g->raft.candidate_state.disrupt_leader = false;
}

/* Ranks keep candidates apart, as long as all know the same of who is preferred. Two that don't,
 * each first by its own account, would take each other's vote again and again at the same moment:
 * so every try behind the second comes at a time of its own. */
static uint64_t retry_ms(const struct repl_group *g, unsigned rank)
{
    return CANDIDATE_RETRY_MS + g->candidate_spread_ms + rank * (uint64_t)NEXT_STAND_MS;
}

static void stand_in_order(struct repl_group *g, uint64_t now_ms)
{
    bool has_lesser = g->lesser_asked_ms != 0 && now_ms - g->lesser_asked_ms < LESSER_MS;
    unsigned first_rank = own_rank(g, has_lesser ? g->lesser_node_id : 0), rank = own_rank(g, 0);
    ask_first_again(g, now_ms);
    if (!hears_majority(g) || is_early(g)) {
        g->electable_since_ms = 0;
        return;
    }
    if (g->electable_since_ms < g->leaderless_since_ms)
        g->electable_since_ms = now_ms;
    if (rank == UINT32_MAX || now_ms < g->quiet_until_ms || is_others_turn(g, now_ms))
        return;
    if (g->raft.state == RAFT_FOLLOWER &&
        now_ms - g->electable_since_ms >= FIRST_STAND_MS + first_rank * (uint64_t)NEXT_STAND_MS)
        stand(g);
    else if (g->raft.state == RAFT_CANDIDATE &&
             now_ms - g->candidate_since_ms >= retry_ms(g, rank)) {
        g->candidate_since_ms = now_ms;
        g->candidate_spread_ms = random_below(g->options.random, NEXT_STAND_MS);
        stand(g);
    }
}

/* ---- time ---- */

/* A leader that hears no majority of its voters can do nothing: it says so, and is silent for the
 * rest, so that its followers don't take it back for its next message. When it hears them again
 * before anyone was elected, it goes on. */
static void watch_majority(struct repl_group *g)
{
    uint64_t now_ms = group_now_ms(g);
    if (!group_is_leader(g) || hears_majority(g))
        g->heard_majority_ms = now_ms;
    bool is_deaf = now_ms - g->heard_majority_ms >= DEAF_MS;
    if (is_deaf == g->is_deaf)
        return;
    g->is_deaf = is_deaf;
    node_publish_deaf(g->options.node, g->options.identity.group_id, is_deaf);
    if (is_deaf)
        event_warn("leader_hears_no_majority", "group=%u term=%llu", g->options.identity.group_id,
                   (unsigned long long)g->raft.current_term);
}

/* A sole voter has nobody to hand over to: when its node stops, it is not waited for. */
static void watch_votes(struct repl_group *g)
{
    bool is_alone = configuration_has_sole_voter(&g->raft.configuration, g->options.raft_id);
    if (is_alone == g->is_alone)
        return;
    g->is_alone = is_alone;
    node_publish_alone(g->options.node, g->options.identity.group_id, is_alone);
}

/* Who has no part in the group only hears who leads it: its own term may be above the leader's,
 * which would pass for a leader of the past (group_leave.c). */
static void publish(struct repl_group *g)
{
    struct repl_place place = group_lag_place(g);
    if (g->raft.configuration.n == 0)
        return;
    g->published_leader = leader_raft_id(g);
    g->published_term = g->raft.current_term;
    node_publish(g->options.node, g->options.identity.group_id, leader_raft_id(g),
                 g->raft.current_term, g->raft.commit_index, &place);
}

void group_role_tick(struct repl_group *g)
{
    uint64_t now_ms = group_now_ms(g);
    watch_majority(g);
    group_lead_tick(g, now_ms);
    watch_votes(g);
    if (has_leader(g)) {
        g->leaderless_since_ms = 0;
    } else {
        if (g->leaderless_since_ms == 0)
            g->leaderless_since_ms = now_ms;
        stand_in_order(g, now_ms);
    }
    group_transfer_tick(g, now_ms);
    group_handover_tick(g, now_ms);
    group_heard_tick(g, now_ms);
    publish(g);
}

/* Clients wait for the news of another leader: not until the next tick. */
void group_role_tell(struct repl_group *g)
{
    if (g->published_leader != leader_raft_id(g) || g->published_term != g->raft.current_term)
        publish(g);
}
