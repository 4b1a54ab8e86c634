/* Which replicas are level, known on every node.
 *
 * Only a group's leader measures lag, and knows who its members are; but any node answers Metadata,
 * whose in-sync list must be true for every partition. So leaders tell the other nodes a few times
 * a second. */
#ifndef CLUSTER_MEMBERSHIP_LEVEL_H
#define CLUSTER_MEMBERSHIP_LEVEL_H

#include "base/bytes.h"
#include "broker.h"
#include "replication/group.h"

static inline uint64_t level_mask_of(uint32_t node_id)
{
    return node_id < 64 ? (uint64_t)1 << node_id : 0;
}
static inline bool level_mask_has(uint64_t mask, uint32_t node_id)
{
    return (mask & level_mask_of(node_id)) != 0;
}

/* Of one group, as bits over node ids 1 to 63. */
struct level_masks {
    uint64_t level;            /* these lack next to nothing */
    uint64_t voters, learners; /* of the newest committed configuration */
};
/* What its leader, which is own_node_id, sees in its status. While a configuration is not committed
 * the members are still those before; a node that it adds is not yet level: what its former replica
 * had, and voted with, may be gone. Pure. */
struct level_masks level_masks_of(const struct repl_group_status *status, uint32_t own_node_id,
                                  const struct level_masks *before);

/* The leader's own view, kept for level_tell. About every 10 ms on the group's shard. */
void level_watch(struct broker_group *g);
/* Tells the other nodes about the groups led here. Shard 0, a few times a second. */
void level_tell(struct broker *b);
/* What another node told; shard 0. Malformed messages are ignored. */
void level_on_message(struct broker *b, struct bytes message);

/* The members of a group by node id, voters and learners, as bits; false, and the last that was
 * told (or zeros), when nobody has confirmed them lately. Any shard. */
bool level_members(struct broker *b, uint32_t group_id, uint64_t *voters, uint64_t *learners);

/* True when the node's replica of the group lacks next to nothing, as far as is known: a learner's,
 * too. Any shard. */
bool level_is_near(struct broker *b, uint32_t group_id, uint32_t node_id);
/* ... and has a vote: it could take over. Any shard. */
bool level_is_in_sync(struct broker *b, uint32_t group_id, uint32_t node_id);

#endif
