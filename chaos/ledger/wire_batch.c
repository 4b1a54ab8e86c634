/* Record batches of version 2 (KIP-98), as a replica has them on its disk.
 *
 *   0 base offset i64     8 length i32 (of what follows)   12 leader epoch i32   16 magic i8
 *  17 CRC-32C of the rest u32   21 attributes i16   23 last offset delta i32   27 timestamps 2 ×
 * i64 43 producer id i64   51 producer epoch i16   53 sequence i32   57 record count i32   61
 * records
 *
 * A record: varint length, attributes i8, varint timestamp and offset delta, varint key length,
 * key, varint value length, value, varint header count, headers. The load sends uncompressed
 * batches without transactions; a compressed one is named, a control batch passed over. */
#include "crc32c.h"
#include "wire_fetch.h"

#define HEAD_BYTES       12 /* before what the length counts */
#define BATCH_BYTES_MIN  61
#define SUMMED_FROM      21
#define MAGIC            2
#define CODEC_MASK       0x07
#define CONTROL_MASK     0x20
#define RECORD_BYTES_MIN 7

struct batch {
    struct wire_reader reader; /* of the whole batch */
    int64_t base_offset;
    int32_t epoch, last_delta, record_count;
    int16_t attributes;
};

static const char *read_head(struct batch *b)
{
    struct wire_reader *r = &b->reader;
    b->base_offset = wire_read_int64(r);
    wire_read_int32(r);
    b->epoch = wire_read_int32(r);
    if (wire_read_int8(r) != MAGIC || r->size < BATCH_BYTES_MIN)
        return "malformed_batch";
    uint32_t crc = (uint32_t)wire_read_int32(r);
    if (crc32c(r->data + SUMMED_FROM, r->size - SUMMED_FROM) != crc)
        return "batch_checksum_differs";
    b->attributes = wire_read_int16(r);
    b->last_delta = wire_read_int32(r);
    wire_read_raw(r, 8 + 8 + 8 + 2 + 4);
    b->record_count = wire_read_count(r, RECORD_BYTES_MIN);
    return r->is_bad || b->base_offset < 0 || b->base_offset > INT64_MAX - INT32_MAX
               ? "malformed_batch"
               : NULL;
}

static struct wire_bytes read_field(struct wire_reader *r)
{
    int64_t size = wire_read_varint(r);
    return size == -1 ? (struct wire_bytes){NULL, 0} : wire_read_raw(r, size);
}

static const char *take_record(struct batch *b, int32_t partition, wire_record_cb on_record,
                               void *data)
{
    struct wire_bytes whole = wire_read_raw(&b->reader, wire_read_varint(&b->reader));
    struct wire_reader r = {.data = whole.data, .size = whole.size, .is_bad = b->reader.is_bad};
    wire_read_int8(&r);
    wire_read_varint(&r);
    int64_t delta = wire_read_varint(&r);
    struct wire_record record = {.partition = partition, .epoch = b->epoch};
    record.key = read_field(&r);
    record.value = read_field(&r);
    wire_read_varint(&r); /* headers: the load sends none */
    if (r.is_bad || delta < 0 || delta > b->last_delta)
        return "malformed_record";
    record.offset = b->base_offset + delta;
    on_record(data, &record);
    return NULL;
}

static const char *take_batch(struct wire_bytes bytes, int32_t partition, wire_record_cb on_record,
                              void *data)
{
    struct batch b = {.reader = {.data = bytes.data, .size = bytes.size}};
    const char *error = read_head(&b);
    if (error != NULL || (b.attributes & CONTROL_MASK) != 0)
        return error;
    if ((b.attributes & CODEC_MASK) != 0)
        return "compressed_batch";
    for (int32_t i = 0; i < b.record_count && error == NULL; i++)
        error = take_record(&b, partition, on_record, data);
    return error == NULL && b.reader.position != b.reader.size ? "malformed_batch" : error;
}

const char *wire_batches_take(struct wire_bytes batches, int32_t partition,
                              wire_record_cb on_record, void *data)
{
    struct wire_reader r = {.data = batches.data, .size = batches.size};
    while (r.size - r.position >= HEAD_BYTES) {
        size_t start = r.position;
        wire_read_int64(&r);
        int32_t length = wire_read_int32(&r);
        if (length < BATCH_BYTES_MIN - HEAD_BYTES)
            return "malformed_batch";
        if ((size_t)length > r.size - r.position)
            return NULL; /* cut off by the fetch's limit */
        wire_read_raw(&r, length);
        struct wire_bytes batch = {r.data + start, r.position - start};
        const char *error = take_batch(batch, partition, on_record, data);
        if (error != NULL)
            return error;
    }
    return NULL;
}
