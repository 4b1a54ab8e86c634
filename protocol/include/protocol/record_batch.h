/* Kafka's record batch, version 2 (KIP-98): its header, without looking into the records.
 *
 *    0  base offset      8 ─┐ outside the checksum: the broker sets both without computing
 *    8  batch length     4  │ it again
 *   12  leader epoch     4 ─┘
 *   16  magic            1    2
 *   17  CRC-32C          4    over everything behind it
 *   21  attributes       2    0–2 compression, 3 LogAppendTime, 4 transactional, 5 control
 *   23  last offset delta 4   offset of the last record, from the base offset
 *   27  base timestamp   8
 *   35  max timestamp    8
 *   43  producer id      8    -1: not idempotent
 *   51  producer epoch   2
 *   53  base sequence    4
 *   57  record count     4
 *   61  records               compressed as a whole, or one after the other */
#ifndef PROTOCOL_RECORD_BATCH_H
#define PROTOCOL_RECORD_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define KAFKA_RECORD_BATCH_HEADER_BYTES 61
#define KAFKA_RECORD_BATCH_HEAD_BYTES   16 /* the part that the broker rewrites, to the epoch */
#define KAFKA_RECORD_BATCH_LENGTH_END   12 /* the batch length counts from here */
#define KAFKA_RECORD_BATCH_CRC_FROM     21 /* the checksum covers what follows */
#define KAFKA_RECORD_BATCH_MAGIC        2

enum kafka_compression {
    KAFKA_COMPRESSION_NONE,
    KAFKA_COMPRESSION_GZIP,
    KAFKA_COMPRESSION_SNAPPY,
    KAFKA_COMPRESSION_LZ4,
    KAFKA_COMPRESSION_ZSTD
};

#define KAFKA_BATCH_COMPRESSION_MASK 0x07
#define KAFKA_BATCH_LOG_APPEND_TIME  0x08
#define KAFKA_BATCH_TRANSACTIONAL    0x10
#define KAFKA_BATCH_CONTROL          0x20

struct kafka_record_batch {
    struct bytes bytes; /* the whole batch, borrowed from the source */
    int64_t base_offset;
    int32_t batch_length; /* as stored: bytes.size - 12 */
    int32_t leader_epoch;
    uint32_t crc; /* as stored, not yet compared */
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

static inline enum kafka_compression
kafka_record_batch_compression(const struct kafka_record_batch *batch)
{
    return (enum kafka_compression)(batch->attributes & KAFKA_BATCH_COMPRESSION_MASK);
}

static inline bool kafka_record_batch_is_transactional(const struct kafka_record_batch *batch)
{
    return (batch->attributes & KAFKA_BATCH_TRANSACTIONAL) != 0;
}

static inline bool kafka_record_batch_is_control(const struct kafka_record_batch *batch)
{
    return (batch->attributes & KAFKA_BATCH_CONTROL) != 0;
}

static inline bool kafka_record_batch_is_log_append_time(const struct kafka_record_batch *batch)
{
    return (batch->attributes & KAFKA_BATCH_LOG_APPEND_TIME) != 0;
}

/* One past the offset of the last record. */
static inline int64_t kafka_record_batch_next_offset(const struct kafka_record_batch *batch)
{
    return batch->base_offset + batch->last_offset_delta + 1;
}

/* The records as they lie there, compressed or not. */
static inline struct bytes kafka_record_batch_records(const struct kafka_record_batch *batch)
{
    return bytes_of(batch->bytes.data + KAFKA_RECORD_BATCH_HEADER_BYTES,
                    batch->bytes.size - KAFKA_RECORD_BATCH_HEADER_BYTES);
}

/* Reads the first batch of the source. Several may follow each other: call again behind it.
 * Returns its size in bytes, or
 *   ERR_NEED_MORE  the source ends before the batch does
 *   ERR_VERSION    the magic is not 2 (0 and 1 are the old message formats)
 *   ERR_MALFORMED  its length can't hold a header
 *   ERR_INVALID    a field can't be: a compression that does not exist, a negative offset, delta
 *                  or count, an offset beyond 63 bits, more records than offsets, or more records
 *                  than the bytes can hold when compressed to the utmost
 * A log may hold batches with fewer records than offsets, or none: compaction leaves them. */
int kafka_record_batch_decode(struct bytes source, struct kafka_record_batch *batch);

/* 0, or ERR_CORRUPT when the stored checksum is not that of the bytes. */
int kafka_record_batch_check_crc(const struct kafka_record_batch *batch);

/* What a producer may send beyond that: records, one for each offset; not a control batch;
 * timestamps from -1 up; with a producer id, also an epoch and a sequence. Whether a
 * transactional batch is taken is the broker's own decision. Returns 0 or ERR_INVALID. */
int kafka_record_batch_check_produced(const struct kafka_record_batch *batch);

/* The first 16 bytes as a piece of their own: in front of the rest of a shared buffer, which so
 * stays as it came. */
void kafka_record_batch_head_encode(uint8_t head[KAFKA_RECORD_BATCH_HEAD_BYTES],
                                    int64_t base_offset, int32_t batch_length,
                                    int32_t leader_epoch);

/* The same in place, for bytes that nobody else sees yet: a batch's offset and epoch. */
void kafka_record_batch_set_offset(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);

/* Makes LogAppendTime of a decoded batch whose bytes nobody else sees yet: sets the flag, the
 * max timestamp and the checksum, in the bytes and in `batch`. `bytes` is batch->bytes.data. */
void kafka_record_batch_set_append_time(uint8_t *bytes, struct kafka_record_batch *batch,
                                        int64_t timestamp_ms);

/* The checksum of a whole batch's bytes, as it should be stored. */
uint32_t kafka_record_batch_crc(struct bytes batch);

#endif
