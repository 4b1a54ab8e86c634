/* What a replica that was put aside has and its group has not: where the two logs part, and its
 * records out of their compression. */
#ifndef LOG_SALVAGE_H
#define LOG_SALVAGE_H

#include "log/partition.h"

/* The first offset of `old` that `live`, the same partition after a forced recovery, has not: where
 * their epoch tables part, or where the gap begins that the recovery has left in `live`. From there
 * to its next offset `old` is alone; its next offset when nothing of it is missing. Never within a
 * gap of `old`, which an earlier recovery has left. Where retention has taken what both had, nobody
 * knows: then the start of the last epoch that both know, or of `old` when there is none, so that
 * rather too much is named than too little. Memory only; both are borrowed, and nobody changes them
 * meanwhile. */
int64_t log_partition_parting(const struct log_partition *old, const struct log_partition *live);

/* Replicas that were put aside may differ in what was never committed: then their offsets show
 * different records, of different leader epochs. What a higher epoch has is what its leader's
 * majority had, so records of all of them together are ordered by epoch, then offset.
 *
 * The first offset of `p` whose record comes behind that one in this order; its next offset when
 * there is none. Within one epoch that is the next one, as far as `p` has the epoch. */
int64_t log_partition_behind(const struct log_partition *p, int32_t leader_epoch, int64_t offset);

/* A sound batch with its records uncompressed, one after the other; its checksum is not set anew.
 * *plain is returned owned (slice_unref). 0; ERR_MALFORMED, ERR_TOO_LARGE, ERR_VERSION as its
 * compression has it, or UV_ENOMEM. */
int log_batch_unpack(struct bytes batch, struct slice *plain);

#endif
