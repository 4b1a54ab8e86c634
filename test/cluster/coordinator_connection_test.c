/* Which connection a member speaks on: what an older one still brings comes too late. */
#include "coordinator_station.h"

static struct station station;

static void open_station(void)
{
    station_open(&station, 0, 100);
}

TestSuite(cluster_member_connection, .init = open_station);

static enum group_hearing hear(const char *member_id, struct group_way way)
{
    return group_hear(station.groups, kafka_string_of("group"), kafka_string_of(member_id), &way);
}

static bool hears(const char *member_id, uint64_t connection)
{
    struct group_way own = {.number = connection, .connection = connection};
    return hear(member_id, own) == GROUP_HEARD;
}

/* Through a router, whose own connections to this node are all young enough. */
static bool hears_by(const char *member_id, uint64_t router, uint64_t number)
{
    struct group_way way = {.router = router, .number = number, .connection = 100};
    return hear(member_id, way) == GROUP_HEARD;
}

Test(cluster_member_connection, is_the_newest_that_it_spoke_on)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    cr_assert(hears(a.id, 5));
    cr_assert(hears(a.id, 5), "it goes on there");
    cr_assert(hears(a.id, 7));
    cr_assert_not(hears(a.id, 5), "what was left behind arrives late");
    cr_assert(hears(a.id, 7));
    cr_assert(hears(b.id, 5), "each member has its own");
    cr_assert(hears("", 5), "and who is no member has none");
    station_close(&station);
}

Test(cluster_member_connection, is_not_older_than_the_coordinator)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    cr_assert(hears(a.id, 7));
    station_fail_over(&station);
    group_set_begin(station.groups, 9);
    cr_assert_not(hears(a.id, 7), "other coordinators may have gone on");
    cr_assert_not(hears("", 8));
    cr_assert(hears(a.id, 9));
    station_close(&station);
}

Test(cluster_member_connection, is_not_that_of_the_router_which_passes_its_requests_on)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    for (uint64_t connection = 9; connection > 0; connection--) {
        struct group_way way = {.router = 77, .number = 5, .connection = connection};
        cr_assert_eq(hear(a.id, way), GROUP_HEARD, "the router takes whichever it has");
    }
    cr_assert(hears_by(b.id, 77, 4), "an older client's, on the same");
    cr_assert_not(hears_by(a.id, 77, 4), "the member's own former connection to the router");
    cr_assert(hears_by(a.id, 77, 6));
    cr_assert_not(hears_by(a.id, 77, 5));
    station_close(&station);
}

Test(cluster_member_connection, may_go_to_another_router_and_back_on_a_newer_one_only)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    cr_assert(hears_by(a.id, 77, 1000));
    cr_assert(hears_by(a.id, 88, 3), "another router has its own numbers");
    cr_assert_not(hears_by(a.id, 77, 1000), "it has left the first one");
    cr_assert(hears_by(a.id, 88, 3));
    cr_assert(hears_by(a.id, 77, 1001));
    cr_assert_not(hears_by(a.id, 88, 3));
    cr_assert(hears(a.id, 5), "and to the node itself");
    cr_assert_not(hears_by(a.id, 77, 1001));
    cr_assert(hears_by(a.id, 88, 4));
    cr_assert_not(hears(a.id, 5));
    cr_assert(hears(a.id, 6));
    station_close(&station);
}

Test(cluster_member_connection, is_remembered_of_the_last_routers_only)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    for (uint64_t router = 1; router <= 4; router++)
        cr_assert(hears_by(a.id, router, 9));
    for (uint64_t router = 1; router <= 3; router++)
        cr_assert_not(hears_by(a.id, router, 9));
    cr_assert(hears_by(a.id, 5, 9));
    cr_assert(hears_by(a.id, 1, 9), "a member that has seen five routers is bounded, not watched");
    station_close(&station);
}

Test(cluster_member_connection,
     comes_by_a_router_s_connection_that_is_not_older_than_the_coordinator)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    station_fail_over(&station);
    group_set_begin(station.groups, 9);
    struct group_way old = {.router = 77, .number = 5, .connection = 8};
    struct group_way new = {.router = 77, .number = 6, .connection = 9};
    cr_assert_eq(hear(a.id, old), GROUP_HEARD_BY_AN_OLD_WAY);
    cr_assert_eq(hear(a.id, old), GROUP_HEARD_BY_AN_OLD_WAY, "its client has done nothing wrong");
    cr_assert_eq(hear(a.id, new), GROUP_HEARD, "asked again by the router");
    old.connection = 9;
    cr_assert_eq(hear(a.id, old), GROUP_HEARD_LATE);
    station_close(&station);
}
