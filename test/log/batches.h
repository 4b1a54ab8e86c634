/* Record batches for tests of the storage engine: sound ones, made from a few numbers. */
#ifndef LOG_BATCHES_H
#define LOG_BATCHES_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "log/partition.h"

struct batch_plan {
    int64_t base_offset;
    int32_t record_count;
    int32_t leader_epoch;
    int64_t base_timestamp;
    int64_t timestamp_step; /* between records; may be negative */
    size_t value_size;      /* of each record */
    int64_t wall_ms;
    uint16_t attributes; /* a compression here only sets the bits */
};

static inline uint8_t *put_varint(uint8_t *into, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; raw >= 0x80; raw >>= 7)
        *into++ = (uint8_t)(raw | 0x80);
    *into++ = (uint8_t)raw;
    return into;
}

static inline uint8_t *put_record(uint8_t *into, const struct batch_plan *plan, int32_t number)
{
    uint8_t body[64], *at = body;
    *at++ = 0;
    at = put_varint(at, plan->timestamp_step * number);
    at = put_varint(at, number);
    at = put_varint(at, -1); /* no key */
    at = put_varint(at, (int64_t)plan->value_size);
    size_t front = (size_t)(at - body);
    into = put_varint(into, (int64_t)(front + plan->value_size + 1));
    memcpy(into, body, front);
    memset(into + front, 'a' + number % 26, plan->value_size);
    into += front + plan->value_size;
    *into++ = 0; /* no headers */
    return into;
}

static inline int64_t plan_max_timestamp(const struct batch_plan *plan)
{
    int64_t last = plan->base_timestamp + plan->timestamp_step * (plan->record_count - 1);
    return last > plan->base_timestamp ? last : plan->base_timestamp;
}

/* The batch as a producer sends it: base offset 0, leader epoch -1. Owned (slice_unref data). */
static inline struct log_batch batch_made(const struct batch_plan *plan)
{
    size_t capacity = 61 + (size_t)plan->record_count * (plan->value_size + 40);
    struct buffer *buffer = buffer_create(capacity);
    cr_assert_not_null(buffer);
    uint8_t *start = buffer->data, *at = start + 61;
    memset(start, 0, 61);
    for (int32_t i = 0; i < plan->record_count; i++)
        at = put_record(at, plan, i);
    size_t size = (size_t)(at - start);
    bytes_put_be32(start + 8, (uint32_t)(size - 12));
    bytes_put_be32(start + 12, UINT32_MAX);
    start[16] = 2;
    bytes_put_be16(start + 21, plan->attributes);
    bytes_put_be32(start + 23, (uint32_t)(plan->record_count - 1));
    bytes_put_be64(start + 27, (uint64_t)plan->base_timestamp);
    bytes_put_be64(start + 35, (uint64_t)plan_max_timestamp(plan));
    bytes_put_be64(start + 43, UINT64_MAX);
    bytes_put_be16(start + 51, UINT16_MAX);
    bytes_put_be32(start + 53, UINT32_MAX);
    bytes_put_be32(start + 57, (uint32_t)plan->record_count);
    bytes_put_be32(start + 17, crc32c(0, bytes_of(start + 21, size - 21)));
    return (struct log_batch){.base_offset = plan->base_offset,
                              .record_count = plan->record_count,
                              .leader_epoch = plan->leader_epoch,
                              .max_timestamp = plan_max_timestamp(plan),
                              .wall_ms = plan->wall_ms,
                              .data = {.owner = buffer, .bytes = bytes_of(start, size)}};
}

static inline void append_planned(struct log_partition *p, const struct batch_plan *plan)
{
    struct log_batch batch = batch_made(plan);
    cr_assert_eq(log_partition_append(p, &batch), 0);
    slice_unref(&batch.data);
}

static inline void flush_now(struct log_partition *p)
{
    struct log_flush *flush;
    cr_assert_eq(log_partition_flush_prepare(p, &flush), 0);
    if (flush == NULL)
        return;
    int status = log_flush_run(flush);
    log_partition_flush_finish(p, flush, status);
    cr_assert_eq(status, 0);
}

static inline struct log_partition_id id_numbered(int32_t number)
{
    struct log_partition_id id = {.topic_id = {0xab, 0xcd}, .partition = number};
    return id;
}

static inline struct log_partition_settings small_settings(void)
{
    return (struct log_partition_settings){.segment_bytes = 4000,
                                           .segment_ms = 100000,
                                           .index_interval_bytes = 500,
                                           .producer_count_max = 4};
}

#endif
