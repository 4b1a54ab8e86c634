/* Compaction of a raft group's partitions: the leader plans steps and proposes them. */
#ifndef CLUSTER_UPKEEP_COMPACTION_H
#define CLUSTER_UPKEEP_COMPACTION_H

#include "broker.h"

/* Counted since the node began, on this node as a leader. */
struct compaction_status {
    uint64_t steps, records_removed, tombstones_removed;
    uint64_t bytes_before, bytes_after; /* of the segments in those steps */
    uint64_t batches_unreadable;        /* found in them, and kept as they are */
    uint64_t failures;                  /* plans that came to nothing: damage, no memory */
    bool is_running;                    /* a plan or its entry is under way */
};

/* Returned owned; lives as long as the group. */
int compaction_create(struct broker_group *g, struct compaction **c);

/* Looks for the partition that needs it most, one step at a time. About once a second, on the
 * group's shard; also where this node does not lead: then nothing is done. */
void compaction_tick(struct compaction *c);

/* On the group's shard. */
void compaction_status(const struct compaction *c, struct compaction_status *status);

#endif
