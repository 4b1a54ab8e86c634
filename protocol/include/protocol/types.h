/* The values that Kafka's messages are made of. Nothing here owns memory: what was decoded
 * points into the request's bytes and its arena, what is encoded is borrowed from the caller. */
#ifndef PROTOCOL_TYPES_H
#define PROTOCOL_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* UTF-8, not terminated. All zero is the empty string; null has size -1. */
struct kafka_string {
    const char *data; /* first byte; may be NULL when size is below 1 */
    int32_t size;     /* bytes, -1 for null */
};

#define KAFKA_STRING_NULL ((struct kafka_string){.data = NULL, .size = -1})

/* A nullable `struct bytes` is null when its data is NULL; empty ones that are not null point
 * at something. All zero is therefore null where null is allowed, empty where it is not. */
#define KAFKA_BYTES_EMPTY ((struct bytes){.data = (const uint8_t *)"", .size = 0})

/* Record batches on their way out: pieces of counted buffers that are referenced, not copied. */
struct kafka_slices {
    const struct slice *items; /* borrowed until encoded */
    int32_t count;             /* -1 for null */
};

struct kafka_uuid {
    uint8_t bytes[16];
};

static inline bool kafka_string_is_null(struct kafka_string s)
{
    return s.size < 0;
}

/* Borrows a C string; NULL becomes null. */
static inline struct kafka_string kafka_string_of(const char *text)
{
    if (text == NULL)
        return KAFKA_STRING_NULL;
    return (struct kafka_string){.data = text, .size = (int32_t)strlen(text)};
}

/* Two nulls are equal; null and empty are not. */
static inline bool kafka_string_is_equal(struct kafka_string a, struct kafka_string b)
{
    return a.size == b.size && (a.size <= 0 || memcmp(a.data, b.data, (size_t)a.size) == 0);
}

static inline bool kafka_string_is_text(struct kafka_string s, const char *text)
{
    return kafka_string_is_equal(s, kafka_string_of(text));
}

/* Null becomes empty bytes. */
static inline struct bytes kafka_string_bytes(struct kafka_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

#endif
