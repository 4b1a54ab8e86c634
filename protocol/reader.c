/* The reader. Every read goes through kafka_read_raw or the varint loop, the two places that
 * compare with the end. */
#include "protocol/reader.h"

#include <assert.h>

#include "base/err.h"

int kafka_reader_fail(struct kafka_reader *r, int err)
{
    assert(err < 0);
    if (r->err == 0)
        r->err = err;
    r->at = r->end;
    return r->err;
}

int kafka_reader_finish(struct kafka_reader *r)
{
    if (r->err == 0 && r->at != r->end)
        kafka_reader_fail(r, ERR_MALFORMED);
    return r->err;
}

struct bytes kafka_read_raw(struct kafka_reader *r, size_t size)
{
    if (r->err != 0 || size > kafka_reader_left(r)) {
        kafka_reader_fail(r, ERR_MALFORMED);
        return (struct bytes){0};
    }
    struct bytes taken = {.data = r->at, .size = size};
    r->at += size;
    return taken;
}

int8_t kafka_read_int8(struct kafka_reader *r)
{
    struct bytes b = kafka_read_raw(r, 1);
    return b.size == 1 ? (int8_t)b.data[0] : 0;
}

/* Any value but 0 is true, as in Kafka. */
bool kafka_read_bool(struct kafka_reader *r)
{
    return kafka_read_int8(r) != 0;
}

int16_t kafka_read_int16(struct kafka_reader *r)
{
    struct bytes b = kafka_read_raw(r, 2);
    return b.size == 2 ? (int16_t)bytes_get_be16(b.data) : 0;
}

int32_t kafka_read_int32(struct kafka_reader *r)
{
    struct bytes b = kafka_read_raw(r, 4);
    return b.size == 4 ? (int32_t)bytes_get_be32(b.data) : 0;
}

int64_t kafka_read_int64(struct kafka_reader *r)
{
    struct bytes b = kafka_read_raw(r, 8);
    return b.size == 8 ? (int64_t)bytes_get_be64(b.data) : 0;
}

struct kafka_uuid kafka_read_uuid(struct kafka_reader *r)
{
    struct kafka_uuid id = {0};
    struct bytes b = kafka_read_raw(r, sizeof id.bytes);
    if (b.size == sizeof id.bytes)
        memcpy(id.bytes, b.data, sizeof id.bytes);
    return id;
}

/* Base 128, lowest group first; the last possible byte may hold no more than the bits left. */
static uint64_t read_base_128(struct kafka_reader *r, unsigned bits)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        if (r->at == r->end)
            break;
        uint8_t byte = *r->at++;
        unsigned bits_left = bits - shift;
        if (bits_left < 7 && byte >> bits_left != 0)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    kafka_reader_fail(r, ERR_MALFORMED);
    return 0;
}

uint32_t kafka_read_uvarint(struct kafka_reader *r)
{
    return (uint32_t)read_base_128(r, 32);
}

int32_t kafka_read_varint(struct kafka_reader *r)
{
    uint32_t zigzag = (uint32_t)read_base_128(r, 32);
    return (int32_t)((zigzag >> 1) ^ (0 - (zigzag & 1)));
}

int64_t kafka_read_varlong(struct kafka_reader *r)
{
    uint64_t zigzag = read_base_128(r, 64);
    return (int64_t)((zigzag >> 1) ^ (0 - (zigzag & 1)));
}

/* The size of something compact: one more than it is, 0 for null. */
static int64_t read_compact_size(struct kafka_reader *r)
{
    return (int64_t)kafka_read_uvarint(r) - 1;
}

/* -1 for null; checked against nothing but the rules for null. */
static int64_t checked_size(struct kafka_reader *r, int64_t size, bool is_nullable)
{
    if (r->err == 0 && size >= (is_nullable ? -1 : 0))
        return size;
    kafka_reader_fail(r, ERR_MALFORMED);
    return is_nullable ? -1 : 0;
}

