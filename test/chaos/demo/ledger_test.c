/* The demo's checker against a cluster that fails on purpose: each way in which a log can be
 * wrong has to be seen, counted under its own name, and end in a verdict that says no. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger.h"

#define RECORDS    12
#define PARTITIONS 3

/* Five lines, one of them empty: records 1..12 repeat them. */
static char text_data[] = "alpha\nbeta\n\ngamma\ndelta\n";
static size_t text_starts[] = {0, 6, 11, 12, 18, 24};
static struct text text = {.path = "test",
                           .data = text_data,
                           .size_bytes = sizeof text_data - 1,
                           .line_starts = text_starts,
                           .line_count = 5};

static struct ledger ledger;

static int32_t partition_of(uint64_t number)
{
    return (int32_t)(number % PARTITIONS);
}

static int64_t offset_of(uint64_t number)
{
    return (int64_t)((number - 1) / PARTITIONS);
}

static void acknowledge_all(void)
{
    cr_assert_eq(ledger_init(&ledger, &text, RECORDS, PARTITIONS), 0);
    for (uint64_t n = 1; n <= RECORDS; n++)
        ledger_on_acknowledged(&ledger, n, partition_of(n), offset_of(n));
}

static void close_ledger(void)
{
    ledger_close(&ledger);
}

static void read_value(uint64_t number, int32_t partition, int64_t offset, struct line value)
{
    char key[24];
    int size = snprintf(key, sizeof key, "%" PRIu64, number);
    struct ledger_read read = {
        .partition = partition, .offset = offset, .key = {key, (size_t)size}, .value = value};
    ledger_on_read(&ledger, &read);
}

static void read_at(uint64_t number, int32_t partition, int64_t offset)
{
    read_value(number, partition, offset, text_line(&text, number));
}

static void read_one(uint64_t number)
{
    read_at(number, partition_of(number), offset_of(number));
}

static void read_all_but(uint64_t left_out)
{
    for (uint64_t n = 1; n <= RECORDS; n++)
        if (n != left_out)
            read_one(n);
}

#define LEDGER_TEST(name) Test(chaos_ledger, name, .init = acknowledge_all, .fini = close_ledger)

static void assert_counts(uint64_t lost, uint64_t duplicated, uint64_t reordered,
                          uint64_t different)
{
    cr_assert_eq(ledger_lost_count(&ledger), lost, "lost %" PRIu64, ledger_lost_count(&ledger));
    cr_assert_eq(ledger.duplicated_count, duplicated, "duplicated %" PRIu64,
                 ledger.duplicated_count);
    cr_assert_eq(ledger.reordered_count, reordered, "reordered %" PRIu64, ledger.reordered_count);
    cr_assert_eq(ledger.different_count, different, "different %" PRIu64, ledger.different_count);
    cr_assert_eq(ledger_is_clean(&ledger), lost + duplicated + reordered + different == 0);
}

LEDGER_TEST(finds_nothing_wrong_with_what_is_right)
{
    read_all_but(0);
    assert_counts(0, 0, 0, 0);
    cr_assert_eq(ledger.read_count, RECORDS);
    cr_assert_eq(ledger.note_count, 0);
}

LEDGER_TEST(sees_every_record_lost_when_nothing_comes_back)
{
    assert_counts(RECORDS, 0, 0, 0);
}

LEDGER_TEST(sees_a_lost_record_and_names_it)
{
    read_all_but(7);
    assert_counts(1, 0, 0, 0);
    ledger_note_lost(&ledger);
    cr_assert_eq(ledger.note_count, 1);
    cr_assert_not_null(strstr(ledger.notes[0], "record 7 is lost"));
}

LEDGER_TEST(sees_a_record_that_comes_twice)
{
    read_all_but(0);
    read_at(12, partition_of(12), offset_of(12) + 1);
    assert_counts(0, 1, 0, 0);
}

LEDGER_TEST(sees_two_records_that_changed_places)
{
    ledger_close(&ledger);
    cr_assert_eq(ledger_init(&ledger, &text, 2, 1), 0);
    ledger_on_acknowledged(&ledger, 1, 0, LEDGER_OFFSET_UNKNOWN);
    ledger_on_acknowledged(&ledger, 2, 0, LEDGER_OFFSET_UNKNOWN);
    read_at(2, 0, 0);
    read_at(1, 0, 1);
    assert_counts(0, 0, 1, 0);
}

