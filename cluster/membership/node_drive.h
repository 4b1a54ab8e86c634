/* What group 0's leader does about nodes: it notices who is dead and who is back, plans where
 * groups are to vote, sets that one group at a time, and lets go who carries nothing any more. */
#ifndef CLUSTER_MEMBERSHIP_NODE_DRIVE_H
#define CLUSTER_MEMBERSHIP_NODE_DRIVE_H

#include "broker.h"

/* The next thing to do, if any, when this node leads group 0. A few times a second, its shard. */
void node_drive(struct broker_group *g);

/* True while the group's voters are not where they are to be, or nobody says where they are.
 * Under the metadata's read lock. Any shard. */
bool node_drive_is_moving(struct broker *b, const struct metadata_group *group);

#endif
