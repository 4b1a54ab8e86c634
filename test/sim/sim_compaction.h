/* Compaction in the simulation: one partition of each group has keys. Its leader plans steps at
 * random times, with random bounds; what is read of it is compared record by record. */
#ifndef SIM_COMPACTION_H
#define SIM_COMPACTION_H

#include "protocol/record_batch.h"
#include "sim/sim_node.h"

struct check_partition;
struct check_group;

#define SIM_KEYS 6

/* Perhaps plans a step of the group's compacted partition. On the shard, at upkeep. */
void sim_compaction_upkeep(struct sim_group *g);

/* The partition of this group got a batch: its records' keys are noted. */
void sim_compaction_note(struct check_partition *p, const struct kafka_record_batch *batch,
                         int64_t base_offset);

/* A batch that a replica shows at `offset`: each record is what was sent, and none is missing that
 * is the newest of its key. */
void sim_compaction_check_read(const struct sim_group *g, const struct check_partition *p,
                               int64_t offset, const struct kafka_record_batch *batch);

#endif
