/* The waiting line of packets: who goes when, in which order, and what happens at its bound. */
#include <criterion/criterion.h>

#include "delay_line.h"

#define MS          1000000
#define PACKETS_MAX 64

static struct delay_line line;

static void open_line(int64_t delay_ms, int64_t jitter_ms)
{
    cr_assert_eq(delay_line_init(&line, "b", PACKETS_MAX, 7), 0);
    line.settings.delay_ns = delay_ms * MS;
    line.settings.jitter_ns = jitter_ms * MS;
}

static void close_line(void)
{
    delay_line_close(&line);
}

static size_t pop_at(int64_t at_ms, uint32_t *ids)
{
    return delay_line_pop_due(&line, at_ms * MS, ids, PACKETS_MAX);
}

Test(delay_line, releases_a_packet_when_its_delay_has_passed_and_not_before, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(25, 0);
    cr_assert_eq(delay_line_push(&line, 1, 100 * MS), DELAY_LINE_HELD);
    cr_assert_eq(delay_line_next_at(&line), 125 * MS);
    cr_assert_eq(delay_line_pop_due(&line, 125 * MS - 1, ids, PACKETS_MAX), 0);
    cr_assert_eq(pop_at(125, ids), 1);
    cr_assert_eq(ids[0], 1);
    cr_assert_eq(delay_line_next_at(&line), INT64_MAX);
    cr_assert_eq(line.passed, 1);
}

Test(delay_line, keeps_order_under_jitter, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(25, 20);
    for (uint32_t id = 1; id <= PACKETS_MAX; id++)
        delay_line_push(&line, id, id * MS);
    cr_assert(delay_line_is_in_order(&line));
    cr_assert_eq(pop_at(1000, ids), PACKETS_MAX);
    for (uint32_t i = 0; i < PACKETS_MAX; i++)
        cr_assert_eq(ids[i], i + 1);
}

Test(delay_line, spreads_waits_evenly_over_the_jitter, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    int64_t least = INT64_MAX, most = 0;
    open_line(25, 20);
    for (uint32_t id = 1; id <= 1000; id++) {
        int64_t came_at = (int64_t)id * 1000 * MS; /* far apart: nobody waits for another */
        delay_line_push(&line, id, came_at);
        int64_t waits = delay_line_next_at(&line) - came_at;
        least = waits < least ? waits : least;
        most = waits > most ? waits : most;
        cr_assert_eq(delay_line_pop_due(&line, came_at + 45 * MS, ids, 1), 1);
    }
    cr_assert(least >= 5 * MS && least < 7 * MS, "least %lld", (long long)least);
    cr_assert(most <= 45 * MS && most > 43 * MS, "most %lld", (long long)most);
}

Test(delay_line, lets_packets_overtake_when_told_to, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    bool is_seen[PACKETS_MAX + 1] = {false};
    bool is_overtaken = false;
    open_line(25, 20);
    line.settings.is_reordering = true;
    for (uint32_t id = 1; id <= PACKETS_MAX; id++)
        delay_line_push(&line, id, 0);
    cr_assert_not(delay_line_is_in_order(&line));
    cr_assert_eq(pop_at(45, ids), PACKETS_MAX);
    for (uint32_t i = 0; i < PACKETS_MAX; i++) {
        cr_assert_not(is_seen[ids[i]]);
        is_seen[ids[i]] = true;
        is_overtaken = is_overtaken || (i > 0 && ids[i] < ids[i - 1]);
    }
    cr_assert(is_overtaken);
}

Test(delay_line, is_in_order_again_once_it_has_been_empty, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(25, 20);
    line.settings.is_reordering = true;
    for (uint32_t id = 1; id <= 20; id++)
        delay_line_push(&line, id, 0);
    line.settings.is_reordering = false;
    delay_line_push(&line, 21, 0);
    cr_assert_not(delay_line_is_in_order(&line), "those that overtake are still held");
    pop_at(100, ids);
    delay_line_push(&line, 22, 100 * MS);
    cr_assert(delay_line_is_in_order(&line));
}

Test(delay_line, keeps_the_promise_to_what_is_held_when_the_delay_gets_shorter, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(25, 0);
    delay_line_push(&line, 1, 0);
    line.settings.delay_ns = 1 * MS;
    delay_line_push(&line, 2, 5 * MS);
    cr_assert_eq(pop_at(24, ids), 0, "the second waits behind the first");
    cr_assert_eq(pop_at(25, ids), 2);
    cr_assert_eq(ids[0], 1);
    delay_line_push(&line, 3, 30 * MS);
    cr_assert_eq(delay_line_next_at(&line), 31 * MS);
}

Test(delay_line, drops_the_newest_at_its_bound_and_counts_it, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(25, 0);
    for (uint32_t id = 1; id <= PACKETS_MAX; id++)
        cr_assert_eq(delay_line_push(&line, id, 0), DELAY_LINE_HELD);
    cr_assert_eq(delay_line_push(&line, PACKETS_MAX + 1, 0), DELAY_LINE_LOST);
    cr_assert_eq(line.dropped, 1);
    cr_assert_eq(line.held_max, PACKETS_MAX);
    cr_assert_eq(pop_at(25, ids), PACKETS_MAX);
    cr_assert_eq(ids[PACKETS_MAX - 1], PACKETS_MAX);
    cr_assert_eq(delay_line_push(&line, PACKETS_MAX + 2, 0), DELAY_LINE_HELD);
}

Test(delay_line, loses_as_many_as_it_was_told, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(0, 0);
    line.settings.loss_ppm = 50000;
    for (uint32_t id = 1; id <= 100000; id++)
        if (delay_line_push(&line, id, id) == DELAY_LINE_HELD)
            delay_line_pop_due(&line, id, ids, 1);
    cr_assert(line.lost > 4500 && line.lost < 5500, "%llu", (unsigned long long)line.lost);
    cr_assert_eq(line.lost + line.passed, 100000);
    line.settings.loss_ppm = 1000000;
    for (uint32_t id = 1; id <= 100; id++)
        cr_assert_eq(delay_line_push(&line, id, 0), DELAY_LINE_LOST);
}

Test(delay_line, keeps_order_where_the_numbers_of_packets_wrap, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(25, 0);
    for (uint32_t i = 0; i < 10; i++)
        delay_line_push(&line, UINT32_MAX - 4 + i, 0);
    cr_assert_eq(pop_at(25, ids), 10);
    for (uint32_t i = 0; i < 10; i++)
        cr_assert_eq(ids[i], UINT32_MAX - 4 + i);
}

Test(delay_line, hands_out_no_more_than_fits_and_the_rest_next_time, .fini = close_line)
{
    uint32_t ids[PACKETS_MAX];
    open_line(1, 0);
    for (uint32_t id = 1; id <= 10; id++)
        delay_line_push(&line, id, 0);
    cr_assert_eq(delay_line_pop_due(&line, 1 * MS, ids, 4), 4);
    cr_assert_eq(delay_line_pop_due(&line, INT64_MAX, ids, PACKETS_MAX), 6);
    cr_assert_eq(ids[0], 5);
}
