/* Reads Kafka's primitive types, big-endian, from bytes that nobody has checked.
 *
 * Errors stick: after the first, every read gives 0, null or nothing and `err` keeps its code,
 * so decoders check once, at their end. Nothing is read beyond the end, and nothing is allocated
 * for a count that the bytes left could not hold. Strings and bytes are borrowed from the
 * source. "Compact" forms are used while `is_flexible` is set (KIP-482). */
#ifndef PROTOCOL_READER_H
#define PROTOCOL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "protocol/arena.h"
#include "protocol/types.h"

struct kafka_reader {
    const uint8_t *at;         /* next byte */
    const uint8_t *end;        /* one past the last byte */
    struct kafka_arena *arena; /* where arrays go; set by the decode functions */
    int err;                   /* 0, ERR_MALFORMED, ERR_TOO_LARGE (the arena) or UV_ENOMEM */
    bool is_flexible;          /* the message's version has compact types and tagged fields */
};

static inline struct kafka_reader kafka_reader_of(struct bytes source)
{
    struct kafka_reader r = {.at = source.data, .end = source.data};
    if (source.size > 0)
        r.end += source.size;
    return r;
}

static inline size_t kafka_reader_left(const struct kafka_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Records the first error; nothing is left to read after it. Returns the error that sticks. */
int kafka_reader_fail(struct kafka_reader *r, int err);

/* 0, the error that sticks, or ERR_MALFORMED when bytes are left over: for parts whose size is
 * stated, where a rest means that the two sides disagree about what was said. */
int kafka_reader_finish(struct kafka_reader *r);

/* Takes `size` bytes as they stand, or fails. */
struct bytes kafka_read_raw(struct kafka_reader *r, size_t size);

bool kafka_read_bool(struct kafka_reader *r);
int8_t kafka_read_int8(struct kafka_reader *r);
int16_t kafka_read_int16(struct kafka_reader *r);
int32_t kafka_read_int32(struct kafka_reader *r);
int64_t kafka_read_int64(struct kafka_reader *r);
struct kafka_uuid kafka_read_uuid(struct kafka_reader *r);

/* Unsigned, at most 5 bytes; and zigzag, at most 5 and 10, as in records. A number that does
 * not fit its type is refused. */
uint32_t kafka_read_uvarint(struct kafka_reader *r);
int32_t kafka_read_varint(struct kafka_reader *r);
int64_t kafka_read_varlong(struct kafka_reader *r);

struct kafka_string kafka_read_string(struct kafka_reader *r, bool is_nullable);
struct bytes kafka_read_bytes(struct kafka_reader *r, bool is_nullable);

/* Bytes as one borrowed slice without an owner, allocated in the arena. */
struct kafka_slices kafka_read_slices(struct kafka_reader *r, bool is_nullable);

/* An array's count: -1 for null, and never more elements of at least `element_bytes_min` than
 * the bytes left can hold. */
int32_t kafka_read_count(struct kafka_reader *r, bool is_nullable, size_t element_bytes_min);

/* Zeroed room for the elements, from the arena; NULL for none or after an error. */
void *kafka_read_array(struct kafka_reader *r, int32_t count, size_t element_size);

/* Tagged fields: ascending tags, each with its size. `kafka_read_tag` gives a reader over just
 * that field; what is known must use it up (kafka_reader_finish), what isn't is left alone. */
uint32_t kafka_read_tag_count(struct kafka_reader *r);
uint32_t kafka_read_tag(struct kafka_reader *r, int64_t *previous_tag, struct kafka_reader *field);
void kafka_read_tag_end(struct kafka_reader *r, struct kafka_reader *field);

/* Passes over all tagged fields of a struct; nothing when not flexible. */
void kafka_skip_tags(struct kafka_reader *r);

/* What every generated decode does first: ERR_VERSION outside [low, high]. */
int kafka_reader_begin(struct kafka_reader *r, struct kafka_arena *arena, int16_t version,
                       int16_t low, int16_t high, int16_t flexible);

#endif
