/* Walking over the records of an uncompressed batch. Each record is read through a reader that
 * ends where the record's own length says, and must use it up. */
#include "protocol/record.h"

#include "base/err.h"

int kafka_record_iterator_init(struct kafka_record_iterator *it,
                               const struct kafka_record_batch *batch)
{
    if (kafka_record_batch_compression(batch) != KAFKA_COMPRESSION_NONE)
        return ERR_INVALID;
    *it = (struct kafka_record_iterator){
        .batch = batch,
        .reader = kafka_reader_of(kafka_record_batch_records(batch)),
        .records_left = batch->record_count,
        .offset_delta = -1,
    };
    return 0;
}

/* A length of -1 is null, below that nothing. */
static struct bytes read_sized(struct kafka_reader *r)
{
    int32_t size = kafka_read_varint(r);
    if (size < -1)
        kafka_reader_fail(r, ERR_MALFORMED);
    return size < 0 ? (struct bytes){0} : kafka_read_raw(r, (size_t)size);
}

static void read_header(struct kafka_reader *r, struct kafka_record_header *header)
{
    struct bytes key = read_sized(r);
    if (key.data == NULL)
        kafka_reader_fail(r, ERR_MALFORMED);
    header->key = (struct kafka_string){.data = (const char *)key.data, .size = (int32_t)key.size};
    header->value = read_sized(r);
}

static void read_headers(struct kafka_reader *r, struct kafka_record *record)
{
    record->header_count = kafka_read_varint(r);
    /* A header takes two bytes at least, so this bounds the loop by the bytes left. */
    if (record->header_count < 0 || (size_t)record->header_count > kafka_reader_left(r) / 2)
        kafka_reader_fail(r, ERR_MALFORMED);
    const uint8_t *first = r->at;
    struct kafka_record_header header;
    for (int32_t i = 0; i < record->header_count && r->err == 0; i++)
        read_header(r, &header);
    record->headers = bytes_of(first, (size_t)(r->at - first));
}

static void read_offset(struct kafka_record_iterator *it, struct kafka_reader *r,
                        struct kafka_record *record)
{
    int32_t delta = kafka_read_varint(r);
    if (delta <= it->offset_delta || delta > it->batch->last_offset_delta)
        kafka_reader_fail(r, ERR_MALFORMED);
    it->offset_delta = delta;
    record->offset = it->batch->base_offset + (r->err == 0 ? delta : 0);
}

static void read_timestamp(const struct kafka_record_batch *batch, struct kafka_reader *r,
                           struct kafka_record *record)
{
    int64_t delta = kafka_read_varlong(r);
    if (__builtin_add_overflow(batch->base_timestamp, delta, &record->timestamp))
        kafka_reader_fail(r, ERR_MALFORMED);
    if (kafka_record_batch_is_log_append_time(batch))
        record->timestamp = batch->max_timestamp;
}

int kafka_record_next(struct kafka_record_iterator *it, struct kafka_record *record)
{
    if (it->records_left == 0)
        return kafka_reader_finish(&it->reader);
    int32_t size = kafka_read_varint(&it->reader);
    if (size < 0)
        return kafka_reader_fail(&it->reader, ERR_MALFORMED);
    struct kafka_reader r = kafka_reader_of(kafka_read_raw(&it->reader, (size_t)size));
    kafka_read_int8(&r); /* attributes: none is in use */
    read_timestamp(it->batch, &r, record);
    read_offset(it, &r, record);
    record->key = read_sized(&r);
    record->value = read_sized(&r);
    read_headers(&r, record);
    if (kafka_reader_finish(&r) != 0)
        return kafka_reader_fail(&it->reader, r.err);
    it->records_left--;
    return 1;
}

int kafka_record_header_next(struct bytes *headers, struct kafka_record_header *header)
{
    struct kafka_reader r = kafka_reader_of(*headers);
    if (kafka_reader_left(&r) == 0)
        return 0;
    read_header(&r, header);
    *headers = bytes_of(r.at, kafka_reader_left(&r));
    return r.err == 0 ? 1 : 0;
}
