/* Leadership that moves on purpose: to where it belongs, and away from a node that stops or whose
 * disk is in trouble.
 *
 * libraft refuses submits from RAFT_TRANSFER on, sends TimeoutNow once when the target has all
 * entries, and never gives up by itself; here the message is repeated and the transfer ends. */
#include <assert.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"
#include "leader_order.h"

#define TRANSFER_MS        200
#define TRANSFER_REPEAT_MS 50
#define TRY_HOME_MS        1000
#define HAND_OVER_MS       500 /* between two attempts because of the disk */

/* ---- where it belongs ---- */

/* Those whose disk is in trouble go last, the others keep their order. */
static void sort_by_disk(const struct repl_group *g, uint32_t *order, unsigned count)
{
    struct repl_node *n = g->options.node;
    for (unsigned i = 1; i < count; i++)
        for (unsigned at = i;
             at > 0 && node_disk_state(n, order[at]) < node_disk_state(n, order[at - 1]); at--) {
            uint32_t worse = order[at - 1];
            order[at - 1] = order[at];
            order[at] = worse;
        }
}

unsigned group_leader_order(const struct repl_group *g, uint32_t order[REPL_MEMBERS_MAX])
{
    const struct raft_configuration *c = &g->raft.configuration;
    unsigned count = 0;
    for (unsigned i = 0; i < c->n && count < REPL_MEMBERS_MAX; i++)
        if (c->servers[i].role == RAFT_VOTER)
            order[count++] = repl_raft_id_node(c->servers[i].id);
    leader_order(g->options.identity.group_id, g->preferred_node_id, order, count);
    sort_by_disk(g, order, count);
    return count;
}

/* ---- transfer ---- */

int repl_group_transfer(struct repl_group *g, uint32_t node_id)
{
    struct repl_group_status status;
    struct raft_event event = {.type = RAFT_TRANSFER};
    if (g->role != REPL_LEADER)
        return ERR_NOT_LEADER;
    if (g->transfer_since_ms != 0)
        return ERR_BUSY;
    repl_group_status(g, &status);
    for (unsigned i = 0; i < status.replica_count; i++) {
        const struct repl_replica_status *r = &status.replicas[i];
        if (repl_raft_id_node(r->member.raft_id) != node_id || !r->member.is_voter)
            continue;
        if (!r->is_level ||
            r->match_index + g->options.in_flight_entries_max < raft_last_index(&g->raft))
            return ERR_BUSY;
        event.transfer.server_id = r->member.raft_id;
        g->transfer_since_ms = group_now_ms(g);
        g->transfer_sent_ms = g->transfer_since_ms;
        int err = group_step(g, &event, NULL, 0);
        if (err < 0)
            g->transfer_since_ms = 0;
        return err < 0 ? err : 0;
    }
    return ERR_NOT_FOUND;
}

/* TimeoutNow is sent once by libraft and ignored while the target writes: so it is repeated. */
static void repeat_timeout_now(struct repl_group *g, uint64_t now_ms)
{
    struct repl_message m;
    uint64_t last = raft_last_index(&g->raft);
    if (!g->raft.leader_state.transferring || now_ms - g->transfer_sent_ms < TRANSFER_REPEAT_MS)
        return;
    g->transfer_sent_ms = now_ms;
    group_fill_message(g, REPL_TIMEOUT_NOW, g->raft.leader_state.transferee, &m);
    m.last_index = last;
    if (group_term_of(g, last, &m.last_term))
        group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

static void tick_transfer(struct repl_group *g, uint64_t now_ms)
{
    if (g->transfer_since_ms == 0)
        return;
    assert(group_is_leader(g)); /* else lose() has ended it */
    if (now_ms - g->transfer_since_ms >= TRANSFER_MS) {
        g->raft.leader_state.transferee = 0; /* no new leader: go on */
        g->raft.leader_state.transferring = false;
        g->transfer_since_ms = 0;
        g->counters.transfers_failed++;
    } else {
        repeat_timeout_now(g, now_ms);
    }
}

/* The first of the order that may lead; 0 when that is not settled: it, or one that should go
 * before it, has just come or gone. */
static uint32_t home_of(const struct repl_group *g)
{
    uint32_t order[REPL_MEMBERS_MAX];
    unsigned count = group_leader_order(g, order);
    for (unsigned i = 0; i < count; i++) {
        if (!node_is_settled(g->options.node, order[i]))
            return 0;
        if (node_may_lead(g->options.node, order[i]))
            return order[i];
    }
    return 0;
}

static void go_home(struct repl_group *g, uint64_t now_ms)
{
    if (now_ms - g->tried_home_ms < TRY_HOME_MS)
        return;
    uint32_t home = g->preferred_node_id != 0 ? home_of(g) : 0;
    if (home == 0 || home == repl_raft_id_node(g->options.raft_id) ||
        !node_may_return_leader(g->options.node))
        return; /* it is there, or others go first */
    g->tried_home_ms = now_ms;
    if (repl_group_transfer(g, home) == 0)
        event_info("leader_returns", "group=%u to=%u", g->options.identity.group_id, home);
}

/* ---- away ---- */

static bool is_level(const struct repl_group_status *status, uint32_t node_id)
{
    for (unsigned i = 0; i < status->replica_count; i++)
        if (repl_raft_id_node(status->replicas[i].member.raft_id) == node_id &&
            status->replicas[i].member.is_voter)
            return status->replicas[i].is_level;
    return false;
}

/* Our disk is worse than it could be: then somebody with a better one should lead. */
static bool is_better(const struct repl_group *g, uint32_t node_id)
{
    struct repl_node *n = g->options.node;
    return node_is_leaving(n) || node_disk_state(n, node_id) < node_disk_state(n, node_own_id(n));
}

/* To the level ones in turn, should the first not take it. */
static void hand_over(struct repl_group *g)
{
    uint32_t order[REPL_MEMBERS_MAX], able[REPL_MEMBERS_MAX];
    unsigned count = group_leader_order(g, order), able_count = 0;
    struct repl_group_status status;
    repl_group_status(g, &status);
    for (unsigned i = 0; i < count; i++)
        if (order[i] != repl_raft_id_node(g->options.raft_id) &&
            node_may_lead(g->options.node, order[i]) && is_better(g, order[i]) &&
            is_level(&status, order[i]))
            able[able_count++] = order[i];
    if (able_count == 0)
        return;
    uint32_t to = able[g->hand_over_count++ % able_count];
    if (repl_group_transfer(g, to) == 0)
        event_info("leader_hands_over", "group=%u to=%u", g->options.identity.group_id, to);
}

/* A transfer that fails costs 200 ms without submits: not again and again without a pause. */
static void leave_bad_disk(struct repl_group *g, uint64_t now_ms)
{
    if (g->handed_over_ms != 0 && now_ms - g->handed_over_ms < HAND_OVER_MS)
        return;
    g->handed_over_ms = now_ms;
    hand_over(g);
}

void group_transfer_tick(struct repl_group *g, uint64_t now_ms)
{
    tick_transfer(g, now_ms);
    if (g->role != REPL_LEADER || g->transfer_since_ms != 0)
        return;
    if (node_is_leaving(g->options.node))
        hand_over(g);
    else if (node_disk_state(g->options.node, node_own_id(g->options.node)) != REPL_DISK_OK)
        leave_bad_disk(g, now_ms);
    else
        go_home(g, now_ms);
}
