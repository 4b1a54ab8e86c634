/* Batches of records with keys, in every compression that clients use: for tests of compaction. */
#ifndef LOG_KEYED_BATCHES_H
#define LOG_KEYED_BATCHES_H

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "batches.h"

enum keyed_codec {
    KEYED_NONE,
    KEYED_GZIP,
    KEYED_SNAPPY,
    KEYED_LZ4,
    KEYED_ZSTD,
    KEYED_XERIAL,  /* snappy as the Java client writes it */
    KEYED_DAMAGED, /* gzip whose bytes are none */
    KEYED_CODEC_COUNT
};

#define KEYED_RECORDS_MAX 6

struct keyed_record {
    int key; /* below 0: none */
    bool is_tombstone;
    uint64_t mark; /* in the value */
    size_t filler; /* bytes behind it */
};

struct keyed_batch {
    int64_t base_offset;
    int32_t leader_epoch;
    int64_t base_timestamp;
    int64_t wall_ms;
    enum keyed_codec codec;
    int record_count;
    struct keyed_record records[KEYED_RECORDS_MAX];
};

static inline uint8_t *put_keyed_record(uint8_t *into, const struct keyed_record *r, int number)
{
    uint8_t body[4096], *at = body;
    char key[32];
    int key_size = snprintf(key, sizeof key, "key-%d", r->key);
    *at++ = 0;
    at = put_varint(at, 3 * number);
    at = put_varint(at, number);
    at = put_varint(at, r->key < 0 ? -1 : key_size);
    if (r->key >= 0) {
        memcpy(at, key, (size_t)key_size);
        at += key_size;
    }
    at = put_varint(at, r->is_tombstone ? -1 : (int64_t)(8 + r->filler));
    if (!r->is_tombstone) {
        at = bytes_put_le64(at, r->mark);
        memset(at, 'f', r->filler);
        at += r->filler;
    }
    at = put_varint(at, 1); /* a header without value */
    at = put_varint(at, 1);
    *at++ = 'h';
    at = put_varint(at, -1);
    into = put_varint(into, at - body);
    memcpy(into, body, (size_t)(at - body));
    return into + (at - body);
}

static inline size_t pack_gzip(const uint8_t *from, size_t size, uint8_t *into, size_t room)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from,
                  .avail_in = (uInt)size,
                  .next_out = into,
                  .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* Two blocks, where there is enough for two. */
static inline size_t pack_xerial(const uint8_t *from, size_t size, uint8_t *into, size_t room)
{
    static const uint8_t head[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    uint8_t *at = into + sizeof head;
    memcpy(into, head, sizeof head);
    for (size_t done = 0; done < size;) {
        size_t part = size - done > size / 2 + 1 ? size / 2 + 1 : size - done;
        size_t packed = room - (size_t)(at - into) - 4;
        cr_assert_eq(snappy_compress((const char *)from + done, part, (char *)at + 4, &packed),
                     SNAPPY_OK);
        bytes_put_be32(at, (uint32_t)packed);
        at += 4 + packed;
        done += part;
    }
    return (size_t)(at - into);
}

static inline size_t pack(enum keyed_codec codec, const uint8_t *from, size_t size, uint8_t *into,
                          size_t room)
{
    size_t packed = room;
    switch (codec) {
    case KEYED_GZIP:
        return pack_gzip(from, size, into, room);
    case KEYED_SNAPPY:
        cr_assert_eq(snappy_compress((const char *)from, size, (char *)into, &packed), SNAPPY_OK);
        return packed;
    case KEYED_LZ4:
        packed = LZ4F_compressFrame(into, room, from, size, NULL);
        cr_assert_not(LZ4F_isError(packed));
        return packed;
    case KEYED_ZSTD:
        packed = ZSTD_compress(into, room, from, size, 3);
        cr_assert_not(ZSTD_isError(packed));
        return packed;
    case KEYED_XERIAL:
        return pack_xerial(from, size, into, room);
    default: /* as it is; for KEYED_DAMAGED that is no gzip */
        memcpy(into, from, size);
        return size;
    }
}

static inline uint16_t codec_bits(enum keyed_codec codec)
{
    static const uint16_t bits[KEYED_CODEC_COUNT] = {0, 1, 2, 3, 4, 2, 1};
    return bits[codec];
}

/* As a producer sends it. Owned (slice_unref data). */
static inline struct log_batch keyed_made(const struct keyed_batch *plan)
{
    static uint8_t records[1 << 16];
    uint8_t *at = records;
    for (int i = 0; i < plan->record_count; i++)
        at = put_keyed_record(at, &plan->records[i], i);
    struct buffer *buffer = buffer_create(1 << 17);
    cr_assert_not_null(buffer);
    uint8_t *start = buffer->data;
    memset(start, 0, 61);
    size_t size = 61 +
                  pack(plan->codec, records, (size_t)(at - records), start + 61, (1 << 17) - 61);
    bytes_put_be32(start + 8, (uint32_t)(size - 12));
    bytes_put_be32(start + 12, UINT32_MAX);
    start[16] = 2;
    bytes_put_be16(start + 21, codec_bits(plan->codec));
    bytes_put_be32(start + 23, (uint32_t)(plan->record_count - 1));
    bytes_put_be64(start + 27, (uint64_t)plan->base_timestamp);
    bytes_put_be64(start + 35, (uint64_t)(plan->base_timestamp + 3 * (plan->record_count - 1)));
    bytes_put_be64(start + 43, 77);
    bytes_put_be16(start + 51, 1);
    bytes_put_be32(start + 53, (uint32_t)plan->base_offset);
    bytes_put_be32(start + 57, (uint32_t)plan->record_count);
    bytes_put_be32(start + 17, crc32c(0, bytes_of(start + 21, size - 21)));
    return (struct log_batch){.base_offset = plan->base_offset,
                              .record_count = plan->record_count,
                              .leader_epoch = plan->leader_epoch,
                              .max_timestamp = plan->base_timestamp + 3 * (plan->record_count - 1),
                              .wall_ms = plan->wall_ms,
                              .data = {.owner = buffer, .bytes = bytes_of(start, size)}};
}

#endif
