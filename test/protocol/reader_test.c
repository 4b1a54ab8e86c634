#include "protocol/reader.h"

#include <criterion/criterion.h>

#include "base/err.h"

static struct kafka_arena arena;

static struct kafka_reader reader(const uint8_t *data, size_t size, bool is_flexible)
{
    struct kafka_reader r = kafka_reader_of(bytes_of(data, size));
    kafka_arena_init(&arena, kafka_arena_limit_for(size));
    r.arena = &arena;
    r.is_flexible = is_flexible;
    return r;
}
#define READER(is_flexible, ...)                                                                   \
    reader((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), is_flexible)

Test(kafka_reader, keeps_its_first_error_and_gives_nothing_after_it)
{
    struct kafka_reader r = READER(false, 0, 1, 2);
    cr_assert_eq(kafka_read_int32(&r), 0);
    cr_assert_eq(r.err, ERR_MALFORMED);
    cr_assert_eq(kafka_read_int8(&r), 0, "there were bytes, but not any more");
    cr_assert(kafka_string_is_null(kafka_read_string(&r, true)));
    kafka_reader_fail(&r, ERR_TOO_LARGE);
    cr_assert_eq(kafka_reader_finish(&r), ERR_MALFORMED);
}

Test(kafka_reader, refuses_what_is_left_over)
{
    struct kafka_reader r = READER(false, 0, 1, 2);
    cr_assert_eq(kafka_read_int16(&r), 1);
    cr_assert_eq(kafka_reader_finish(&r), ERR_MALFORMED);
}

Test(kafka_reader, reads_numbers_of_both_signs)
{
    struct kafka_reader r = READER(false, 0xff, 0xff, 0xfe, 0x80, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                   2);
    cr_assert_eq(kafka_read_int8(&r), -1);
    cr_assert_eq(kafka_read_int16(&r), -2);
    cr_assert_eq(kafka_read_int32(&r), INT32_MIN);
    cr_assert_eq(kafka_read_int64(&r), 0x0102030405060708);
    cr_assert(kafka_read_bool(&r), "any value but 0 is true");
    cr_assert_eq(kafka_reader_finish(&r), 0);
}

Test(kafka_reader, reads_varints_up_to_their_last_bit)
{
    struct kafka_reader r = READER(true, 0xff, 0xff, 0xff, 0xff, 0x0f);
    cr_assert_eq(kafka_read_uvarint(&r), UINT32_MAX);
    r = READER(true, 0xff, 0xff, 0xff, 0xff, 0x0f);
    cr_assert_eq(kafka_read_varint(&r), INT32_MIN);
    r = READER(true, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    cr_assert_eq(kafka_read_varlong(&r), INT64_MAX);
    r = READER(true, 0x01);
    cr_assert_eq(kafka_read_varlong(&r), -1);
    cr_assert_eq(r.err, 0);
}

Test(kafka_reader, refuses_varints_that_are_too_long_or_too_large)
{
    struct kafka_reader r = READER(true, 0xff, 0xff, 0xff, 0xff, 0x1f);
    kafka_read_uvarint(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "33 bits");
    r = READER(true, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
    kafka_read_uvarint(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "6 bytes");
    r = READER(true, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02);
    kafka_read_varlong(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "65 bits");
    r = READER(true, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
    kafka_read_varlong(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "11 bytes");
    r = READER(true, 0x80, 0x80);
    kafka_read_uvarint(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "no end");
}

Test(kafka_reader, refuses_null_where_it_is_not_allowed)
{
    struct kafka_reader r = READER(false, 0xff, 0xff);
    cr_assert_eq(kafka_read_string(&r, true).size, -1);
    r = READER(false, 0xff, 0xff);
    kafka_read_string(&r, false);
    cr_assert_eq(r.err, ERR_MALFORMED);
    r = READER(true, 0);
    cr_assert(kafka_read_bytes(&r, true).data == NULL);
    cr_assert_eq(r.err, 0);
    r = READER(true, 0);
    kafka_read_bytes(&r, false);
    cr_assert_eq(r.err, ERR_MALFORMED);
    r = READER(false, 0xff, 0xff, 0xff, 0xff);
    kafka_read_count(&r, false, 1);
    cr_assert_eq(r.err, ERR_MALFORMED);
    r = READER(false, 0xff, 0xff, 0xff, 0xfe);
    kafka_read_count(&r, true, 1);
    cr_assert_eq(r.err, ERR_MALFORMED, "-2 is not null");
}

Test(kafka_reader, tells_empty_bytes_from_null)
{
    struct kafka_reader r = READER(true, 1);
    struct bytes empty = kafka_read_bytes(&r, true);
    cr_assert(empty.data != NULL && empty.size == 0);
}

Test(kafka_reader, refuses_strings_beyond_kafkas_own_limit)
{
    static uint8_t data[40000];
    data[0] = 0x81; /* 32769 as varint: a string of 32768 bytes */
    data[1] = 0x80;
    data[2] = 0x02;
    struct kafka_reader r = reader(data, sizeof data, true);
    kafka_read_string(&r, false);
    cr_assert_eq(r.err, ERR_MALFORMED);
}

Test(kafka_reader, allocates_nothing_for_a_count_beyond_the_bytes_left)
{
    struct kafka_reader r = READER(false, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0);
    cr_assert_eq(kafka_read_count(&r, false, 4), 0);
    cr_assert_eq(r.err, ERR_MALFORMED);
    r = READER(false, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0);
    kafka_read_count(&r, false, 4);
    cr_assert_eq(r.err, ERR_MALFORMED, "7 bytes are not two of 4");
    r = READER(true, 0xff, 0xff, 0xff, 0xff, 0x0f, 0);
    kafka_read_count(&r, false, 1);
    cr_assert_eq(r.err, ERR_MALFORMED);
    cr_assert_eq(kafka_arena_held_bytes(&arena), 0);
}

Test(kafka_reader, passes_over_tagged_fields_within_their_bounds)
{
    struct kafka_reader r = READER(true, 2, 0, 1, 0xaa, 7, 2, 0xbb, 0xcc, 0x55);
    kafka_skip_tags(&r);
    cr_assert_eq(kafka_read_int8(&r), 0x55);
    cr_assert_eq(kafka_reader_finish(&r), 0);
    r = READER(true, 1, 0, 3, 0xaa, 0xbb);
    kafka_skip_tags(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "larger than what is left");
    r = READER(true, 100, 0, 0, 1, 0);
    kafka_skip_tags(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "more fields than bytes");
    r = READER(true, 2, 3, 0, 3, 0);
    kafka_skip_tags(&r);
    cr_assert_eq(r.err, ERR_MALFORMED, "the same tag twice");
    r = READER(false, 9);
    kafka_skip_tags(&r);
    cr_assert_eq(kafka_reader_left(&r), 1, "nothing where they do not exist");
}
