/* Heartbeats as bytes, of this version and the one before (replication/beat.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "../../replication/beat.h"
#include "base/err.h"

#define HEAD_1 48
#define ROW_1  29

static uint8_t bytes[REPL_BEAT_HEAD_SIZE + 2 * REPL_BEAT_ROW_SIZE];

static const struct repl_beat_row row = {.group_id = 7,
                                         .leader = 0x0002000000000009,
                                         .term = 4,
                                         .commit = 1000,
                                         .is_deaf = true,
                                         .position = 998,
                                         .totals = {.records = 123456, .bytes = 1u << 30},
                                         .wall_ms = 1700000000123};

static struct bytes encoded(void)
{
    struct repl_beat beat = {.is_leaving = true,
                             .disk = {.state = REPL_DISK_SLOW, .free_bytes = 5, .for_ms = 9},
                             .row_count = 2,
                             .sent_ns = 1234567,
                             .echo_ns = 7654321,
                             .held_us = 75000,
                             .elections = {.count = 3, .median_ms = 420, .longest_ms = 900},
                             .transfers = {.count = 32, .median_ms = 30, .longest_ms = 80}};
    uint8_t *at = repl_beat_encode(&beat, bytes);
    at = repl_beat_row_encode(&row, at);
    at = repl_beat_row_encode(&row, at);
    cr_assert_eq((size_t)(at - bytes), sizeof bytes);
    return bytes_of(bytes, sizeof bytes);
}

Test(repl_beat, comes_back_as_it_was_written)
{
    struct repl_beat beat;
    struct repl_beat_row back;
    struct bytes rows;
    cr_assert_eq(repl_beat_decode(encoded(), &beat, &rows), 0);
    cr_assert(beat.is_leaving && beat.row_count == 2 && beat.held_us == 75000);
    cr_assert(beat.sent_ns == 1234567 && beat.echo_ns == 7654321);
    cr_assert(beat.elections.count == 3 && beat.elections.median_ms == 420 &&
              beat.elections.longest_ms == 900 && beat.transfers.longest_ms == 80);
    cr_assert(beat.disk.state == REPL_DISK_SLOW && beat.disk.for_ms == 9);
    repl_beat_row_decode(&beat, rows, 1, &back);
    cr_assert(back.group_id == row.group_id && back.leader == row.leader && back.term == 4 &&
              back.commit == 1000 && back.is_deaf);
    cr_assert(back.position == 998 && back.totals.records == 123456 &&
              back.totals.bytes == 1u << 30 && back.wall_ms == row.wall_ms);
}

/* What a node of the release before sends: shorter, and nothing of what came since. */
Test(repl_beat, is_read_in_the_version_before)
{
    uint8_t old[HEAD_1 + 2 * ROW_1];
    struct repl_beat beat;
    struct repl_beat_row back;
    struct bytes rows, now = encoded();
    memcpy(old, now.data, HEAD_1);
    old[2] = 1;
    memcpy(old + HEAD_1, now.data + REPL_BEAT_HEAD_SIZE, ROW_1);
    memcpy(old + HEAD_1 + ROW_1, now.data + REPL_BEAT_HEAD_SIZE, ROW_1);
    cr_assert_eq(repl_beat_decode(bytes_of(old, sizeof old), &beat, &rows), 0);
    cr_assert(beat.sent_ns == 0 && beat.elections.count == 0 && beat.disk.for_ms == 9);
    repl_beat_row_decode(&beat, rows, 1, &back);
    cr_assert(back.commit == 1000 && back.is_deaf && back.wall_ms == 0 && back.position == 0);
}

Test(repl_beat, refuses_other_versions_and_any_other_length)
{
    struct repl_beat beat;
    struct bytes rows, whole = encoded();
    for (size_t size = 0; size < whole.size; size++)
        cr_assert_neq(repl_beat_decode(bytes_of(whole.data, size), &beat, &rows), 0, "%zu bytes",
                      size);
    bytes[2] = 3;
    cr_assert_eq(repl_beat_decode(whole, &beat, &rows), ERR_VERSION);
    bytes[2] = 0;
    cr_assert_eq(repl_beat_decode(whole, &beat, &rows), ERR_VERSION);
    bytes[2] = 2;
    bytes[68] = 1; /* an unused byte */
    cr_assert_eq(repl_beat_decode(whole, &beat, &rows), ERR_MALFORMED);
}
