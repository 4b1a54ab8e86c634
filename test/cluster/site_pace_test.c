/* How often a node is tried, and for how long. */
#include "site/pace.h"

#include <criterion/criterion.h>

TestSuite(cluster_site_pace);

#define WALL_MS 1700000000000u

Test(cluster_site_pace, a_try_has_the_round_trips_that_it_needs)
{
    cr_assert_eq(site_pace_of(0).try_ms, 600, "not measured yet");
    cr_assert_eq(site_pace_of(66000).try_ms, 600);
    cr_assert_eq(site_pace_of(100000).try_ms, 800);
    cr_assert_eq(site_pace_of(200000).try_ms, 1400);
    cr_assert(!site_pace_of(200000).is_far);
}

Test(cluster_site_pace, a_node_is_far_where_a_try_would_outlast_what_was_found_before)
{
    cr_assert_eq(site_pace_of(201000).try_ms, 1400);
    cr_assert(site_pace_of(201000).is_far);
    cr_assert_eq(site_pace_of(UINT32_MAX).try_ms, 1400);
    cr_assert(site_pace_of(UINT32_MAX).is_far);
}

Test(cluster_site_pace, all_nodes_begin_when_wall_time_comes_to_the_next_interval)
{
    struct site_begun begun = {0};
    cr_assert(site_is_due(&begun, true, 500, 9000, WALL_MS + 30), "the first");
    begun = site_begin(500, 9000, WALL_MS + 30);
    cr_assert(!site_is_due(&begun, true, 500, 9469, WALL_MS + 499));
    cr_assert(site_is_due(&begun, true, 500, 9470, WALL_MS + 500));
}

Test(cluster_site_pace, who_began_late_is_in_time_again_after_half_an_interval_or_more)
{
    struct site_begun begun = site_begin(500, 9000, WALL_MS + 300);
    cr_assert(!site_is_due(&begun, true, 500, 9249, WALL_MS + 549));
    cr_assert(site_is_due(&begun, true, 500, 9250, WALL_MS + 550));
}

Test(cluster_site_pace, what_was_not_well_is_tried_again_sooner)
{
    struct site_begun begun = site_begin(500, 9000, WALL_MS + 30);
    cr_assert(!site_is_due(&begun, false, 500, 9199, WALL_MS + 229));
    cr_assert(site_is_due(&begun, false, 500, 9200, WALL_MS + 230));
}

Test(cluster_site_pace, nobody_is_tried_more_than_five_times_a_second_whatever_clocks_do)
{
    struct site_begun begun = site_begin(1, 9000, WALL_MS);
    for (uint64_t wall_ms = 0; wall_ms < 2 * (uint64_t)WALL_MS; wall_ms += WALL_MS / 7)
        cr_assert(!site_is_due(&begun, true, 1, 9199, wall_ms));
    cr_assert(site_is_due(&begun, true, 1, 9200, WALL_MS - 3600000), "it was set back");
    cr_assert(site_is_due(&begun, true, 1, 9200, WALL_MS + 200));
}
