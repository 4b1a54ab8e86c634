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
 * nobody else sees them. */
#include "consumer/live_parts.h"

void group_set_begin(struct group_set *s, uint64_t connection)
{
    s->since_connection = connection;
}

bool group_hear_connection(struct group_set *s, struct kafka_string group_id,
                           struct kafka_string member_id, uint64_t connection)
{
    const struct live_group *g = live_group_find(s, group_id);
    struct live_member *m = g == NULL ? NULL : live_member_find(g, member_id);
#ifdef TRILOG_BREAK_HEAR_OLD_CONNECTIONS
    return true; /* on purpose wrong, for the simulation to find */
#endif
    if (connection < s->since_connection || (m != NULL && connection < m->connection))
        return false;
    if (m != NULL)
        m->connection = connection;
    return true;
}
