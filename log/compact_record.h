/* The records of one batch: read with every byte checked, and written anew without some of them
 * (Kafka's protocol guide, "Record Batch"; KIP-98, KIP-534). */
#ifndef LOG_COMPACT_RECORD_H
#define LOG_COMPACT_RECORD_H

#include "batch.h"
#include "compact_unpack.h"

#define BATCH_CONTROL        0x20
#define BATCH_DELETE_HORIZON 0x40 /* the base timestamp says when tombstones go (KIP-534) */

struct compact_record {
    struct bytes whole; /* with its length in front */
    uint8_t attributes; /* none is defined */
    int64_t timestamp_delta, offset_delta;
    struct bytes rest; /* from the offset delta on */
    bool has_key, has_value;
    struct bytes key;
};

/* A batch and its records, unpacked; borrowed from the batch and the room. */
struct compact_batch {
    struct bytes whole;
    struct bytes records;
    uint32_t record_count;
};

/* Reads the batch and all of its records once, to see that they are what the header says. 0, or
 * why its records can't be known: ERR_MALFORMED, ERR_TOO_LARGE, ERR_VERSION; or UV_ENOMEM. */
int compact_batch_open(struct compact_batch *b, struct bytes whole, struct compact_room *room);

/* The next record; at most as many calls as the opened batch has records. */
struct compact_record compact_record_next(struct bytes_reader *r);

static inline bool batch_has_delete_horizon(const uint8_t *batch)
{
    return (batch_attributes(batch) & BATCH_DELETE_HORIZON) != 0;
}

/* Writes the batch anew, uncompressed, with the records whose `keeps` is set, into `room` from its
 * front. Offsets, epoch, producer and sequence stay. `horizon_ms` of at least 0 becomes the base
 * timestamp with its flag, and the records' timestamps stay what they were. 0, ERR_TOO_LARGE or
 * UV_ENOMEM. */
int compact_batch_write(const struct compact_batch *b, const uint8_t *keeps, int64_t horizon_ms,
                        struct compact_room *room);

#define COMPACT_GAP_SIZE BATCH_RECORDS_FROM
/* A batch without records over [base_offset, next_offset): what is left where all went. */
void compact_gap_write(uint8_t into[COMPACT_GAP_SIZE], int64_t base_offset, int64_t next_offset,
                       int32_t leader_epoch);

#endif
