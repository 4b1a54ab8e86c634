/* A full disk among the replicas of a group.
 *
 * What a full disk has left is for metadata, offsets and votes. A leader goes by what it hears of
 * all disks:
 *   - it takes new data as long as a majority of its voters is alive and has room;
 *   - while that is so, a replica whose reserve is half gone gets no entries: the majority needs
 *     it not, and it keeps what it has for the day when it is needed. It goes on to vote and to
 *     answer, and gets what it lacks when there is room. Not so in a small group (metadata): a
 *     node that does not hear of what there is can't serve what it has;
 *   - when that is not so there is no new data, and what little goes on goes to all.
 * A replica whose WAL has no file left gets nothing: it could not store it. */
#include "base/err.h"
#include "group_internal.h"

#define HAND_OVER_MS_MAX 2000 /* a full leader takes data so long, while it hands over */

struct room {
    unsigned voters;
    unsigned have_room; /* of those that are alive */
    unsigned full;      /* likewise */
};

static struct room count_room(const struct repl_group *g)
{
    const struct raft_configuration *c = &g->raft.configuration;
    struct room room = {0};
    for (unsigned i = 0; i < c->n; i++) {
        uint32_t node_id = repl_raft_id_node(c->servers[i].id);
        if (c->servers[i].role != RAFT_VOTER)
            continue;
        room.voters++;
        if (!node_is_alive(g->options.node, node_id))
            continue;
        bool is_full = node_disk_is_full(g->options.node, node_id);
        room.full += is_full;
        room.have_room += !is_full;
    }
    return room;
}

static bool has_majority_with_room(const struct repl_group *g)
{
    struct room room = count_room(g);
    return room.have_room > room.voters / 2;
}

bool group_spares_peer(const struct repl_group *g, uint32_t node_id)
{
    struct repl_node *n = g->options.node;
    return node_disk_is_out_of_files(n, node_id) ||
           (!g->options.is_small && node_disk_is_low(n, node_id) && has_majority_with_room(g));
}

/* Where replicas are missing, too, it is they that are waited for, as always. */
bool repl_group_has_room(const struct repl_group *g)
{
    struct repl_node *n = g->options.node;
    uint32_t own = node_own_id(n);
    struct room room = count_room(g);
    bool is_full_in_the_way = room.have_room <= room.voters / 2 &&
                              room.have_room + room.full > room.voters / 2;
    if (is_full_in_the_way || node_disk_is_out_of_files(n, own))
        return false;
    return !node_disk_is_low(n, own) || node_disk_for_ms(n) < HAND_OVER_MS_MAX;
}
