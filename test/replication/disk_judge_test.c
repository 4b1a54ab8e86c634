/* When a disk counts as full, slow or stuck. */
#include <criterion/criterion.h>

#include "replication/disk_state.h"

#define GIB  (UINT64_C(1) << 30)
#define LOOK 250 /* ms between two looks */

static struct repl_disk_judge judge;
static uint64_t now_ms;
static struct repl_disk_measure measure;
static struct repl_disk_report peers[2];
static bool is_quiet; /* nothing more is written */

static void begin(void)
{
    static const struct repl_disk_judge_options options = {.reserve_percent = 5,
                                                           .reserve_bytes = GIB,
                                                           .slow_factor = 4,
                                                           .slow_ms = 50,
                                                           .stuck_ms = 2000};
    repl_disk_judge_init(&judge, &options);
    now_ms = 1000;
    is_quiet = false;
    measure = (struct repl_disk_measure){.free_bytes = 90 * GIB, .total_bytes = 100 * GIB};
    for (unsigned i = 0; i < 2; i++)
        peers[i] = (struct repl_disk_report){.sync_recent_us = 1000};
}

/* Two writes since the last one. */
static const struct repl_disk_report *look(void)
{
    now_ms += LOOK;
    measure.sync_count += is_quiet ? 0 : 2;
    return repl_disk_judge_look(&judge, now_ms, &measure, peers, 2);
}

static const struct repl_disk_report *look_for(unsigned ms)
{
    const struct repl_disk_report *r = look();
    for (unsigned passed = LOOK; passed < ms; passed += LOOK)
        r = look();
    return r;
}

Test(repl_disk_judge, calls_full_what_has_less_than_its_reserve_and_well_what_has_a_tenth_more)
{
    begin();
    cr_assert_eq(look()->state, REPL_DISK_OK);
    measure.free_bytes = 5 * GIB;
    cr_assert_eq(look()->state, REPL_DISK_OK);
    measure.free_bytes = 5 * GIB - 1;
    cr_assert_eq(look()->state, REPL_DISK_FULL);
    cr_assert_not(look()->is_low);
    measure.free_bytes = 5 * GIB / 2 - 1;
    cr_assert(look()->is_low);
    measure.free_bytes = 5 * GIB + GIB / 4;
    cr_assert_eq(look()->state, REPL_DISK_FULL, "no coming and going at the border");
    measure.free_bytes = 5 * GIB + GIB / 2;
    cr_assert_eq(look()->state, REPL_DISK_OK);
}

Test(repl_disk_judge, keeps_the_larger_of_a_share_and_a_number_of_bytes)
{
    begin();
    cr_assert_eq(repl_disk_reserve_bytes(&judge.options, 100 * GIB), 5 * GIB);
    cr_assert_eq(repl_disk_reserve_bytes(&judge.options, 10 * GIB), GIB);
}

Test(repl_disk_judge, keeps_what_it_knew_of_free_space_that_can_not_be_read)
{
    begin();
    measure.free_bytes = GIB;
    look();
    measure = (struct repl_disk_measure){0};
    cr_assert_eq(look()->state, REPL_DISK_FULL);
    cr_assert_eq(look()->free_bytes, GIB);
}

Test(repl_disk_judge, calls_slow_what_takes_four_times_its_peers_time_for_a_second)
{
    begin();
    measure.sync_recent_us = 200000;
    look();
    cr_assert_eq(look_for(750)->state, REPL_DISK_OK, "not at once");
    cr_assert_eq(look_for(500)->state, REPL_DISK_SLOW);
    measure.sync_recent_us = 1000;
    cr_assert_eq(look_for(9000)->state, REPL_DISK_SLOW, "nor well at once");
    cr_assert_eq(look_for(2000)->state, REPL_DISK_OK);
}

/* The measure tells of the last second: where nothing else was written, of one write. */
Test(repl_disk_judge, believes_a_second_of_one_slow_write_to_be_a_hiccup)
{
    begin();
    look();
    is_quiet = true;
    measure.sync_recent_us = 200000;
    measure.sync_count++;
    cr_assert_eq(look_for(1500)->state, REPL_DISK_OK, "it and a second after it");
    measure.sync_recent_us = 1000;
    look();
    measure.sync_recent_us = 200000;
    cr_assert_eq(look_for(2500)->state, REPL_DISK_OK, "another one, long under way");
    cr_assert_eq(look_for(1000)->state, REPL_DISK_SLOW, "and never anything else");
}

Test(repl_disk_judge, calls_nobody_slow_where_all_are_or_where_it_hurts_nobody)
{
    begin();
    measure.sync_recent_us = 200000;
    peers[0].sync_recent_us = peers[1].sync_recent_us = 60000;
    cr_assert_eq(look_for(5000)->state, REPL_DISK_OK, "less than four times");
    peers[0].sync_recent_us = peers[1].sync_recent_us = 0;
    cr_assert_eq(look_for(5000)->state, REPL_DISK_OK, "nothing to compare with");
    peers[0].sync_recent_us = peers[1].sync_recent_us = 1000;
    measure.sync_recent_us = 49000;
    cr_assert_eq(look_for(5000)->state, REPL_DISK_OK, "49 ms");
}

Test(repl_disk_judge, goes_by_the_faster_of_two_peers)
{
    begin();
    measure.sync_recent_us = 200000;
    peers[1].sync_recent_us = 200000;
    cr_assert_eq(look_for(1500)->state, REPL_DISK_SLOW);
}

Test(repl_disk_judge, calls_slow_what_is_at_its_byte_bound_while_a_peer_is_not)
{
    begin();
    measure.queue_percent = 100;
    peers[0].queue_percent = peers[1].queue_percent = 60;
    cr_assert_eq(look_for(3000)->state, REPL_DISK_OK, "the load is more than anyone can take");
    peers[1].queue_percent = 10;
    cr_assert_eq(look_for(1500)->state, REPL_DISK_SLOW);
}

Test(repl_disk_judge, calls_stuck_what_does_not_come_back)
{
    begin();
    measure.writing_ms = 1999;
    cr_assert_neq(look_for(500)->state, REPL_DISK_STUCK);
    measure.writing_ms = 2000;
    cr_assert_eq(look()->state, REPL_DISK_STUCK);
    measure.writing_ms = 0;
    cr_assert_neq(look()->state, REPL_DISK_STUCK);
}

Test(repl_disk_judge, blames_no_disk_for_a_wal_that_waits_for_room)
{
    begin();
    measure.writing_ms = 60000;
    measure.sync_recent_us = 60000000;
    measure.is_out_of_files = true;
    const struct repl_disk_report *r = look_for(3000);
    cr_assert_eq(r->state, REPL_DISK_FULL);
    cr_assert(r->is_out_of_files);
}

Test(repl_disk_judge, blames_no_disk_for_a_process_that_stood_still)
{
    begin();
    look();
    measure.sync_recent_us = 5000000;
    measure.writing_ms = 5000;
    for (unsigned i = 0; i < 10; i++) {
        now_ms += REPL_DISK_LOOK_MS_MAX;
        cr_assert_eq(look()->state, REPL_DISK_OK);
    }
    cr_assert_eq(look()->state, REPL_DISK_STUCK, "what it sees awake counts");
}
