/* Replicas take the place of those that are gone for good.
 *
 * A node that lost its data comes back with a new incarnation, which is another server to Raft
 * (design, section 5). Group 0 learns the incarnation; each group's leader then brings the new
 * replica in: learner first, and only when it is level the old id goes and the new one votes. One
 * change at a time, so every quorum spans two sites in every step. */
#ifndef CLUSTER_MEMBER_H
#define CLUSTER_MEMBER_H

#include "broker.h"

/* The next step for a group led here, if any. About once a second, group's shard. */
void member_maintain(struct broker_group *g);

#endif
