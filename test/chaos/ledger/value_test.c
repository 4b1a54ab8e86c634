/* The bytes of a record: made, summed, recognised. */
#include "value.h"

#include <criterion/criterion.h>
#include <string.h>

#include "crc32c.h"

static char bytes[1000 + VALUE_NAME_BYTES];

Test(chaos_ledger_value, begins_with_its_name_and_is_as_long_as_asked)
{
    char name[VALUE_NAME_BYTES], found[VALUE_NAME_BYTES];
    cr_assert_eq(value_name(name, "a-producer-0", 17), strlen("a-producer-0-17"));
    cr_assert_eq(value_make(bytes, 1000, name), 1000);
    cr_assert_str_eq(bytes, "a-producer-0-17");
    cr_assert(value_recognise(found, bytes, 1000));
    cr_assert_str_eq(found, name);
}

Test(chaos_ledger_value, is_longer_than_asked_when_its_name_needs_it)
{
    char found[VALUE_NAME_BYTES];
    cr_assert_eq(value_make(bytes, 3, "abcdef-1"), 9);
    cr_assert(value_recognise(found, bytes, 9));
    cr_assert_str_eq(found, "abcdef-1");
}

Test(chaos_ledger_value, differs_from_another_one_in_its_filling_too)
{
    static char other[1000];
    value_make(bytes, 1000, "a-1");
    value_make(other, 1000, "a-2");
    cr_assert_neq(memcmp(bytes + 500, other + 500, 500), 0);
    value_make(other, 1000, "a-1");
    cr_assert_eq(memcmp(bytes, other, 1000), 0, "one name, one value");
}

static void assert_strange(const char *value, size_t size, const char *expected)
{
    char name[VALUE_NAME_BYTES];
    cr_assert_not(value_recognise(name, value, size));
    cr_assert_str_eq(name, expected);
}

Test(chaos_ledger_value, gives_what_is_none_of_ours_a_name_that_no_send_has)
{
    assert_strange("", 0, "?");
    assert_strange("\0rest", 5, "?.rest");
    assert_strange("no end", 6, "?no end");
    assert_strange("quote\"\0x", 8, "?quote..x");
    assert_strange("back\\\0x", 7, "?back..x");
    assert_strange("\xc3\xa9\0x", 4, "?...x");
}

Test(chaos_ledger_value, shows_no_more_than_the_beginning_of_what_is_none_of_ours)
{
    static char strange[100000];
    char name[VALUE_NAME_BYTES];
    memset(strange, 'x', sizeof strange);
    cr_assert_not(value_recognise(name, strange, sizeof strange));
    cr_assert_eq(strlen(name), 65);
    strange[300] = '\0';
    cr_assert_not(value_recognise(name, strange, sizeof strange), "a name has at most 255 bytes");
    strange[255] = '\0';
    cr_assert(value_recognise(name, strange, sizeof strange));
    cr_assert_eq(strlen(name), 255);
}

Test(chaos_ledger_value, is_not_read_beyond_its_size)
{
    char name[VALUE_NAME_BYTES];
    cr_assert(value_recognise(name, "abc\0", 4));
    cr_assert_not(value_recognise(name, "abc\0", 3));
    cr_assert_str_eq(name, "?abc");
}

Test(chaos_ledger_crc32c, is_the_known_sum)
{
    cr_assert_eq(crc32c("123456789", 9), 0xe3069283);
    cr_assert_eq(crc32c_portable("123456789", 9), 0xe3069283);
    cr_assert_eq(crc32c("", 0), 0);
}

Test(chaos_ledger_crc32c, is_the_same_with_and_without_the_instruction)
{
    value_make(bytes, 600, "a-producer-0-1");
    for (size_t start = 0; start < 8; start++)
        for (size_t size = 0; size < 80; size++)
            cr_assert_eq(crc32c(bytes + start, size), crc32c_portable(bytes + start, size));
}
