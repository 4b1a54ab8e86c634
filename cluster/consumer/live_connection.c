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
 * next one is since 23 or later. Between two answers all connections that a router takes are since
 * the same, and its own numbers tell which is newer; of two routers' nothing does, so the one that
 * is heard later is refused too. Whoever is refused makes the node's number rise (group_call.c), so
 * that its next connection is newer than all. */
#include "consumer/live_parts.h"

void group_set_begin(struct group_set *s, uint64_t connection)
{
    s->since_connection = connection;
}

static bool is_as_new(const struct group_way *way, const struct group_way *newest)
{
    return way->since > newest->since ||
           (way->since == newest->since && way->router == newest->router &&
            way->number >= newest->number);
}

bool group_hear(struct group_set *s, struct kafka_string group_id, struct kafka_string member_id,
                const struct group_way *way)
{
    const struct live_group *g = live_group_find(s, group_id);
    struct live_member *m = g == NULL ? NULL : live_member_find(g, member_id);
#ifdef TRILOG_BREAK_HEAR_OLD_CONNECTIONS
    return true; /* on purpose wrong, for the simulation to find */
#endif
    if (way->since < s->since_connection || (m != NULL && !is_as_new(way, &m->way)))
        return false;
    if (m != NULL)
        m->way = *way;
    return true;
}
