/* Records written by kcat's format strings, as JSON, and with delimiters. */
#include "record_format.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct trilog_header headers[] = {{"h", "x", 1}, {"none", NULL, 0}, {"empty", "", 0}};

static struct trilog_message message(void)
{
    return (struct trilog_message){.record = {.topic = "orders",
                                              .key = "k1",
                                              .key_size = 2,
                                              .value = "paid",
                                              .value_size = 4,
                                              .headers = headers,
                                              .header_count = 3,
                                              .timestamp_ms = 1700000000123,
                                              .traceparent = "00-1"},
                                   .partition = 3,
                                   .offset = 42};
}

static void assert_written(const struct record_format *f, const struct trilog_message *m,
                           const char *expected, size_t size)
{
    char *text = NULL;
    size_t text_size = 0;
    FILE *into = open_memstream(&text, &text_size);
    cr_assert(record_format_write(f, m, into));
    fclose(into);
    cr_assert_eq(text_size, size, "'%s' rather than '%s'", text, expected);
    cr_assert_arr_eq(text, expected, size, "'%s' rather than '%s'", text, expected);
    free(text);
}

static void assert_formatted(const char *format, const struct trilog_message *m,
                             const char *expected, size_t size)
{
    struct record_format f;
    char trouble[200];
    cr_assert(record_format_read(&f, format, trouble, sizeof trouble), "%s", trouble);
    assert_written(&f, m, expected, size);
    record_format_close(&f);
}

static void assert_text(const char *format, const struct trilog_message *m, const char *expected)
{
    assert_formatted(format, m, expected, strlen(expected));
}

Test(cli_record_format, writes_what_the_letters_stand_for)
{
    struct trilog_message m = message();
    assert_text("%t [%p] at %o: %k=%s (%K, %S) %T\\n", &m,
                "orders [3] at 42: k1=paid (2, 4) 1700000000123\n");
    assert_text("%h", &m, "h=x,none=NULL,empty=,traceparent=00-1");
    assert_text("%%s 100%%", &m, "%s 100%");
    assert_text("", &m, "");
    assert_formatted("%R", &m, "\0\0\0\4", 4);
}

Test(cli_record_format, writes_escaped_bytes)
{
    struct trilog_message m = message();
    assert_formatted("a\\tb\\r\\n\\\\\\x41\\xff\\0.", &m, "a\tb\r\n\\A\xff\0.", 10);
}

Test(cli_record_format, writes_bytes_as_they_are)
{
    struct trilog_message m = message();
    m.record.value = "a\0%s";
    assert_formatted("[%s]", &m, "[a\0%s]", 6);
}

Test(cli_record_format, tells_none_from_empty)
{
    struct trilog_message none = {.record = {.topic = "t"}};
    struct trilog_message empty = {.record = {.topic = "t", .key = "", .value = ""}};
    assert_text("%k|%s|%K|%S|%h", &none, "||-1|-1|");
    assert_text("%k|%s|%K|%S|%h", &empty, "||0|0|");
    assert_formatted("%R", &none, "\xff\xff\xff\xff", 4);
    struct record_format f;
    char trouble[200];
    cr_assert(record_format_read(&f, "%k|%s", trouble, sizeof trouble));
    f.shows_null = true;
    assert_written(&f, &none, "NULL|NULL", 9);
    assert_written(&f, &empty, "|", 1);
    record_format_close(&f);
}

Test(cli_record_format, refuses_what_is_no_format_and_says_what_is)
{
    static const char *const wrong[] = {"%",   "%x",   "a%",    "%z%s", "\\",
                                        "\\q", "\\x4", "\\xg0", "% s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct record_format f;
        char trouble[200] = "";
        cr_assert_not(record_format_read(&f, wrong[i], trouble, sizeof trouble), "'%s'", wrong[i]);
        cr_assert_not_null(strstr(trouble, "it has %s %S"), "%s", trouble);
    }
}

Test(cli_record_format, writes_keys_and_values_with_delimiters_where_percent_is_only_itself)
{
    struct trilog_message m = message();
    struct record_format f;
    char trouble[200];
    cr_assert(record_format_plain(&f, NULL, "\\n", trouble, sizeof trouble));
    assert_written(&f, &m, "paid\n", 5);
    record_format_close(&f);
    cr_assert(record_format_plain(&f, "\\t%k", ";", trouble, sizeof trouble));
    assert_written(&f, &m, "k1\t%kpaid;", 10);
    record_format_close(&f);
    cr_assert(record_format_plain(&f, "", "", trouble, sizeof trouble));
    assert_written(&f, &m, "k1paid", 6);
    record_format_close(&f);
    cr_assert_not(record_format_plain(&f, "\\q", "", trouble, sizeof trouble));
}

Test(cli_record_format, writes_a_line_of_json_in_which_no_byte_is_lost)
{
    struct record_format f = {.is_json = true};
    struct trilog_message m = message();
    const char *line = "{\"topic\":\"orders\",\"partition\":3,\"offset\":42,\"ts\":1700000000123,"
                       "\"headers\":[\"h\",\"x\",\"none\",null,\"empty\",\"\",\"traceparent\","
                       "\"00-1\"],\"key\":\"k1\",\"payload\":\"paid\"}\n";
    assert_written(&f, &m, line, strlen(line));
    m = (struct trilog_message){.record = {.topic = "t", .value = "\xff\0ab", .value_size = 4}};
    line = "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"ts\":0,\"headers\":[],\"key\":null,"
           "\"payload\":{\"base64\":\"/wBhYg==\"}}\n";
    assert_written(&f, &m, line, strlen(line));
    m.record.value_size = 3;
    line = "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"ts\":0,\"headers\":[],\"key\":null,"
           "\"payload\":{\"base64\":\"/wBh\"}}\n";
    assert_written(&f, &m, line, strlen(line));
    m.record.value = "a\0b";
    line = "{\"topic\":\"t\",\"partition\":0,\"offset\":0,\"ts\":0,\"headers\":[],\"key\":null,"
           "\"payload\":\"a\\u0000b\"}\n";
    assert_written(&f, &m, line, strlen(line));
}

Test(cli_record_format, says_when_a_record_could_not_be_written)
{
    struct trilog_message m = message();
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    struct record_format f = {.is_json = true};
    cr_assert_not(record_format_write(&f, &m, full));
    f.is_json = false;
    char trouble[200];
    cr_assert(record_format_read(&f, "%s", trouble, sizeof trouble));
    cr_assert_not(record_format_write(&f, &m, full));
    record_format_close(&f);
    fclose(full);
}
