/* Records in, records out.
 *
 * A batch that lost records is written uncompressed: what a codec makes of the same bytes differs
 * between versions of its library, and replicas must have the same bytes. A record that stays is
 * copied as it is; only where the batch gets a delete horizon are the timestamps, which count from
 * the base timestamp, written anew. */
#include "compact_record.h"

#include <assert.h>

#include "base/err.h"

#define VARINT_SIZE_MAX 10

/* A zigzag varint; marks the reader as bad when it does not end in time. */
static int64_t read_varint(struct bytes_reader *r)
{
    uint64_t raw = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = bytes_read_u8(r);
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
    }
    r->is_bad = true;
    return 0;
}

static uint8_t *put_varint(uint8_t *into, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; raw >= 0x80; raw >>= 7)
        *into++ = (uint8_t)(raw | 0x80);
    *into++ = (uint8_t)raw;
    return into;
}

/* A size and so many bytes; -1 for none. */
static struct bytes read_sized(struct bytes_reader *r, bool *is_there)
{
    int64_t size = read_varint(r);
    *is_there = size >= 0;
    if (size < -1 || size > INT32_MAX)
        r->is_bad = true;
    return size > 0 ? bytes_read(r, (size_t)size) : (struct bytes){.data = r->at};
}

static void read_headers(struct bytes_reader *r)
{
    int64_t count = read_varint(r);
    if (count < 0 || (uint64_t)count > bytes_reader_left(r))
        r->is_bad = true;
    for (int64_t i = 0; i < count && !r->is_bad; i++) {
        bool is_there;
        read_sized(r, &is_there);
        if (!is_there)
            r->is_bad = true;
        read_sized(r, &is_there);
    }
}

static struct compact_record read_record(struct bytes_reader *r)
{
    const uint8_t *start = r->at;
    int64_t length = read_varint(r);
    struct compact_record record = {0};
    if (length < 0)
        r->is_bad = true;
    struct bytes whole = bytes_read(r, (size_t)length);
    if (r->is_bad)
        return record;
    struct bytes_reader body = bytes_reader_of(whole);
    record.whole = bytes_of(start, (size_t)(r->at - start));
    record.attributes = bytes_read_u8(&body);
    record.timestamp_delta = read_varint(&body);
    record.rest = bytes_of(body.at, bytes_reader_left(&body));
    record.offset_delta = read_varint(&body);
    record.key = read_sized(&body, &record.has_key);
    read_sized(&body, &record.has_value);
    read_headers(&body);
    if (body.is_bad || bytes_reader_left(&body) != 0)
        r->is_bad = true;
    return record;
}

struct compact_record compact_record_next(struct bytes_reader *r)
{
    struct compact_record record = read_record(r);
    assert(!r->is_bad); /* compact_batch_open has been here */
    return record;
}

static bool are_records_sound(const struct compact_batch *b)
{
    struct bytes_reader r = bytes_reader_of(b->records);
    int64_t last = -1, last_max = batch_last_offset_delta(b->whole.data);
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct compact_record record = read_record(&r);
        if (r.is_bad || record.offset_delta <= last || record.offset_delta > last_max)
            return false;
        last = record.offset_delta;
    }
    return bytes_reader_left(&r) == 0;
}

int compact_batch_open(struct compact_batch *b, struct bytes whole, struct compact_room *room)
{
    unsigned codec = batch_attributes(whole.data) & BATCH_COMPRESSION_MASK;
    struct bytes packed = bytes_of(whole.data + BATCH_RECORDS_FROM,
                                   whole.size - BATCH_RECORDS_FROM);
    *b = (struct compact_batch){.whole = whole, .records = packed};
    b->record_count = bytes_get_be32(whole.data + 57);
    if (codec != COMPACT_CODEC_NONE) {
        int err = compact_unpack(codec, packed, room);
        if (err != 0)
            return err;
        b->records = bytes_of(room->data, room->size);
    }
    return are_records_sound(b) ? 0 : ERR_MALFORMED;
}

/* ---- writing ---- */

