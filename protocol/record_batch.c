/* The batch header. Nothing is decompressed here: what a compressed batch says of its records
 * can only be held against the most that its codec could have packed into its bytes. */
#include "protocol/record_batch.h"

#include <assert.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "protocol/record.h"

#define AT_BATCH_LENGTH      8
#define AT_LEADER_EPOCH      12
#define AT_MAGIC             16
#define AT_CRC               17
#define AT_ATTRIBUTES        KAFKA_RECORD_BATCH_CRC_FROM
#define AT_LAST_OFFSET_DELTA 23
#define AT_BASE_TIMESTAMP    27
#define AT_MAX_TIMESTAMP     35
#define AT_PRODUCER_ID       43
#define AT_PRODUCER_EPOCH    51
#define AT_BASE_SEQUENCE     53
#define AT_RECORD_COUNT      57

_Static_assert(AT_RECORD_COUNT + 4 == KAFKA_RECORD_BATCH_HEADER_BYTES, "the header's layout");

/* The most bytes that one compressed byte can stand for: deflate 1032 (a match of 258 in two
 * bits), snappy 64 in 3 bytes, LZ4 255 (a length byte), zstd a block of 128 KiB in 4 bytes. */
static const int64_t expansion_max[] = {
    [KAFKA_COMPRESSION_NONE] = 1,     [KAFKA_COMPRESSION_GZIP] = 1032,
    [KAFKA_COMPRESSION_SNAPPY] = 22,  [KAFKA_COMPRESSION_LZ4] = 255,
    [KAFKA_COMPRESSION_ZSTD] = 32768,
};

static int64_t record_count_max(const struct kafka_record_batch *batch)
{
    int64_t bytes = (int64_t)kafka_record_batch_records(batch).size;
    return bytes * expansion_max[kafka_record_batch_compression(batch)] / KAFKA_RECORD_BYTES_MIN;
}

static void decode_fields(struct kafka_record_batch *batch)
{
    const uint8_t *at = batch->bytes.data;
    batch->base_offset = (int64_t)bytes_get_be64(at);
    batch->batch_length = (int32_t)bytes_get_be32(at + AT_BATCH_LENGTH);
    batch->leader_epoch = (int32_t)bytes_get_be32(at + AT_LEADER_EPOCH);
    batch->crc = bytes_get_be32(at + AT_CRC);
    batch->attributes = (int16_t)bytes_get_be16(at + AT_ATTRIBUTES);
    batch->last_offset_delta = (int32_t)bytes_get_be32(at + AT_LAST_OFFSET_DELTA);
    batch->base_timestamp = (int64_t)bytes_get_be64(at + AT_BASE_TIMESTAMP);
    batch->max_timestamp = (int64_t)bytes_get_be64(at + AT_MAX_TIMESTAMP);
    batch->producer_id = (int64_t)bytes_get_be64(at + AT_PRODUCER_ID);
    batch->producer_epoch = (int16_t)bytes_get_be16(at + AT_PRODUCER_EPOCH);
    batch->base_sequence = (int32_t)bytes_get_be32(at + AT_BASE_SEQUENCE);
    batch->record_count = (int32_t)bytes_get_be32(at + AT_RECORD_COUNT);
}

static bool has_sound_fields(const struct kafka_record_batch *batch)
{
    if (kafka_record_batch_compression(batch) > KAFKA_COMPRESSION_ZSTD)
        return false;
    if (batch->base_offset < 0 || batch->last_offset_delta < 0 || batch->record_count < 0)
        return false;
    /* The next offset must be a number too. */
    if (batch->base_offset > INT64_MAX - 1 - batch->last_offset_delta)
        return false;
    if (batch->record_count > (int64_t)batch->last_offset_delta + 1)
        return false;
    return batch->record_count <= record_count_max(batch);
}

int kafka_record_batch_decode(struct bytes source, struct kafka_record_batch *batch)
{
    if (source.size <= AT_MAGIC)
        return ERR_NEED_MORE;
    if (source.data[AT_MAGIC] != KAFKA_RECORD_BATCH_MAGIC)
        return ERR_VERSION; /* before the length: an old message may be shorter than our header */
    int32_t length = (int32_t)bytes_get_be32(source.data + AT_BATCH_LENGTH);
    if (length < KAFKA_RECORD_BATCH_HEADER_BYTES - KAFKA_RECORD_BATCH_LENGTH_END ||
        length > INT32_MAX - KAFKA_RECORD_BATCH_LENGTH_END)
        return ERR_MALFORMED;
    int32_t size = length + KAFKA_RECORD_BATCH_LENGTH_END;
    if ((size_t)size > source.size)
        return ERR_NEED_MORE;
    batch->bytes = bytes_of(source.data, (size_t)size);
    decode_fields(batch);
    return has_sound_fields(batch) ? size : ERR_INVALID;
}

uint32_t kafka_record_batch_crc(struct bytes batch)
{
    assert(batch.size >= KAFKA_RECORD_BATCH_HEADER_BYTES);
    return crc32c(0, bytes_of(batch.data + AT_ATTRIBUTES, batch.size - AT_ATTRIBUTES));
}

int kafka_record_batch_check_crc(const struct kafka_record_batch *batch)
{
    return kafka_record_batch_crc(batch->bytes) == batch->crc ? 0 : ERR_CORRUPT;
}

/* Without a producer id, epoch and sequence mean nothing; some clients send zeros there. */
static bool has_sound_producer(const struct kafka_record_batch *batch)
{
    if (batch->producer_id == -1)
        return true;
    return batch->producer_id >= 0 && batch->producer_epoch >= 0 && batch->base_sequence >= 0;
}

int kafka_record_batch_check_produced(const struct kafka_record_batch *batch)
{
    if (batch->record_count < 1 || batch->record_count - 1 != batch->last_offset_delta)
        return ERR_INVALID;
    if (kafka_record_batch_is_control(batch))
        return ERR_INVALID;
    if (batch->base_timestamp < -1 || batch->max_timestamp < -1)
        return ERR_INVALID;
    return has_sound_producer(batch) ? 0 : ERR_INVALID;
}

void kafka_record_batch_head_encode(uint8_t head[KAFKA_RECORD_BATCH_HEAD_BYTES],
                                    int64_t base_offset, int32_t batch_length, int32_t leader_epoch)
{
    bytes_put_be64(head, (uint64_t)base_offset);
    bytes_put_be32(head + AT_BATCH_LENGTH, (uint32_t)batch_length);
    bytes_put_be32(head + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void kafka_record_batch_set_offset(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    bytes_put_be64(batch, (uint64_t)base_offset);
    bytes_put_be32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void kafka_record_batch_set_append_time(uint8_t *bytes, struct kafka_record_batch *batch,
                                        int64_t timestamp_ms)
{
    assert(bytes == batch->bytes.data);
    batch->attributes |= KAFKA_BATCH_LOG_APPEND_TIME;
    batch->max_timestamp = timestamp_ms;
    bytes_put_be16(bytes + AT_ATTRIBUTES, (uint16_t)batch->attributes);
    bytes_put_be64(bytes + AT_MAX_TIMESTAMP, (uint64_t)timestamp_ms);
    batch->crc = kafka_record_batch_crc(batch->bytes);
    bytes_put_be32(bytes + AT_CRC, batch->crc);
}
