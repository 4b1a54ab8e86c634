/* The members of a raft group become what group 0 wants.
 *
 * A node that comes, goes, or lost its data is a change of where groups vote. Each group's leader
 * makes it: learner first, and only when it is level it votes and the old one goes. One change at a
 * time, so every quorum spans two sites in every step. */
#ifndef CLUSTER_MEMBERSHIP_MEMBER_H
#define CLUSTER_MEMBERSHIP_MEMBER_H

#include "broker.h"

/* The next step for a group led here, if any; and where its leader belongs, on every replica. A few
 * times a second, group's shard. */
void member_maintain(struct broker_group *g);

#endif
