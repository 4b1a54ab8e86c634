/* The few fixed places of Kafka's record batch v2 that the storage engine needs (KIP-98;
 * Kafka's protocol guide, "Record Batch"). All integers are big-endian.
 *
 *   0 base offset (8)   8 length after this field (4)   12 leader epoch (4)   16 magic (1)
 *  17 crc (4), over everything from byte 21 on          21 attributes (2)     23 last offset delta
 * (4) 27 base timestamp (8)   35 max timestamp (8)         43 producer id (8)    51 producer epoch
 * (2) 53 base sequence (4)    57 record count (4)          61 records
 *
 * The first 16 bytes lie outside the checksum: they are the head that we write anew. */
#ifndef LOG_BATCH_H
#define LOG_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/crc32c.h"

#define BATCH_HEAD_SIZE    16         /* base offset, length, leader epoch: ours */
#define BATCH_LENGTH_FROM  12         /* the length field counts from here */
#define BATCH_CRC_FROM     21         /* the checksum counts from here */
#define BATCH_RECORDS_FROM 61         /* header size: the smallest batch */
#define BATCH_SIZE_MAX     (33 << 20) /* a length beyond this is damage, not a batch */
#define BATCH_MAGIC        2

#define BATCH_COMPRESSION_MASK 0x07
#define BATCH_LOG_APPEND_TIME  0x08

static inline int64_t batch_base_offset(const uint8_t *batch)
{
    return (int64_t)bytes_get_be64(batch);
}

/* Whole size in bytes as the header claims it; not checked. */
static inline int64_t batch_size(const uint8_t *batch)
{
    return (int64_t)(int32_t)bytes_get_be32(batch + 8) + BATCH_LENGTH_FROM;
}

static inline int32_t batch_leader_epoch(const uint8_t *batch)
{
    return (int32_t)bytes_get_be32(batch + 12);
}

static inline uint16_t batch_attributes(const uint8_t *batch)
{
    return bytes_get_be16(batch + 21);
}

static inline int32_t batch_last_offset_delta(const uint8_t *batch)
{
    return (int32_t)bytes_get_be32(batch + 23);
}

static inline int64_t batch_base_timestamp(const uint8_t *batch)
{
    return (int64_t)bytes_get_be64(batch + 27);
}

static inline int64_t batch_max_timestamp(const uint8_t *batch)
{
    return (int64_t)bytes_get_be64(batch + 35);
}

static inline int64_t batch_next_offset(const uint8_t *batch)
{
    return batch_base_offset(batch) + batch_last_offset_delta(batch) + 1;
}

/* The header alone: could a batch begin here that starts at `base_offset`? */
static inline bool batch_header_is_plausible(const uint8_t *batch, int64_t base_offset)
{
    int64_t size = batch_size(batch);
    return size >= BATCH_RECORDS_FROM && size <= BATCH_SIZE_MAX && batch[16] == BATCH_MAGIC &&
           batch_base_offset(batch) == base_offset && batch_last_offset_delta(batch) >= 0;
}

/* The whole batch is there: does its checksum hold? */
static inline bool batch_checksum_holds(struct bytes batch)
{
    struct bytes covered = bytes_of(batch.data + BATCH_CRC_FROM, batch.size - BATCH_CRC_FROM);
    return bytes_get_be32(batch.data + 17) == crc32c(0, covered);
}

/* Continues `crc` over a sound batch's bytes behind its head, most of which have their checksum in
 * it. */
static inline uint32_t batch_continue_checksum(uint32_t crc, struct bytes batch)
{
    struct bytes covered = bytes_of(batch.data + BATCH_CRC_FROM, batch.size - BATCH_CRC_FROM);
    crc = crc32c(crc, bytes_of(batch.data + BATCH_HEAD_SIZE, BATCH_CRC_FROM - BATCH_HEAD_SIZE));
    return crc32c_known(crc, covered, bytes_get_be32(batch.data + 17));
}

/* Writes the 16 bytes that the log decides. */
static inline void batch_put_head(uint8_t *into, int64_t base_offset, size_t size,
                                  int32_t leader_epoch)
{
    into = bytes_put_be64(into, (uint64_t)base_offset);
    into = bytes_put_be32(into, (uint32_t)(size - BATCH_LENGTH_FROM));
    bytes_put_be32(into, (uint32_t)leader_epoch);
}

#endif
