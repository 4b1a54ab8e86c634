/* Compaction of a raft group's partitions: the leader plans steps and proposes them. */
#ifndef CLUSTER_UPKEEP_COMPACTION_H
#define CLUSTER_UPKEEP_COMPACTION_H

#include "broker.h"

/* Returned owned; lives as long as the group. */
int compaction_create(struct broker_group *g, struct compaction **c);

/* Looks for the partition that needs it most, one step at a time. About once a second, on the
 * group's shard; also where this node does not lead: then nothing is done. */
void compaction_tick(struct compaction *c);

#endif
