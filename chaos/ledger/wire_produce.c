/* Produce, version 7, with a batch of one record for each partition (its layout: wire_batch.c).
 *
 *   asked:    transaction s?, acks i16, timeout i32, topics [name s, partitions [partition i32,
 *             records bytes]]
 *   answered: topics [name s, partitions [partition i32, error i16, offset i64, append time i64,
 *             log start i64]], throttle i32 */
#include "wire_produce.h"

#include <string.h>
#include <time.h>

#include "crc32c.h"

#define API_PRODUCE         0
#define PRODUCE_VERSION     7
#define ACKS_ALL            (-1)
#define TOPIC_BYTES_MIN     6
#define PARTITION_BYTES_MIN 30

#define MAGIC           2
#define SIZE_AT         8  /* in a batch: i32, counts what follows it */
#define CRC_AT          17 /* u32, sums what follows it */
#define NO_PRODUCER     (-1)
#define RECORD_OVERHEAD 5 /* attributes, two deltas, no key, no headers: a byte each */

static void write_raw(struct wire_writer *w, struct wire_bytes bytes)
{
    if (w->is_full || bytes.size > w->size_max - w->size) {
        w->is_full = true;
        return;
    }
    memcpy(w->data + w->size, bytes.data, bytes.size);
    w->size += bytes.size;
}

static size_t encode_varint(uint8_t *into, int64_t number)
{
    uint64_t zigzag = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    size_t size = 0;
    for (; zigzag >= 0x80; zigzag >>= 7)
        into[size++] = (uint8_t)(zigzag | 0x80);
    into[size++] = (uint8_t)zigzag;
    return size;
}

static void write_varint(struct wire_writer *w, int64_t number)
{
    uint8_t bytes[10];
    write_raw(w, (struct wire_bytes){bytes, encode_varint(bytes, number)});
}

static void write_record(struct wire_writer *w, struct wire_bytes value)
{
    uint8_t bytes[10];
    size_t length_size = encode_varint(bytes, (int64_t)value.size);
    write_varint(w, (int64_t)(RECORD_OVERHEAD + length_size + value.size));
    wire_write_int8(w, 0); /* attributes */
    write_varint(w, 0);    /* timestamp, from the batch's */
    write_varint(w, 0);    /* offset, likewise */
    write_varint(w, -1);   /* no key */
    write_varint(w, (int64_t)value.size);
    write_raw(w, value);
    write_varint(w, 0); /* headers */
}

/* Fills a number in that is known only now. */
static void patch_int32(struct wire_writer *w, size_t at, uint32_t number)
{
    if (w->is_full)
        return;
    struct wire_writer place = {.data = w->data + at, .size_max = 4};
    wire_write_int32(&place, (int32_t)number);
}

void wire_batch_write(struct wire_writer *w, struct wire_bytes value, int64_t timestamp_ms)
{
    size_t start = w->size;
    wire_write_int64(w, 0);  /* base offset: the broker's */
    wire_write_int32(w, 0);  /* the size, below */
    wire_write_int32(w, -1); /* leader epoch: the broker's */
    wire_write_int8(w, MAGIC);
    wire_write_int32(w, 0); /* the checksum, below */
    wire_write_int16(w, 0); /* attributes */
    wire_write_int32(w, 0); /* last offset, from the base */
    wire_write_int64(w, timestamp_ms);
    wire_write_int64(w, timestamp_ms);
    wire_write_int64(w, NO_PRODUCER);
    wire_write_int16(w, NO_PRODUCER);
    wire_write_int32(w, NO_PRODUCER);
    wire_write_int32(w, 1); /* records */
    write_record(w, value);
    size_t size = w->size - start;
    if (w->is_full)
        return;
    patch_int32(w, start + SIZE_AT, (uint32_t)(size - SIZE_AT - 4));
    size_t summed_from = start + CRC_AT + 4;
    patch_int32(w, start + CRC_AT, crc32c(w->data + summed_from, w->size - summed_from));
}

static void write_partition(struct wire_writer *w, const struct wire_produce_record *record,
                            int64_t timestamp_ms)
{
    wire_write_int32(w, record->partition);
    size_t size_at = w->size;
    wire_write_int32(w, 0);
    wire_batch_write(w, record->value, timestamp_ms);
    patch_int32(w, size_at, (uint32_t)(w->size - size_at - 4));
}

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int wire_produce_take(struct wire_reader *r, const char *topic, wire_produced_cb on_produced,
                      void *data)
{
    int32_t topic_count = wire_read_count(r, TOPIC_BYTES_MIN);
    for (int32_t i = 0; i < topic_count && !r->is_bad; i++) {
        bool is_ours = wire_is_text(wire_read_string(r), topic);
        int32_t count = wire_read_count(r, PARTITION_BYTES_MIN);
        for (int32_t k = 0; k < count && !r->is_bad; k++) {
            int32_t partition = wire_read_int32(r);
            int16_t code = wire_read_int16(r);
            int64_t offset = wire_read_int64(r);
            wire_read_raw(r, 8 + 8);
            if (is_ours && !r->is_bad)
                on_produced(data, partition, code, offset);
        }
    }
    return r->is_bad ? -1 : 0;
}

int wire_produce(struct wire_connection *connection, const char *topic,
                 const struct wire_produce_record *records, int32_t count, int timeout_ms,
                 wire_produced_cb on_produced, void *data, const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_PRODUCE, PRODUCE_VERSION);
    int64_t timestamp_ms = wall_ms();
    wire_write_string(&w, NULL);
    wire_write_int16(&w, ACKS_ALL);
    wire_write_int32(&w, timeout_ms);
    wire_write_int32(&w, 1);
    wire_write_string(&w, topic);
    wire_write_int32(&w, count);
    for (int32_t i = 0; i < count; i++)
        write_partition(&w, &records[i], timestamp_ms);
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    if (wire_produce_take(&reader, topic, on_produced, data) == 0)
        return 0;
    *error = "malformed";
    return -1;
}
