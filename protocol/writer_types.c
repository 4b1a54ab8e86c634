/* Kafka's types on top of raw bytes: fixed integers, varints, strings, bytes, arrays. Values
 * come from our own code, but what a version can't express (a null, a length) is answered with
 * ERR_INVALID rather than asserted: it may have come from a client by way of a stored name. */
#include "protocol/writer.h"

#include "base/err.h"

void kafka_write_int8(struct kafka_writer *w, int8_t value)
{
    kafka_write_raw(w, bytes_of(&value, 1));
}

void kafka_write_bool(struct kafka_writer *w, bool value)
{
    kafka_write_int8(w, value ? 1 : 0);
}

#define WRITE_INTEGER(bits)                                                                        \
    void kafka_write_int##bits(struct kafka_writer *w, int##bits##_t v)                            \
    {                                                                                              \
        uint8_t bytes[sizeof v];                                                                   \
        bytes_put_be##bits(bytes, (uint##bits##_t)v);                                              \
        kafka_write_raw(w, bytes_of(bytes, sizeof bytes));                                         \
    }
WRITE_INTEGER(16)
WRITE_INTEGER(32)
WRITE_INTEGER(64)
#undef WRITE_INTEGER

void kafka_write_uuid(struct kafka_writer *w, struct kafka_uuid value)
{
    kafka_write_raw(w, bytes_of(value.bytes, sizeof value.bytes));
}

static void write_base_128(struct kafka_writer *w, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    kafka_write_raw(w, bytes_of(bytes, size));
}

void kafka_write_uvarint(struct kafka_writer *w, uint32_t value)
{
    write_base_128(w, value);
}

void kafka_write_varint(struct kafka_writer *w, int32_t value)
{
    write_base_128(w, ((uint32_t)value << 1) ^ (0 - ((uint32_t)value >> 31)));
}

void kafka_write_varlong(struct kafka_writer *w, int64_t value)
{
    write_base_128(w, ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63)));
}

/* True when the value may be written: null only where it is allowed. */
static bool is_expressible(struct kafka_writer *w, int64_t size, int64_t size_max, bool is_nullable)
{
    if (size <= size_max && size >= (is_nullable ? -1 : 0))
        return true;
    kafka_writer_fail(w, ERR_INVALID);
    return false;
}

void kafka_write_string(struct kafka_writer *w, struct kafka_string value, bool is_nullable)
{
    if (!is_expressible(w, value.size, INT16_MAX, is_nullable))
        return;
    if (w->is_flexible)
        kafka_write_uvarint(w, (uint32_t)(value.size + 1));
    else
        kafka_write_int16(w, (int16_t)value.size);
    kafka_write_raw(w, kafka_string_bytes(value));
}

static void write_size(struct kafka_writer *w, int64_t size, bool is_nullable)
{
    if (!is_expressible(w, size, INT32_MAX, is_nullable))
        return;
    if (w->is_flexible)
        kafka_write_uvarint(w, (uint32_t)(size + 1));
    else
        kafka_write_int32(w, (int32_t)size);
}

void kafka_write_bytes(struct kafka_writer *w, struct bytes value, bool is_nullable)
{
    bool is_null = is_nullable && value.data == NULL;
    write_size(w, is_null ? -1 : (int64_t)value.size, is_nullable);
    kafka_write_raw(w, value);
}

void kafka_write_slices(struct kafka_writer *w, struct kafka_slices value, bool is_nullable)
{
    int64_t size = value.count < 0 ? -1 : 0;
    for (int32_t i = 0; i < value.count; i++)
        size += (int64_t)value.items[i].bytes.size;
    write_size(w, size, is_nullable);
    for (int32_t i = 0; i < value.count; i++)
        kafka_write_slice(w, value.items[i]);
}

void kafka_write_count(struct kafka_writer *w, int32_t count, bool is_nullable)
{
    write_size(w, count, is_nullable);
}

void kafka_write_tag(struct kafka_writer *w, uint32_t tag, size_t size)
{
    if (!is_expressible(w, (int64_t)size, INT32_MAX, false))
        return;
    kafka_write_uvarint(w, tag);
    kafka_write_uvarint(w, (uint32_t)size);
}
