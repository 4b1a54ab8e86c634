/* Whether what this node keeps is whole, and what is left to do where it is not.
 *
 * After damage, or with an emptied disk, each of its replicas is taken in again by its group's
 * leader: learner, level, voter. When all are that group 0 wants here, and no other group counts on
 * this node any more, what was set aside goes. Where a group has no leader
 * because too many of its voters are gone for good (their nodes are here under other
 * incarnations, or empty), nothing mends itself and nothing is hidden: an event says every
 * ten seconds which nodes still hold its data and what an operator can do. */
#ifndef CLUSTER_MEMBERSHIP_REBUILD_H
#define CLUSTER_MEMBERSHIP_REBUILD_H

#include "broker.h"
#include "start/storage.h"

struct rebuild;

/* Returned owned by the broker, for as long as it lives. `report` is copied. */
int rebuild_create(struct broker *b, const struct storage_report *report, struct rebuild **rebuild);

/* The group's replica, as its shard sees it. About once a second, group's shard. */
void rebuild_note_group(struct rebuild *r, struct broker_group *g);
/* Looks at all groups. About once a second, shard 0. */
void rebuild_watch(struct rebuild *r);

/* A group without a leader whose majority can't come back by itself. Masks are over node ids. */
struct rebuild_loss {
    uint32_t group_id;
    unsigned voter_count;
    uint64_t lost;   /* voters whose data is gone: emptied, or damaged and set aside */
    uint64_t silent; /* not heard: they may still hold it */
    uint64_t here;   /* they hold it */
};
#define REBUILD_LOSSES_MAX 256

struct rebuild_status {
    struct storage_report report; /* what was damaged at this start */
    bool is_level;                /* since this start all of this was level at some time */
    unsigned voter_count;         /* of the groups, those whose replica here is a level voter */
    unsigned group_count;         /* groups that this node is to vote in */
    unsigned loss_count;          /* of `losses`: as of a second ago */
    struct rebuild_loss losses[REBUILD_LOSSES_MAX];
};
/* A copy. Any shard. */
void rebuild_status(struct rebuild *r, struct rebuild_status *status);

#endif
