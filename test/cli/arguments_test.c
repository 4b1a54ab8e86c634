#include "arguments.h"

#include <criterion/criterion.h>
#include <string.h>

static char trouble[256];

static bool read_words(struct arguments *a, int count, const char *const words[])
{
    char *texts[32] = {"trilog"};
    for (int i = 0; i < count; i++)
        texts[i + 1] = (char *)(uintptr_t)words[i];
    return arguments_read(count + 1, texts, a, trouble, sizeof trouble);
}
#define READ(a, ...)                                                                               \
    read_words(a, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                          \
               (const char *[]){__VA_ARGS__})

Test(cli_arguments, takes_options_before_between_and_after_the_words)
{
    struct arguments a;
    cr_assert(READ(&a, "-o", "json", "node", "--yes", "add", "4", "--site=a", "--wait", "60"));
    cr_assert_str_eq(a.noun, "node");
    cr_assert_str_eq(a.verb, "add");
    cr_assert_eq(a.operand_count, 1);
    cr_assert_str_eq(a.operands[0], "4");
    cr_assert_str_eq(a.values[OPTION_OUTPUT], "json");
    cr_assert_str_eq(a.values[OPTION_SITE], "a");
    cr_assert_str_eq(a.values[OPTION_WAIT], "60");
    cr_assert(arguments_has(&a, OPTION_YES));
    cr_assert_not(arguments_has(&a, OPTION_PLAN));
}

Test(cli_arguments, keeps_every_admin_in_its_order)
{
    struct arguments a;
    cr_assert(READ(&a, "node", "list", "--admin", "a:1", "-a", "b:2", "--admin=c:3"));
    cr_assert_eq(a.admin_count, 3);
    cr_assert_str_eq(a.admins[0], "a:1");
    cr_assert_str_eq(a.admins[1], "b:2");
    cr_assert_str_eq(a.admins[2], "c:3");
}

Test(cli_arguments, takes_what_follows_two_dashes_as_words)
{
    struct arguments a;
    cr_assert(READ(&a, "node", "remove", "--", "-3"));
    cr_assert_str_eq(a.operands[0], "-3");
}

Test(cli_arguments, refuses_what_is_no_option_and_values_that_are_missing_or_too_many)
{
    struct arguments a;
    cr_assert_not(READ(&a, "node", "list", "--nodes"));
    cr_assert_str_eq(trouble, "there is no option --nodes");
    cr_assert_not(READ(&a, "node", "list", "-x"));
    cr_assert_not(READ(&a, "node", "add", "4", "--site"));
    cr_assert_str_eq(trouble, "--site wants SITE");
    cr_assert_not(READ(&a, "node", "add", "4", "--site="));
    cr_assert_not(READ(&a, "node", "add", "4", "--yes=no"));
    cr_assert_str_eq(trouble, "--yes takes no value");
    const char *words[OPERANDS_MAX + 3] = {"topic", "create"};
    for (unsigned i = 2; i < OPERANDS_MAX + 3; i++)
        words[i] = i < OPERANDS_MAX + 2 ? "word" : "last";
    cr_assert(read_words(&a, OPERANDS_MAX + 2, words));
    cr_assert_not(read_words(&a, OPERANDS_MAX + 3, words));
    cr_assert_str_eq(trouble, "last is one word too many");
}

/* The last of two would do something else than the first one says. */
Test(cli_arguments, refuses_a_value_that_is_given_twice)
{
    struct arguments a;
    cr_assert_not(READ(&a, "switch", "--from", "a", "--plan", "--from=b"));
    cr_assert_str_eq(trouble, "--from is given twice");
    cr_assert_not(READ(&a, "node", "list", "-o", "json", "--output", "table"));
    cr_assert(READ(&a, "what-if", "--lose", "a", "--lose", "b", "-a", "a:1", "-a", "b:2"));
    cr_assert(READ(&a, "switch", "--yes", "--yes"));
}

Test(cli_arguments, refuses_more_admins_than_there_is_room_for)
{
    struct arguments a;
    char *texts[2 * (ADMINS_MAX + 1) + 1] = {"trilog"};
    for (int i = 0; i <= ADMINS_MAX; i++) {
        texts[2 * i + 1] = "-a";
        texts[2 * i + 2] = "a:1";
    }
    cr_assert_not(arguments_read(2 * (ADMINS_MAX + 1) + 1, texts, &a, trouble, sizeof trouble));
}

Test(cli_arguments, reads_whole_numbers_within_bounds_only)
{
    int64_t n;
    cr_assert(arguments_number("42", 1, 100, &n));
    cr_assert_eq(n, 42);
    const char *wrong[] = {"",   "0",   "101", "4x", " 4",
                           "+4", "4.0", "0x4", "-4", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_not(arguments_number(wrong[i], 1, 100, &n), "%s", wrong[i]);
}

Test(cli_arguments, reads_times_with_their_unit_only)
{
    static const struct {
        const char *text;
        int64_t ms;
    } right[] = {{"500ms", 500},
                 {"0s", 0},
                 {"10s", 10000},
                 {"5m", 300000},
                 {"1h", 3600000},
                 {"0010s", 10000},
                 {"2147483647ms", INT32_MAX},
                 {"2147483647h", INT32_MAX * INT64_C(3600000)}};
    int64_t ms;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        cr_assert(arguments_duration(right[i].text, &ms), "%s", right[i].text);
        cr_assert_eq(ms, right[i].ms, "%s", right[i].text);
    }
    const char *wrong[] = {
        "",   "10",  "s",     "10 s", " 10s", "+10s",         "-10s",
        "1d", "10S", "1m30s", "1.5s", "10ss", "2147483648ms", "99999999999999999999s"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_not(arguments_duration(wrong[i], &ms), "%s", wrong[i]);
}
