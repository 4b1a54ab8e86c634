#include "base/bytes.h"

#include <criterion/criterion.h>

Test(bytes, puts_and_gets_integers_in_both_orders_at_any_alignment)
{
    uint8_t data[16] = {0};
    cr_assert_eq(bytes_put_be32(data + 1, 0x01020304u), data + 5);
    cr_assert_eq(data[1], 1);
    cr_assert_eq(data[4], 4);
    cr_assert_eq(bytes_get_be32(data + 1), 0x01020304u);
    cr_assert_eq(bytes_get_le32(data + 1), 0x04030201u);
    cr_assert_eq(bytes_put_le16(data + 3, 0xabcd), data + 5);
    cr_assert_eq(data[3], 0xcd);
    cr_assert_eq(bytes_get_be16(data + 3), 0xcdab);
    cr_assert_eq(bytes_put_be64(data + 7, UINT64_C(0x0102030405060708)), data + 15);
    cr_assert_eq(bytes_get_le64(data + 7), UINT64_C(0x0807060504030201));
}

Test(bytes, are_equal_by_content_and_size)
{
    cr_assert(bytes_is_equal(bytes_of_text("abc"), bytes_of("abcd", 3)));
    cr_assert_not(bytes_is_equal(bytes_of_text("abc"), bytes_of_text("abd")));
    cr_assert_not(bytes_is_equal(bytes_of_text("abc"), bytes_of_text("ab")));
    cr_assert(bytes_is_equal(bytes_of(NULL, 0), bytes_of_text("")));
}

Test(bytes_reader, reads_in_order_and_says_what_is_left)
{
    static const uint8_t data[] = {7, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 'h', 'i'};
    struct bytes_reader r = bytes_reader_of(bytes_of(data, sizeof data));
    cr_assert_eq(bytes_read_u8(&r), 7);
    cr_assert_eq(bytes_read_le16(&r), 1);
    cr_assert_eq(bytes_read_le32(&r), 2);
    cr_assert_eq(bytes_read_le64(&r), 3);
    cr_assert_eq(bytes_reader_left(&r), 2);
    cr_assert(bytes_is_equal(bytes_read(&r, 2), bytes_of_text("hi")));
    cr_assert_not(r.is_bad);
    cr_assert_eq(bytes_reader_left(&r), 0);
}

Test(bytes_reader, stays_bad_after_any_read_beyond_the_end)
{
    static const uint8_t data[] = {1, 2, 3};
    struct bytes_reader r = bytes_reader_of(bytes_of(data, sizeof data));
    cr_assert_eq(bytes_read_le32(&r), 0);
    cr_assert(r.is_bad);
    cr_assert_eq(bytes_read_u8(&r), 0, "what is left is not read either");
    cr_assert_null(bytes_read(&r, 1).data);
    r = bytes_reader_of(bytes_of(data, sizeof data));
    bytes_read(&r, SIZE_MAX);
    cr_assert(r.is_bad, "a huge size does not wrap around");
}

Test(bytes_reader, copies_what_is_there_and_zeros_for_what_is_not)
{
    static const uint8_t data[] = {1, 2, 3};
    struct bytes_reader r = bytes_reader_of(bytes_of(data, sizeof data));
    uint8_t copy[2] = {9, 9};
    bytes_read_copy(&r, copy, sizeof copy);
    cr_assert(!r.is_bad && copy[0] == 1 && copy[1] == 2);
    bytes_read_copy(&r, copy, sizeof copy);
    cr_assert(r.is_bad && copy[0] == 0 && copy[1] == 0);
}
