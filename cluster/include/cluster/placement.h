/* Which nodes vote in which raft group, and how a group gets there. Pure: no clock, no I/O, the
 * same answer on every node.
 *
 * The plan keeps each group's voters per site as they are and moves within sites only, so that the
 * site rule holds at rest before and after; a step then takes one voter in or out, in an order in
 * which every quorum spans two sites between them, too (design, section 3). */
#ifndef CLUSTER_PLACEMENT_H
#define CLUSTER_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cluster/metadata.h"
#include "replication/group.h"

#define PLACEMENT_VOTERS_MAX 7

/* ---- the plan ---- */

struct placement_node {
    uint32_t node_id;
    char site[32];
    bool may_carry;        /* takes replicas */
    bool must_go;          /* gives them away, as far as there is another place in its site */
    bool is_leaving;       /* ... and if there is none, the group goes on with fewer, or it is
                              refused; else (a dead one) they stay where they are */
    uint32_t successor_id; /* must_go: who takes them; 0: whoever has fewest */
};

struct placement {
    unsigned node_count;
    struct placement_node nodes[METADATA_NODES_MAX]; /* by id */
    unsigned group_count;
    struct metadata_group groups[METADATA_GROUPS_MAX]; /* by id; only ids, nodes, mode and home
                                                          site (as things are) are used */
};

/* What group 0 says, as a placement: ACTIVE nodes carry, LEAVING and DEAD ones must go. Under the
 * metadata's read lock. */
void placement_of(const struct metadata *m, struct placement *p);

/* In how many sites the group votes. */
unsigned placement_site_count(const struct placement *p, const struct metadata_group *group);

/* The site rule at rest. In three sites or more the voters outside any one of them are a majority;
 * in two, no site has a majority by itself. An asynchronous group's voters are in one site. */
bool placement_is_sound(const struct placement *p, const struct metadata_group *group);

/* Moves what must go, then evens out replicas and preferred leaders within each site, with as few
 * moves as that takes; group 0 moves only when it must. Changes `p`. 0, or ERR_CANT_CHANGE with
 * the reason: then `p` is in between. */
int placement_plan(struct placement *p, struct err_note *note);

/* Who votes in an asynchronous group: the replicas in its home site, if there is one. */
void placement_settle_votes(const struct placement *p, struct metadata_group *group);
/* The group's leader belongs on a voter of its home site; false: nobody there may lead. */
bool placement_lead_at_home(const struct placement *p, struct metadata_group *group);

/* One more group for topics of that mode and home site, on the nodes of `like` (a partition moves
 * between such groups only), or where a group that serves everybody is, if that is NULL.
 * ERR_NOT_FOUND: the home site has no node; ERR_CANT_CHANGE: none that could carry it, or one of
 * those nodes is away; ERR_FULL; with the reason. */
int placement_new_group(const struct placement *p, const struct metadata_wish *wish,
                        const struct metadata_group *like, struct metadata_group *group,
                        struct err_note *note);

struct placement_move {
    uint32_t group_id;
    uint32_t enters, leaves; /* 0: nobody */
};
/* The replicas that go from one placement to the other; at most PLACEMENT_MOVES_MAX. */
#define PLACEMENT_MOVES_MAX (2 * METADATA_GROUPS_MAX)
unsigned placement_moves(const struct placement *before, const struct placement *after,
                         struct placement_move moves[PLACEMENT_MOVES_MAX]);

/* ---- the next step of one group ---- */

struct placement_member {
    uint64_t raft_id;
    char site[32];
    bool is_voter; /* else a learner, to stay one */
};

enum placement_step_kind {
    PLACEMENT_AT_REST,   /* the configuration is what is wanted */
    PLACEMENT_WAITS,     /* for a learner to be level and heard, or a change to be committed */
    PLACEMENT_CHANGES,   /* `change` with `member` */
    PLACEMENT_HANDS_OVER /* the leader itself is to go: leadership to `node_id` first */
};

struct placement_step {
    enum placement_step_kind kind;
    enum repl_change change;
    struct repl_member member;
    uint32_t node_id;
};

/* What the leader with this status does next; while a change is under way, only what takes that
 * back. Nothing is remembered between steps: the configuration itself says where a change stands,
 * so that any later leader goes on. */
void placement_next_step(const struct repl_group_status *status, uint64_t own_raft_id,
                         const struct placement_member *wanted, unsigned wanted_count,
                         uint32_t preferred_node_id, struct placement_step *step);

#endif
