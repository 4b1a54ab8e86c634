#include "protocol/writer.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "protocol/reader.h"

static struct slice slice_of(size_t size, uint8_t fill)
{
    struct buffer *owner = buffer_create(size);
    memset(owner->data, fill, size);
    return (struct slice){owner, bytes_of(owner->data, size)};
}

Test(kafka_writer, puts_the_size_in_front_and_references_large_slices)
{
    struct kafka_writer w;
    struct slice large = slice_of(5000, 0xab);
    kafka_writer_init(&w, 10000);
    kafka_writer_begin_frame(&w);
    kafka_write_int16(&w, 0x0102);
    kafka_write_slice(&w, large);
    kafka_write_int8(&w, 3);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    size_t count;
    const struct slice *slices = kafka_writer_slices(&w, &count);
    cr_assert_eq(count, 3);
    cr_assert_eq(bytes_get_be32(slices[0].bytes.data), 5003);
    cr_assert_eq(slices[1].bytes.data, large.bytes.data, "not copied");
    cr_assert_eq(slices[1].owner, large.owner);
    cr_assert_eq(slices[2].bytes.size, 1);
    slice_unref(&large);
    cr_assert_geq(buffer_total_bytes(), 5000, "the writer holds it");
    kafka_writer_close(&w);
    cr_assert_eq(buffer_total_bytes(), 0);
}

Test(kafka_writer, copies_small_slices)
{
    struct kafka_writer w;
    struct slice small = slice_of(KAFKA_WRITER_COPY_BYTES, 1);
    kafka_writer_init(&w, 10000);
    kafka_write_slice(&w, small);
    kafka_write_slice(&w, small);
    slice_unref(&small);
    size_t count;
    cr_assert_eq(kafka_writer_finish(&w), 0);
    kafka_writer_slices(&w, &count);
    cr_assert_eq(count, 1);
    kafka_writer_close(&w);
}

Test(kafka_writer, keeps_bytes_in_order_over_many_chunks)
{
    struct kafka_writer w;
    kafka_writer_init(&w, 1 << 20);
    for (int32_t i = 0; i < 50000; i++)
        kafka_write_int32(&w, i);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    static uint8_t out[200000];
    cr_assert_eq(kafka_writer_copy(&w, out, sizeof out), sizeof out);
    for (uint32_t i = 0; i < 50000; i++)
        cr_assert_eq(bytes_get_be32(out + 4 * i), i);
    kafka_writer_close(&w);
    cr_assert_eq(buffer_total_bytes(), 0);
}

Test(kafka_writer, stops_at_its_limit_and_says_so_at_the_end)
{
    struct kafka_writer w;
    struct slice large = slice_of(5000, 0);
    kafka_writer_init(&w, 5003);
    kafka_write_int32(&w, 1);
    kafka_write_slice(&w, large);
    kafka_write_int8(&w, 1);
    cr_assert_eq(kafka_writer_finish(&w), ERR_TOO_LARGE);
    cr_assert_leq(buffer_total_bytes(), 5000 + 512);
    kafka_writer_close(&w);
    slice_unref(&large);
    cr_assert_eq(buffer_total_bytes(), 0);
}

static int error_of_string(int32_t size, bool is_flexible, bool is_nullable)
{
    static const char text[40000];
    struct kafka_writer w;
    kafka_writer_init(&w, 100000);
    w.is_flexible = is_flexible;
    kafka_write_string(&w, (struct kafka_string){text, size}, is_nullable);
    int err = kafka_writer_finish(&w);
    kafka_writer_close(&w);
    return err;
}

Test(kafka_writer, refuses_what_the_format_cannot_say)
{
    cr_assert_eq(error_of_string(-1, false, true), 0);
    cr_assert_eq(error_of_string(-1, false, false), ERR_INVALID);
    cr_assert_eq(error_of_string(-1, true, false), ERR_INVALID);
    cr_assert_eq(error_of_string(INT16_MAX, false, false), 0);
    cr_assert_eq(error_of_string(INT16_MAX + 1, false, false), ERR_INVALID);
    cr_assert_eq(error_of_string(INT16_MAX + 1, true, false), ERR_INVALID, "Kafka's limit");
}

static void check_varint(int64_t value)
{
    struct kafka_writer w;
    uint8_t out[32];
    kafka_writer_init(&w, 100);
    kafka_write_varlong(&w, value);
    kafka_write_varint(&w, (int32_t)value);
    kafka_write_uvarint(&w, (uint32_t)value);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    struct kafka_reader r = kafka_reader_of(bytes_of(out, kafka_writer_copy(&w, out, sizeof out)));
    cr_assert_eq(kafka_read_varlong(&r), value);
    cr_assert_eq(kafka_read_varint(&r), (int32_t)value);
    cr_assert_eq(kafka_read_uvarint(&r), (uint32_t)value);
    cr_assert_eq(kafka_reader_finish(&r), 0);
    kafka_writer_close(&w);
}

Test(kafka_writer, writes_varints_that_the_reader_reads)
{
    for (int shift = 0; shift < 64; shift++)
        for (int64_t near = -2; near <= 2; near++) {
            int64_t value = (int64_t)(((uint64_t)1 << shift) + (uint64_t)near);
            check_varint(value);
            check_varint((int64_t)(0 - (uint64_t)value));
        }
}

Test(kafka_writer, counts_without_storing)
{
    struct kafka_writer w, counting;
    kafka_writer_init(&w, 1000);
    counting = kafka_writer_counting(&w);
    kafka_write_varlong(&counting, INT64_MIN);
    kafka_write_uvarint(&counting, UINT32_MAX);
    kafka_write_uvarint(&counting, 127);
    kafka_write_varint(&counting, -64);
    cr_assert_eq(counting.size_bytes, 10 + 5 + 1 + 1);
    cr_assert(counting.chunk == NULL && counting.slices == NULL);
    kafka_writer_close(&w);
}
