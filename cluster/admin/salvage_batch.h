/* Records of a lost tail as they are written to the salvage topic: what they were, and headers more
 * that say where they come from.
 *
 *   trilog.offset         where it stood, in decimal digits
 *   trilog.leader.epoch   of the leader that gave it that offset, likewise
 *   trilog.timestamp      its time, likewise, in ms since 1970
 *   trilog.producer       "ID,EPOCH,SEQUENCE" of an idempotent producer; else there is none */
#ifndef CLUSTER_ADMIN_SALVAGE_BATCH_H
#define CLUSTER_ADMIN_SALVAGE_BATCH_H

#include "protocol/record_batch_builder.h"

#define SALVAGE_HEADER_OFFSET       "trilog.offset"
#define SALVAGE_HEADER_LEADER_EPOCH "trilog.leader.epoch"
#define SALVAGE_HEADER_TIMESTAMP    "trilog.timestamp"
#define SALVAGE_HEADER_PRODUCER     "trilog.producer"
#define SALVAGE_BATCH_BYTES         (1u << 20) /* of one new batch, a single larger record apart */
#define SALVAGE_RECORD_BYTES_MAX    (3u << 20) /* a larger record is left out, and counted */
#define SALVAGE_MESSAGE_BYTES_MAX   "4194304"  /* max.message.bytes of the topic */

/* One new batch while it is filled. */
struct salvage_batch {
    struct kafka_record_batch_builder builder;
    size_t size_bytes;       /* about */
    uint32_t record_count;   /* in it */
    uint32_t left_out_count; /* records that are not */
    int64_t next_offset;     /* of the old log: what comes behind those */
};

/* Where a record of a salvage topic stood. */
struct salvage_mark {
    int32_t leader_epoch;
    int64_t offset;
};

void salvage_batch_init(struct salvage_batch *b, int64_t from);
void salvage_batch_close(struct salvage_batch *b);

/* Adds the records of an old, uncompressed batch from next_offset on. 1 when it is full: the batch
 * goes on at next_offset; 0 when all are in it, and next_offset is behind the old batch; or
 * ERR_MALFORMED, UV_ENOMEM. A control batch has no records of anybody's. */
int salvage_batch_add(struct salvage_batch *b, const struct kafka_record_batch *old);
/* Leaves out what is behind next_offset of a batch that can't be taken apart, and goes on behind
 * it. */
void salvage_batch_pass(struct salvage_batch *b, const struct kafka_record_batch *old);

/* Where the last record among these batches, as a fetch gives them, stood. False: it is not one of
 * a salvage, or there is none. */
bool salvage_last_mark(struct bytes batches, struct salvage_mark *mark);

#endif