struct kafka_string kafka_read_string(struct kafka_reader *r, bool is_nullable)
{
    int64_t size = r->is_flexible ? read_compact_size(r) : kafka_read_int16(r);
    size = checked_size(r, size, is_nullable);
    if (size < 0)
        return KAFKA_STRING_NULL;
    if (size > INT16_MAX) { /* Kafka's own limit, also where the length field could say more */
        kafka_reader_fail(r, ERR_MALFORMED);
        size = 0;
    }
    struct bytes b = kafka_read_raw(r, (size_t)size);
    return (struct kafka_string){.data = (const char *)b.data, .size = (int32_t)b.size};
}

struct bytes kafka_read_bytes(struct kafka_reader *r, bool is_nullable)
{
    int64_t size = r->is_flexible ? read_compact_size(r) : kafka_read_int32(r);
    size = checked_size(r, size, is_nullable);
    return size < 0 ? (struct bytes){0} : kafka_read_raw(r, (size_t)size);
}

struct kafka_slices kafka_read_slices(struct kafka_reader *r, bool is_nullable)
{
    struct bytes bytes = kafka_read_bytes(r, is_nullable);
    if (bytes.data == NULL)
        return (struct kafka_slices){.count = is_nullable ? -1 : 0};
    if (bytes.size == 0)
        return (struct kafka_slices){0};
    struct slice *item = kafka_read_array(r, 1, sizeof *item);
    if (item == NULL)
        return (struct kafka_slices){0};
    item->bytes = bytes;
    return (struct kafka_slices){.items = item, .count = 1};
}

int32_t kafka_read_count(struct kafka_reader *r, bool is_nullable, size_t element_bytes_min)
{
    assert(element_bytes_min > 0);
    int64_t count = r->is_flexible ? read_compact_size(r) : kafka_read_int32(r);
    count = checked_size(r, count, is_nullable);
    if (count > 0 && (uint64_t)count > kafka_reader_left(r) / element_bytes_min) {
        kafka_reader_fail(r, ERR_MALFORMED);
        return 0;
    }
    return (int32_t)count;
}

void *kafka_read_array(struct kafka_reader *r, int32_t count, size_t element_size)
{
    if (count <= 0 || r->err != 0)
        return NULL;
    void *array = kafka_arena_array(r->arena, (size_t)count, element_size);
    if (array == NULL)
        kafka_reader_fail(r, r->arena->err);
    return array;
}

/* A tagged field takes 2 bytes at least: its tag and its size. */
uint32_t kafka_read_tag_count(struct kafka_reader *r)
{
    if (!r->is_flexible || r->err != 0)
        return 0;
    uint32_t count = kafka_read_uvarint(r);
    if (count > kafka_reader_left(r) / 2) {
        kafka_reader_fail(r, ERR_MALFORMED);
        return 0;
    }
    return count;
}

uint32_t kafka_read_tag(struct kafka_reader *r, int64_t *previous_tag, struct kafka_reader *field)
{
    uint32_t tag = kafka_read_uvarint(r);
    struct bytes content = kafka_read_raw(r, kafka_read_uvarint(r));
    if (tag <= *previous_tag)
        kafka_reader_fail(r, ERR_MALFORMED);
    *previous_tag = tag;
    *field = kafka_reader_of(content);
    field->arena = r->arena;
    field->is_flexible = true;
    field->err = r->err;
    return tag;
}

void kafka_read_tag_end(struct kafka_reader *r, struct kafka_reader *field)
{
    if (kafka_reader_finish(field) != 0)
        kafka_reader_fail(r, field->err);
}

void kafka_skip_tags(struct kafka_reader *r)
{
    uint32_t count = kafka_read_tag_count(r);
    int64_t previous = -1;
    struct kafka_reader field;
    for (uint32_t i = 0; i < count && r->err == 0; i++)
        kafka_read_tag(r, &previous, &field);
}

int kafka_reader_begin(struct kafka_reader *r, struct kafka_arena *arena, int16_t version,
                       int16_t low, int16_t high, int16_t flexible)
{
    if (version < low || version > high)
        return ERR_VERSION;
    r->arena = arena;
    r->is_flexible = version >= flexible;
    return 0;
}
