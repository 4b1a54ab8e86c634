/* A member speaks on its newest connection.
 *
 * A client that gives up waiting makes a new connection and asks again. What it had written to the
 * old one is not lost: TCP delivers it when a cut heals, long after the client went on, perhaps
 * through another coordinator. Joins and heartbeats do no harm then, but a commit would take the
 * group back:
 *
 *   member   commit 408 ──cut──────────────────────────────┐
 *            commit 408, 546 … 834 with a new coordinator   │
 *   node                       healed, coordinator again ◀──┘ 408 after 834
 *
 * So a commit counts only on a connection that was made since this node began to coordinate, and
 * on none that is older than one the member has committed or beaten on since. Joins and syncs do
 * not tell: some clients have another connection for them, and what they leave behind is refused by
 * its generation. Only order matters here: the numbers rise as a node accepts connections, and
 * nobody else sees them.
 *
 * A router has connections of its own to this node, closes and opens them as it likes, and sends
 * what many clients say on one of them: it is the client's connection to the router that counts.
 * When that was made, in this node's numbers, is told from below: each answer to a router says the
 * newest number, and the router passes on which one it had when it took the client's connection.
 * So all ways of a member compare, by whichever routers, and no clock has a part in it:
 *
 *   router   now is 17 ◀── node      takes client's connection (since 17)      passes 408 on
 *   node     becomes coordinator at 23: what is since 17 may be as old as that
 *
 * The router closes the client's connection then, as the node does with one of its own, and the
 * next one is since 23 or later. Between two answers all connections taken are since the same: of
 * one router's the number that it gives tells which is newer, of two routers' the one that was
 * heard last. */
#include <string.h>

#include "consumer/live_parts.h"

void group_set_begin(struct group_set *s, uint64_t connection)
{
    s->since_connection = connection;
}

/* Where the router is remembered, or the oldest one, which goes. */
static unsigned find_way(const struct live_member *m, uint64_t router)
{
    unsigned at = 0;
    while (at < LIVE_WAYS - 1 && (m->ways[at].router != router || m->ways[at].number == 0))
        at++;
    return at;
}

/* False: it has gone on from there. */
static bool take_way(struct live_member *m, const struct group_way *way)
{
    unsigned at = find_way(m, way->router);
    const struct live_way *known = &m->ways[at];
    bool is_known = known->router == way->router && known->number != 0;
    if (way->since < m->since)
        return false;
    if (way->since == m->since && is_known &&
        (way->number < known->number || (way->number == known->number && at > 0)))
        return false;
    memmove(&m->ways[1], &m->ways[0], at * sizeof m->ways[0]);
    m->ways[0] = (struct live_way){.router = way->router, .number = way->number};
    m->since = way->since;
    return true;
}

bool group_hear(struct group_set *s, struct kafka_string group_id, struct kafka_string member_id,
                const struct group_way *way)
{
    const struct live_group *g = live_group_find(s, group_id);
    struct live_member *m = g == NULL ? NULL : live_member_find(g, member_id);
#ifdef TRILOG_BREAK_HEAR_OLD_CONNECTIONS
    return true; /* on purpose wrong, for the simulation to find */
#endif
    return way->since >= s->since_connection && (m == NULL || take_way(m, way));
}
