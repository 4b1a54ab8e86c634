/* When compressing what is shipped pays (replication/ship_gain.c). */
#include <criterion/criterion.h>

#include "../../replication/ship_gain.h"

#define MIB       (UINT64_C(1) << 20)
#define MS        UINT64_C(1000000)
#define NARROW    (10 * MIB) /* a second */
#define WIDE      (2000 * MIB)
#define AUTO      REPL_SHIP_COMPRESSION_AUTO
#define ALWAYS    REPL_SHIP_COMPRESSION_ALWAYS
#define PACK_NS   (2 * MS) /* of a MiB: 500 MiB/s */
#define SECOND_MS 1000u

/* Sends `count` pieces of a MiB of which each tried one becomes `wire_bytes`; how many were. */
static unsigned send_pieces(struct ship_gain *g, enum repl_ship_compression compression,
                            uint64_t link, unsigned count, size_t wire_bytes)
{
    unsigned tried = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!ship_gain_should_try(g, compression, link, MIB))
            continue;
        ship_gain_tried(g, MIB, wire_bytes, PACK_NS);
        tried++;
    }
    return tried;
}

Test(repl_ship_gain, compresses_what_halves_while_the_link_is_narrow)
{
    struct ship_gain g = {0};
    cr_assert_eq(send_pieces(&g, AUTO, NARROW, 1000, MIB / 2), 1000);
}

Test(repl_ship_gain, leaves_alone_what_goes_over_a_link_that_is_not_the_limit)
{
    struct ship_gain g = {0};
    cr_assert_eq(send_pieces(&g, AUTO, 0, 100, MIB / 2), 0);
}

Test(repl_ship_gain, leaves_alone_what_a_link_takes_faster_than_it_is_compressed)
{
    struct ship_gain g = {0};
    unsigned tried = send_pieces(&g, AUTO, WIDE, 1000, MIB / 2);
    cr_assert_geq(tried, 1, "else it would not know");
    cr_assert_leq(tried, 1000 / 32 + 1, "%u", tried);
}

Test(repl_ship_gain, tries_again_soon_when_the_link_gets_narrow)
{
    struct ship_gain g = {0};
    send_pieces(&g, AUTO, WIDE, 100, MIB / 2);
    cr_assert_geq(send_pieces(&g, AUTO, NARROW, 100, MIB / 2), 100 - 32);
}

Test(repl_ship_gain, gives_up_for_some_megabytes_what_gains_under_a_tenth)
{
    struct ship_gain g = {0}, forced = {0};
    unsigned tried = send_pieces(&g, AUTO, NARROW, 1000, MIB - MIB / 11);
    cr_assert_leq(tried, 1000 * 4 / 36 + 4, "%u: four, then 32 MiB as they are", tried);
    cr_assert_geq(tried, 1000 * 4 / 36 - 4, "%u: and tried again", tried);
    cr_assert_leq(send_pieces(&forced, ALWAYS, 0, 1000, MIB), 1000 * 4 / 36 + 4);
}

Test(repl_ship_gain, finds_data_that_compresses_behind_data_that_does_not)
{
    struct ship_gain g = {0};
    send_pieces(&g, AUTO, NARROW, 50, MIB);
    cr_assert_geq(send_pieces(&g, AUTO, NARROW, 100, MIB / 4), 100 - 32);
}

Test(repl_ship_gain, leaves_alone_what_waits_for_the_source_and_not_for_the_link)
{
    struct ship_gain g = {0};
    for (unsigned i = 0; i < 100; i++)
        ship_gain_on_ask(&g, 3 * MIB);
    cr_assert_eq(send_pieces(&g, AUTO, NARROW, 100, MIB / 2), 0);
    cr_assert_eq(send_pieces(&g, ALWAYS, NARROW, 100, MIB / 2), 100, "it is told to");
    for (unsigned i = 0; i < 16; i++)
        ship_gain_on_ask(&g, i % 2 == 0 ? MIB : 0); /* two at a time are no sign of it */
    cr_assert_eq(send_pieces(&g, AUTO, NARROW, 100, MIB / 2), 100);
    for (unsigned i = 0; i < 16; i++)
        ship_gain_on_ask(&g, 30 * 4096); /* nor are small files */
    cr_assert_eq(send_pieces(&g, AUTO, NARROW, 100, MIB / 2), 100);
}

Test(repl_ship_gain, does_as_it_is_told)
{
    struct ship_gain g = {0};
    cr_assert_eq(send_pieces(&g, ALWAYS, 0, 100, MIB / 2), 100, "whatever the link");
    cr_assert_eq(send_pieces(&g, REPL_SHIP_COMPRESSION_NEVER, NARROW, 100, MIB / 2), 0);
    cr_assert_not(ship_gain_should_try(&g, ALWAYS, 0, 100), "a small piece is all head");
}

/* Pieces of 100 KiB, one each `every_ms`. */
static void receive(struct ship_link *l, uint64_t *now_ms, unsigned ms, unsigned every_ms,
                    bool is_compressed, bool is_busy)
{
    for (unsigned past = 0; past < ms; past += every_ms) {
        *now_ms += every_ms;
        ship_link_on_piece(l, *now_ms * MS, 100 << 10, is_compressed, is_busy);
    }
}

Test(repl_ship_link, knows_what_the_link_takes_while_pieces_wait_for_it)
{
    struct ship_link l = {0};
    uint64_t now_ms = 5000;
    receive(&l, &now_ms, 100, 10, false, true);
    cr_assert_eq(l.bytes_per_second, 0, "too early to tell");
    receive(&l, &now_ms, 900, 10, false, true);
    cr_assert_geq(l.bytes_per_second, 9 * MIB);
    cr_assert_leq(l.bytes_per_second, 11 * MIB);
    receive(&l, &now_ms, 1000, 20, false, true);
    cr_assert_leq(l.bytes_per_second, 6 * MIB, "it got slower");
}

Test(repl_ship_link, is_not_the_limit_where_little_is_under_way)
{
    struct ship_link l = {0};
    uint64_t now_ms = 5000;
    receive(&l, &now_ms, 1000, 10, false, true);
    receive(&l, &now_ms, 10, 10, false, false);
    cr_assert_eq(l.bytes_per_second, 0);
    receive(&l, &now_ms, 1000, 10, false, true);
    ship_link_hold(&l, now_ms * MS); /* its own rate stops the receiver */
    cr_assert_eq(l.bytes_per_second, 0);
}

Test(repl_ship_link, stays_the_limit_for_a_while_where_compression_relieves_it)
{
    struct ship_link l = {0};
    uint64_t now_ms = 5000;
    receive(&l, &now_ms, 1000, 10, false, true);
    receive(&l, &now_ms, 5 * SECOND_MS, 10, true, false);
    cr_assert_gt(l.bytes_per_second, 0);
    receive(&l, &now_ms, 10 * SECOND_MS, 10, true, false);
    cr_assert_eq(l.bytes_per_second, 0, "it may be wide by now: that shows without compression");
}