LEDGER_TEST(sees_offsets_that_go_back)
{
    ledger_close(&ledger);
    cr_assert_eq(ledger_init(&ledger, &text, 2, 1), 0);
    ledger_on_acknowledged(&ledger, 1, 0, 5);
    ledger_on_acknowledged(&ledger, 2, 0, 4);
    read_at(1, 0, 5);
    read_at(2, 0, 4);
    assert_counts(0, 0, 1, 0);
}

LEDGER_TEST(sees_one_altered_byte)
{
    read_all_but(4);
    read_value(4, partition_of(4), offset_of(4) + 10, (struct line){"gammb", 5});
    assert_counts(0, 0, 1, 1); /* it was also read late */
    cr_assert_not_null(strstr(ledger.notes[0], "record 4 is not what its line says"));
}

LEDGER_TEST(tells_a_value_cut_short_an_empty_one_and_none_apart)
{
    read_value(1, partition_of(1), offset_of(1), (struct line){"alph", 4});
    read_value(2, partition_of(2), offset_of(2), (struct line){"", 0});
    read_value(3, partition_of(3), offset_of(3), (struct line){NULL, 0}); /* line 3 is empty */
    cr_assert_eq(ledger.different_count, 3);
}

LEDGER_TEST(sees_a_record_in_another_partition_than_acknowledged)
{
    read_all_but(12);
    read_at(12, partition_of(12) + 1, 100);
    assert_counts(0, 0, 0, 1);
}

LEDGER_TEST(sees_a_record_at_another_offset_than_acknowledged)
{
    read_all_but(12);
    read_at(12, partition_of(12), offset_of(12) + 1);
    assert_counts(0, 0, 0, 1);
}

LEDGER_TEST(sees_what_was_never_sent)
{
    read_all_but(0);
    const char *const keys[] = {"0", "13", "", "1x", "-1", "01", "99999999999"};
    size_t count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++) {
        struct ledger_read read = {
            .offset = 100, .key = {keys[i], strlen(keys[i])}, .value = text_line(&text, 1)};
        ledger_on_read(&ledger, &read);
    }
    struct ledger_read without_key = {.offset = 200, .value = text_line(&text, 1)};
    ledger_on_read(&ledger, &without_key);
    assert_counts(0, 0, 0, count + 1);
}

LEDGER_TEST(refuses_a_partition_that_is_not_there)
{
    read_all_but(12);
    read_at(12, PARTITIONS, 0);
    assert_counts(1, 0, 0, 1);
}

LEDGER_TEST(sees_a_second_acknowledgement)
{
    read_all_but(0);
    ledger_on_acknowledged(&ledger, 5, partition_of(5), offset_of(5));
    assert_counts(0, 0, 0, 1);
}

LEDGER_TEST(knows_no_record_beyond_the_sealed_count)
{
    ledger_close(&ledger);
    cr_assert_eq(ledger_init(&ledger, &text, RECORDS, 1), 0);
    for (uint64_t n = 1; n <= 3; n++)
        ledger_on_acknowledged(&ledger, n, 0, (int64_t)n - 1);
    ledger_seal(&ledger, 3);
    for (uint64_t n = 1; n <= 3; n++)
        read_at(n, 0, (int64_t)n - 1);
    assert_counts(0, 0, 0, 0);
    read_at(4, 0, 3);
    assert_counts(0, 0, 0, 1);
}

LEDGER_TEST(does_not_pass_while_a_record_has_no_acknowledgement)
{
    ledger_close(&ledger);
    cr_assert_eq(ledger_init(&ledger, &text, 2, 1), 0);
    ledger_on_acknowledged(&ledger, 1, 0, 0);
    ledger_on_failed(&ledger, 2, "timed out");
    read_at(1, 0, 0);
    read_at(2, 0, 1); /* failed, and yet there: allowed, but nothing to boast of */
    cr_assert_eq(ledger_lost_count(&ledger), 0);
    cr_assert_eq(ledger.different_count, 0);
    cr_assert_not(ledger_is_clean(&ledger));
}

LEDGER_TEST(keeps_its_notes_within_their_bound)
{
    for (uint64_t n = 1; n <= RECORDS; n++)
        read_value(n, partition_of(n), offset_of(n), (struct line){"?", 1});
    cr_assert_eq(ledger.different_count, RECORDS);
    cr_assert_eq(ledger.note_count, LEDGER_NOTES_MAX);
}
