/* The builder: records go to a writer, and the finished batch to one buffer of just its size. A
 * record begins with its length, so its body is written twice, first only counted. */
#include "protocol/record_batch_builder.h"

#include <assert.h>

#include "base/err.h"

void kafka_record_batch_builder_init(struct kafka_record_batch_builder *b, size_t limit_bytes)
{
    kafka_writer_init(&b->records, limit_bytes);
    b->head = (struct kafka_record_batch){
        .leader_epoch = -1, .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
}

void kafka_record_batch_builder_close(struct kafka_record_batch_builder *b)
{
    kafka_writer_close(&b->records);
}

static void write_sized(struct kafka_writer *w, struct bytes bytes, bool is_null)
{
    if (bytes.size > INT32_MAX) {
        kafka_writer_fail(w, ERR_TOO_LARGE);
        return;
    }
    kafka_write_varint(w, is_null ? -1 : (int32_t)bytes.size);
    kafka_write_raw(w, bytes);
}

static void write_record(struct kafka_writer *w, int64_t timestamp_delta, int32_t offset_delta,
                         struct bytes key, struct bytes value,
                         const struct kafka_record_header *headers, int32_t header_count)
{
    kafka_write_int8(w, 0);
    kafka_write_varlong(w, timestamp_delta);
    kafka_write_varint(w, offset_delta);
    write_sized(w, key, key.data == NULL);
    write_sized(w, value, value.data == NULL);
    kafka_write_varint(w, header_count);
    for (int32_t i = 0; i < header_count; i++) {
        write_sized(w, kafka_string_bytes(headers[i].key), false);
        write_sized(w, headers[i].value, headers[i].value.data == NULL);
    }
}

int kafka_record_batch_builder_append(struct kafka_record_batch_builder *b, int64_t timestamp_ms,
                                      struct bytes key, struct bytes value,
                                      const struct kafka_record_header *headers,
                                      int32_t header_count)
{
    struct kafka_record_batch *head = &b->head;
    if (head->record_count == 0)
        head->base_timestamp = head->max_timestamp = timestamp_ms;
    int64_t delta;
    if (__builtin_sub_overflow(timestamp_ms, head->base_timestamp, &delta))
        return kafka_writer_fail(&b->records, ERR_INVALID);
    struct kafka_writer counting = kafka_writer_counting(&b->records);
    write_record(&counting, delta, head->record_count, key, value, headers, header_count);
    if (counting.err != 0 || counting.size_bytes > INT32_MAX)
        return kafka_writer_fail(&b->records, ERR_TOO_LARGE);
    kafka_write_varint(&b->records, (int32_t)counting.size_bytes);
    write_record(&b->records, delta, head->record_count, key, value, headers, header_count);
    if (b->records.err != 0)
        return b->records.err;
    if (timestamp_ms > head->max_timestamp)
        head->max_timestamp = timestamp_ms;
    head->record_count++;
    return 0;
}

static void write_header(uint8_t *to, const struct kafka_record_batch *head, int32_t size)
{
    kafka_record_batch_head_encode(to, head->base_offset, size - KAFKA_RECORD_BATCH_LENGTH_END,
                                   head->leader_epoch);
    uint8_t *at = to + KAFKA_RECORD_BATCH_HEAD_BYTES;
    *at++ = KAFKA_RECORD_BATCH_MAGIC;
    uint8_t *crc = at;
    at = bytes_put_be32(at, 0);
    at = bytes_put_be16(at, (uint16_t)head->attributes);
    at = bytes_put_be32(at, (uint32_t)head->record_count - 1); /* last offset delta */
    at = bytes_put_be64(at, (uint64_t)head->base_timestamp);
    at = bytes_put_be64(at, (uint64_t)head->max_timestamp);
    at = bytes_put_be64(at, (uint64_t)head->producer_id);
    at = bytes_put_be16(at, (uint16_t)head->producer_epoch);
    at = bytes_put_be32(at, (uint32_t)head->base_sequence);
    at = bytes_put_be32(at, (uint32_t)head->record_count);
    assert(at == to + KAFKA_RECORD_BATCH_HEADER_BYTES);
    bytes_put_be32(crc, kafka_record_batch_crc(bytes_of(to, (size_t)size)));
}

int kafka_record_batch_builder_finish(struct kafka_record_batch_builder *b, struct slice *batch)
{
    int err = kafka_writer_finish(&b->records);
    if (err != 0)
        return err;
    assert(b->head.record_count > 0);
    size_t size = KAFKA_RECORD_BATCH_HEADER_BYTES + b->records.size_bytes;
    if (size > INT32_MAX)
        return ERR_TOO_LARGE;
    struct buffer *owner = buffer_create(size);
    if (owner == NULL)
        return UV_ENOMEM;
    kafka_writer_copy(&b->records, owner->data + KAFKA_RECORD_BATCH_HEADER_BYTES,
                      b->records.size_bytes);
    write_header(owner->data, &b->head, (int32_t)size);
    *batch = (struct slice){owner, bytes_of(owner->data, size)};
    return 0;
}
