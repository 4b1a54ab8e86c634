/* Borrowed bytes and fixed-width integers in both byte orders.
 *
 * `struct bytes` never owns: whoever hands it out says until when it is valid. Kafka's formats
 * are big-endian; our own (WAL, manifest, peer frames) are little-endian. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data; /* first byte; may be NULL when size is 0 */
    size_t size;         /* bytes */
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){.data = data, .size = size};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){.data = (const uint8_t *)text, .size = strlen(text)};
}

/* Copies a text into an array, cut where it does not fit, always terminated, rest zeroed. */
static inline void bytes_copy_text(char *into, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(into, from, length);
    memset(into + length, 0, size - length);
}

static inline bool bytes_is_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#define BYTES_ACCESSORS(bits, type)                                                                \
    static inline type bytes_get_be##bits(const uint8_t *at)                                       \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, at, sizeof value);                                                          \
        return be##bits##toh(value);                                                               \
    }                                                                                              \
    static inline type bytes_get_le##bits(const uint8_t *at)                                       \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, at, sizeof value);                                                          \
        return le##bits##toh(value);                                                               \
    }                                                                                              \
    static inline uint8_t *bytes_put_be##bits(uint8_t *at, type value)                             \
    {                                                                                              \
        value = htobe##bits(value);                                                                \
        memcpy(at, &value, sizeof value);                                                          \
        return at + sizeof value;                                                                  \
    }                                                                                              \
    static inline uint8_t *bytes_put_le##bits(uint8_t *at, type value)                             \
    {                                                                                              \
        value = htole##bits(value);                                                                \
        memcpy(at, &value, sizeof value);                                                          \
        return at + sizeof value;                                                                  \
    }
BYTES_ACCESSORS(16, uint16_t)
BYTES_ACCESSORS(32, uint32_t)
BYTES_ACCESSORS(64, uint64_t)
#undef BYTES_ACCESSORS

/* A checked little-endian reader for our own formats. After any read beyond the end `is_bad`
 * stays true and every further read gives 0, so a decoder checks once, at its end. */
struct bytes_reader {
    const uint8_t *at;  /* next byte */
    const uint8_t *end; /* one past the last byte */
    bool is_bad;        /* something was read beyond the end */
};

static inline struct bytes_reader bytes_reader_of(struct bytes source)
{
    return (struct bytes_reader){.at = source.data, .end = source.data + source.size};
}

static inline size_t bytes_reader_left(const struct bytes_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Takes `size` bytes as they stand; borrowed from the source. */
static inline struct bytes bytes_read(struct bytes_reader *r, size_t size)
{
    if (r->is_bad || size > bytes_reader_left(r)) {
        r->is_bad = true;
        return (struct bytes){0};
    }
    struct bytes taken = {.data = r->at, .size = size};
    r->at += size;
    return taken;
}

/* Takes a copy of `size` bytes; what was not there to be read is zeros. */
static inline void bytes_read_copy(struct bytes_reader *r, void *into, size_t size)
{
    struct bytes b = bytes_read(r, size);
    if (b.data != NULL)
        memcpy(into, b.data, size);
    else
        memset(into, 0, size);
}

static inline uint8_t bytes_read_u8(struct bytes_reader *r)
{
    struct bytes b = bytes_read(r, 1);
    return b.size == 1 ? b.data[0] : 0;
}

#define BYTES_READER(bits, type)                                                                   \
    static inline type bytes_read_le##bits(struct bytes_reader *r)                                 \
    {                                                                                              \
        struct bytes b = bytes_read(r, sizeof(type));                                              \
        return b.size == sizeof(type) ? bytes_get_le##bits(b.data) : 0;                            \
    }
BYTES_READER(16, uint16_t)
BYTES_READER(32, uint32_t)
BYTES_READER(64, uint64_t)
#undef BYTES_READER

#endif
