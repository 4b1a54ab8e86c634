/* Topics' partitions go to raft groups of their mode and home site. */
#ifndef CLUSTER_MEMBERSHIP_TOPIC_DRIVE_H
#define CLUSTER_MEMBERSHIP_TOPIC_DRIVE_H

#include "broker.h"

/* Of group 0's leader, on its shard, a few times a second: proposes what is next. */
void topic_drive(struct broker_group *g);

#endif
