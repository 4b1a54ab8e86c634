/* Kafka's primitive types, checked against the bytes that are there. */
#include "wire.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

struct wire_bytes wire_read_raw(struct wire_reader *r, int64_t size)
{
    if (r->is_bad || size < 0 || (uint64_t)size > r->size - r->position) {
        r->is_bad = true;
        return (struct wire_bytes){NULL, 0};
    }
    struct wire_bytes bytes = {r->data + r->position, (size_t)size};
    r->position += (size_t)size;
    return bytes;
}

static uint64_t read_number(struct wire_reader *r, int64_t size)
{
    struct wire_bytes bytes = wire_read_raw(r, size);
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.size; i++)
        number = number << 8 | bytes.data[i];
    return number;
}

int8_t wire_read_int8(struct wire_reader *reader)
{
    return (int8_t)(uint8_t)read_number(reader, 1);
}

int16_t wire_read_int16(struct wire_reader *reader)
{
    return (int16_t)(uint16_t)read_number(reader, 2);
}

int32_t wire_read_int32(struct wire_reader *reader)
{
    return (int32_t)(uint32_t)read_number(reader, 4);
}

int64_t wire_read_int64(struct wire_reader *reader)
{
    return (int64_t)read_number(reader, 8);
}

int64_t wire_read_varint(struct wire_reader *reader)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = read_number(reader, 1);
        if (shift == 63 && byte > 1)
            break; /* more than 64 bits */
        number |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)(number >> 1 ^ (0 - (number & 1)));
    }
    reader->is_bad = true;
    return 0;
}

static struct wire_bytes read_nullable(struct wire_reader *reader, int64_t size)
{
    if (size == -1)
        return (struct wire_bytes){NULL, 0};
    return wire_read_raw(reader, size);
}

struct wire_bytes wire_read_string(struct wire_reader *reader)
{
    return read_nullable(reader, wire_read_int16(reader));
}

struct wire_bytes wire_read_bytes(struct wire_reader *reader)
{
    return read_nullable(reader, wire_read_int32(reader));
}

int32_t wire_read_count(struct wire_reader *r, size_t element_bytes)
{
    int32_t count = wire_read_int32(r);
    if (count == -1)
        return 0;
    if (r->is_bad || count < 0 || (size_t)count > (r->size - r->position) / element_bytes) {
        r->is_bad = true;
        return 0;
    }
    return count;
}

bool wire_is_text(struct wire_bytes bytes, const char *text)
{
    return bytes.data != NULL && bytes.size == strlen(text) &&
           memcmp(bytes.data, text, bytes.size) == 0;
}

static void write_raw(struct wire_writer *w, const void *bytes, size_t size)
{
    if (w->is_full || size > w->size_max - w->size) {
        w->is_full = true;
        return;
    }
    memcpy(w->data + w->size, bytes, size);
    w->size += size;
}

static void write_number(struct wire_writer *w, uint64_t number, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number >> 8 * (size - 1 - i));
    write_raw(w, bytes, size);
}

void wire_write_int8(struct wire_writer *writer, int8_t number)
{
    write_number(writer, (uint64_t)number, 1);
}

void wire_write_int16(struct wire_writer *writer, int16_t number)
{
    write_number(writer, (uint64_t)number, 2);
}

void wire_write_int32(struct wire_writer *writer, int32_t number)
{
    write_number(writer, (uint64_t)number, 4);
}

void wire_write_int64(struct wire_writer *writer, int64_t number)
{
    write_number(writer, (uint64_t)number, 8);
}

void wire_write_string(struct wire_writer *writer, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    if (size > INT16_MAX) {
        writer->is_full = true;
        return;
    }
    wire_write_int16(writer, text != NULL ? (int16_t)size : -1);
    if (size > 0)
        write_raw(writer, text, size);
}

const char *wire_error_name(int16_t code)
{
    const char *name = rd_kafka_err2name((rd_kafka_resp_err_t)code);
    return name != NULL && code >= -1 ? name : "unnamed";
}
