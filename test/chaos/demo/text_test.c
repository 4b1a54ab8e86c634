/* The demo's file as a stream of records. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static char path[64];
static struct text text;

static int open_holding(const char *data, size_t size)
{
    snprintf(path, sizeof path, "/tmp/demo-text-XXXXXX");
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, data, size), (ssize_t)size);
    close(file);
    int err = text_open(&text, path);
    unlink(path);
    return err;
}

static void assert_line(uint64_t record_number, const char *expected)
{
    struct line line = text_line(&text, record_number);
    cr_assert_eq(line.size, strlen(expected));
    cr_assert_eq(memcmp(line.data, expected, line.size), 0);
}

Test(chaos_text, gives_each_line_without_its_newline_and_starts_over_at_the_end)
{
    cr_assert_eq(open_holding("one\n\nthree\r\n", 12), 0);
    cr_assert_eq(text.line_count, 3);
    assert_line(1, "one");
    assert_line(2, "");
    assert_line(3, "three\r");
    assert_line(4, "one");
    assert_line(3000002, "");
    text_close(&text);
}

Test(chaos_text, takes_a_last_line_without_newline_as_a_line)
{
    cr_assert_eq(open_holding("one\ntwo", 7), 0);
    cr_assert_eq(text.line_count, 2);
    assert_line(2, "two");
    assert_line(4, "two");
    text_close(&text);
}

Test(chaos_text, keeps_zero_bytes_within_a_line)
{
    cr_assert_eq(open_holding("a\0b\nc\n", 6), 0);
    struct line line = text_line(&text, 1);
    cr_assert_eq(line.size, 3);
    cr_assert_eq(memcmp(line.data, "a\0b", 3), 0);
    text_close(&text);
}

Test(chaos_text, repeats_whole_files_until_there_are_enough_records)
{
    cr_assert_eq(open_holding("a\nb\nc\n", 6), 0);
    cr_assert_eq(text_record_count(&text, 1), 3);
    cr_assert_eq(text_record_count(&text, 3), 3);
    cr_assert_eq(text_record_count(&text, 4), 6);
    text_close(&text);
}

Test(chaos_text, refuses_what_is_empty_not_a_file_or_not_there)
{
    cr_assert_eq(open_holding("", 0), -1);
    cr_assert_eq(text_open(&text, "/tmp"), -1);
    cr_assert_eq(text_open(&text, "/tmp/there/is/no/such/file"), -1);
}

Test(chaos_text, refuses_a_line_that_no_broker_would_take)
{
    size_t size = TEXT_LINE_BYTES_MAX + 2;
    char *data = malloc(size);
    memset(data, 'x', size);
    data[size - 1] = '\n';
    cr_assert_eq(open_holding(data, size), -1);
    data[size - 2] = '\n'; /* the longest that is allowed */
    cr_assert_eq(open_holding(data, size - 1), 0);
    text_close(&text);
    free(data);
}
