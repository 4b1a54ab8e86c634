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
 * what many clients say on one of them. What may be late there is the same, in two places: between
 * client and router, and between router and node. For the first the router says which of the
 * client's connections it is, by a number that rises (protocol/schema/envelope.txt); a member is
 * held to its newest one. Numbers of two routers can't be compared, and clocks differ: so a member
 * that speaks by another router has left the former one, and there only a newer connection counts.
 * For the second it is the router's connection that must not be older than this node's office. The
 * client knows nothing of that one, so the router is told, and asks again on another; and it gives
 * the client a new number when it does, so what the first one still brings is late.
 *
 * What is not seen: a commit held up between client and router until after the member went on by
 * another connection *and* this node became its coordinator, which has not heard the member since.
 * Then it is a rewind by its member, as the history says, until the next commit. */
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
    struct live_way *known = &m->ways[at];
    bool is_known = known->router == way->router && known->number != 0;
    if (is_known && (way->number < known->number || (way->number == known->number && at > 0)))
        return false;
    memmove(&m->ways[1], &m->ways[0], at * sizeof m->ways[0]);
    m->ways[0] = (struct live_way){.router = way->router, .number = way->number};
    return true;
}

enum group_hearing group_hear(struct group_set *s, struct kafka_string group_id,
                              struct kafka_string member_id, const struct group_way *way)
{
    const struct live_group *g = live_group_find(s, group_id);
    struct live_member *m = g == NULL ? NULL : live_member_find(g, member_id);
#ifdef TRILOG_BREAK_HEAR_OLD_CONNECTIONS
    return GROUP_HEARD; /* on purpose wrong, for the simulation to find */
#endif
    if (way->connection < s->since_connection)
        return GROUP_HEARD_BY_AN_OLD_WAY;
    return m == NULL || take_way(m, way) ? GROUP_HEARD : GROUP_HEARD_LATE;
}