static int put_record(struct compact_room *room, const struct compact_record *record,
                      int64_t timestamp_delta)
{
    uint8_t head[2 * VARINT_SIZE_MAX + 1], *at = head, delta[VARINT_SIZE_MAX];
    struct bytes rest = record->whole;
    if (timestamp_delta != record->timestamp_delta) {
        size_t delta_size = (size_t)(put_varint(delta, timestamp_delta) - delta);
        rest = record->rest;
        at = put_varint(at, (int64_t)(1 + delta_size + rest.size));
        *at++ = record->attributes;
        memcpy(at, delta, delta_size);
        at += delta_size;
    }
    size_t head_size = (size_t)(at - head);
    int err = compact_room_reserve(room, head_size + rest.size);
    if (err != 0)
        return err;
    memcpy(room->data + room->size, head, head_size);
    memcpy(room->data + room->size + head_size, rest.data, rest.size);
    room->size += head_size + rest.size;
    return 0;
}

static void finish_checksum(uint8_t *batch, size_t size)
{
    bytes_put_be32(batch + 17, crc32c(0, bytes_of(batch + BATCH_CRC_FROM, size - BATCH_CRC_FROM)));
}

static void put_header(const struct compact_batch *b, struct compact_room *room, uint32_t count,
                       int64_t horizon_ms, int64_t max_timestamp)
{
    uint8_t *batch = room->data;
    unsigned attributes = batch_attributes(b->whole.data) & ~(unsigned)BATCH_COMPRESSION_MASK;
    if (horizon_ms >= 0) {
        attributes |= BATCH_DELETE_HORIZON;
        bytes_put_be64(batch + 27, (uint64_t)horizon_ms);
    }
    if (attributes & BATCH_LOG_APPEND_TIME)
        max_timestamp = batch_max_timestamp(b->whole.data);
    bytes_put_be32(batch + 8, (uint32_t)(room->size - BATCH_LENGTH_FROM));
    bytes_put_be16(batch + 21, (uint16_t)attributes);
    bytes_put_be64(batch + 35, (uint64_t)max_timestamp);
    bytes_put_be32(batch + 57, count);
    finish_checksum(batch, room->size);
}

int compact_batch_write(const struct compact_batch *b, const uint8_t *keeps, int64_t horizon_ms,
                        struct compact_room *room)
{
    struct bytes_reader r = bytes_reader_of(b->records);
    int64_t base = batch_base_timestamp(b->whole.data), max_timestamp = -1;
    int64_t new_base = horizon_ms >= 0 ? horizon_ms : base;
    uint32_t count = 0;
    room->size = 0;
    int err = compact_room_reserve(room, BATCH_RECORDS_FROM);
    if (err != 0)
        return err;
    memcpy(room->data, b->whole.data, BATCH_RECORDS_FROM);
    room->size = BATCH_RECORDS_FROM;
    for (uint32_t i = 0; i < b->record_count && err == 0; i++) {
        struct compact_record record = compact_record_next(&r);
        int64_t timestamp = (int64_t)((uint64_t)base + (uint64_t)record.timestamp_delta);
        if (!keeps[i])
            continue;
        count++;
        if (timestamp > max_timestamp)
            max_timestamp = timestamp;
        err = put_record(room, &record, (int64_t)((uint64_t)timestamp - (uint64_t)new_base));
    }
    if (err == 0)
        put_header(b, room, count, horizon_ms, max_timestamp);
    return err;
}

void compact_gap_write(uint8_t into[COMPACT_GAP_SIZE], int64_t base_offset, int64_t next_offset,
                       int32_t leader_epoch)
{
    assert(next_offset > base_offset && next_offset - base_offset - 1 <= INT32_MAX);
    memset(into, 0, COMPACT_GAP_SIZE);
    batch_put_head(into, base_offset, COMPACT_GAP_SIZE, leader_epoch);
    into[16] = BATCH_MAGIC;
    bytes_put_be32(into + 23, (uint32_t)(next_offset - base_offset - 1));
    memset(into + 27, 0xff, 30); /* no timestamps, no producer, no sequence */
    finish_checksum(into, COMPACT_GAP_SIZE);
}
