/* Leadership that moves on purpose: to where it belongs, and away from a node that stops or whose
 * disk is in trouble.
 *
 * Home goes a leader only to a node that has been there, and level, for the quiet time; one after
 * another, and not while its owner is about something that the next one could only begin anew. Away
 * from a site that an operator has sent leaders from it goes at once.
 *
 * libraft refuses submits from RAFT_TRANSFER on, sends TimeoutNow once when the target has all
 * entries, and never gives up by itself; here the message is repeated and the transfer ends. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"
#include "leader_order.h"

#define TRANSFER_MS  200
#define TRY_HOME_MS  1000
#define LOOK_HOME_MS 100
#define HAND_OVER_MS 500 /* between two attempts because of the disk */
#define ASKED_MS     2000
#define PUT_OFF_MS   60000 /* at the longest, for what its owner is about */

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

/* Its voter stands in the site where nobody should lead. */
static bool is_avoided(const struct repl_group *g, uint32_t node_id)
{
    const struct raft_configuration *c = &g->raft.configuration;
    struct repl_member member;
    for (unsigned i = 0; g->avoided_site[0] != '\0' && i < c->n; i++) {
        if (repl_raft_id_node(c->servers[i].id) != node_id || c->servers[i].role != RAFT_VOTER)
            continue;
        configuration_member(&c->servers[i], &member);
        return strcmp(member.site, g->avoided_site) == 0;
    }
    return false;
}

static void sort_by_site(const struct repl_group *g, uint32_t *order, unsigned count)
{
    uint32_t rest[REPL_MEMBERS_MAX];
    unsigned kept = 0, rest_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (is_avoided(g, order[i]))
            rest[rest_count++] = order[i];
        else
            order[kept++] = order[i];
    }
    memcpy(&order[kept], rest, rest_count * sizeof rest[0]);
}

unsigned group_leader_order(const struct repl_group *g, uint32_t order[REPL_MEMBERS_MAX])
{
    const struct raft_configuration *c = &g->raft.configuration;
    unsigned count = 0;
    for (unsigned i = 0; i < c->n && count < REPL_MEMBERS_MAX; i++)
        if (c->servers[i].role == RAFT_VOTER)
            order[count++] = repl_raft_id_node(c->servers[i].id);
    leader_order(g->options.identity.group_id, g->preferred_node_id, order, count);
    if (g->avoided_site[0] != '\0')
        sort_by_site(g, order, count);
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
        if (!r->is_level || !r->is_heard ||
            r->match_index + g->options.in_flight_entries_max < raft_last_index(&g->raft))
            return ERR_BUSY;
        event.transfer.server_id = r->member.raft_id;
        g->transfer_since_ms = group_now_ms(g);
        int err = group_step(g, &event, NULL, 0);
        if (err < 0)
            g->transfer_since_ms = 0;
        return err < 0 ? err : 0;
    }
    return ERR_NOT_FOUND;
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
    }
}

/* ---- home ---- */

static bool is_level(const struct repl_group_status *status, uint32_t node_id)
{
    for (unsigned i = 0; i < status->replica_count; i++)
        if (repl_raft_id_node(status->replicas[i].member.raft_id) == node_id &&
            status->replicas[i].member.is_voter)
            return status->replicas[i].is_level;
    return false;
}

/* The first of the order that may lead; not settled while it, or one that should go before it, has
 * just come or gone. */
static uint32_t home_of(const struct repl_group *g, bool *is_settled)
{
    uint32_t order[REPL_MEMBERS_MAX];
    unsigned count = group_leader_order(g, order);
    *is_settled = true;
    for (unsigned i = 0; i < count; i++) {
        *is_settled &= node_is_settled(g->options.node, order[i]);
        if (node_may_lead(g->options.node, order[i]))
            return order[i];
    }
    return 0;
}

/* Has it been level for the quiet time, without a break? One that catches up is level now and then
 * long before it can carry a leader's load. */
static bool is_long_level(struct repl_group *g, uint32_t home, uint64_t now_ms)
{
    struct repl_group_status status;
    if (home != g->home_id)
        g->uneven_ms = now_ms;
    if (home != g->home_id || now_ms - g->looked_home_ms >= LOOK_HOME_MS) {
        g->home_id = home;
        g->looked_home_ms = now_ms;
        repl_group_status(g, &status);
        if (!is_level(&status, home))
            g->uneven_ms = now_ms;
    }
    return now_ms - g->uneven_ms >= node_settle_ms(g->options.node);
}

/* Who has not been about to go for a while begins anew. */
static bool is_put_off(struct repl_group *g, uint64_t now_ms)
{
    const struct repl_group_options *o = &g->options;
    uint64_t unasked_ms = now_ms - g->looked_settled_ms;
    if (unasked_ms >= LOOK_HOME_MS) {
        bool is_unsettled = o->is_unsettled != NULL && o->is_unsettled(o->unsettled_data);
        g->looked_settled_ms = now_ms;
        if (!is_unsettled)
            g->unsettled_since_ms = 0;
        else if (g->unsettled_since_ms == 0 || unasked_ms > TRY_HOME_MS)
            g->unsettled_since_ms = now_ms;
    }
    return g->unsettled_since_ms != 0 && now_ms - g->unsettled_since_ms < PUT_OFF_MS;
}

void repl_group_ask_home(struct repl_group *g)
{
    if (g->role == REPL_LEADER)
        g->home_asked_until_ms = group_now_ms(g) + ASKED_MS;
}

static void go_home(struct repl_group *g, uint64_t now_ms)
{
    bool is_settled;
    uint32_t own = repl_raft_id_node(g->options.raft_id);
    uint32_t home = g->preferred_node_id != 0 ? home_of(g, &is_settled) : 0;
    if (home == 0 || home == own) {
        g->home_id = 0;
        return; /* it is there */
    }
    bool is_quiet = is_long_level(g, home, now_ms) && is_settled && !is_put_off(g, now_ms);
    bool is_sent_away = is_avoided(g, own) && !is_avoided(g, home);
    bool is_asked = now_ms < g->home_asked_until_ms;
    if ((!is_quiet && !is_sent_away && !is_asked) || now_ms - g->tried_home_ms < TRY_HOME_MS ||
        !node_may_return_leader(g->options.node))
        return;
    if (repl_group_transfer(g, home) != 0)
        return; /* not level: it is looked at again */
    g->tried_home_ms = now_ms;
    g->home_asked_until_ms = 0; /* once: who still waits asks again */
    event_info(is_sent_away ? "leader_sent_away" : "leader_returns", "group=%u to=%u",
               g->options.identity.group_id, home);
}

/* ---- away ---- */

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
