/* Which connection a member speaks on: what an older one still brings comes too late. */
#include "coordinator_station.h"

static struct station station;

static void open_station(void)
{
    station_open(&station, 0, 100);
}

TestSuite(cluster_member_connection, .init = open_station);

static bool hears_way(const char *member_id, struct group_way way)
{
    return group_hear(station.groups, kafka_string_of("group"), kafka_string_of(member_id), &way);
}

static bool hears(const char *member_id, uint64_t connection)
{
    return hears_way(member_id, (struct group_way){.number = connection, .since = connection});
}

/* Through a router, which took the client's connection when this node's newest was `since`. */
static bool hears_by(const char *member_id, uint64_t router, uint64_t number, uint64_t since)
{
    struct group_way way = {.router = router, .number = number, .since = since};
    return hears_way(member_id, way);
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

Test(cluster_member_connection, is_told_by_its_router)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    cr_assert(hears_by(a.id, 77, 5, 9));
    cr_assert(hears_by(a.id, 77, 5, 9));
    cr_assert(hears_by(b.id, 77, 4, 8), "an older client's, of the same router");
    cr_assert_not(hears_by(a.id, 77, 4, 9), "the member's own former one");
    cr_assert(hears_by(a.id, 77, 6, 9));
    cr_assert_not(hears_by(a.id, 77, 5, 9));
    cr_assert(hears_by(a.id, 77, 7, 12));
    cr_assert_not(hears_by(a.id, 77, 8, 9), "the router moved what it had of an older one");
    station_close(&station);
}

Test(cluster_member_connection, compares_whichever_routers_it_is_at)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    cr_assert(hears_by(a.id, 77, 1000, 9));
    cr_assert(hears_by(a.id, 88, 3, 10), "another router has its own numbers");
    cr_assert_not(hears_by(a.id, 77, 1000, 9));
    cr_assert_not(hears_by(a.id, 99, 1, 9), "a router by which it was never heard here");
    cr_assert(hears(a.id, 11), "the node itself");
    cr_assert_not(hears_by(a.id, 88, 3, 10));
    cr_assert(hears_by(a.id, 77, 1001, 12));
    cr_assert_not(hears(a.id, 11));
    station_close(&station);
}

Test(cluster_member_connection, is_the_first_heard_of_two_routers_that_know_no_more)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    cr_assert(hears_by(a.id, 77, 1000, 9));
    cr_assert_not(hears_by(a.id, 88, 3, 9), "nobody can tell which is newer");
    cr_assert_not(hears(a.id, 9));
    cr_assert(hears_by(a.id, 77, 1000, 9));
    cr_assert(hears_by(a.id, 88, 4, 10), "when it comes again, the node's number has risen");
    cr_assert_not(hears_by(a.id, 77, 1000, 9));
    station_close(&station);
}

Test(cluster_member_connection, to_a_router_is_not_older_than_the_coordinator)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    station_fail_over(&station);
    group_set_begin(station.groups, 9);
    cr_assert_not(hears_by(a.id, 77, 5, 8), "it may bring what was sent to another coordinator");
    cr_assert_not(hears_by("", 77, 5, 0), "nor is known since when it is there");
    cr_assert(hears_by(a.id, 77, 6, 9));
    cr_assert_not(hears_by(a.id, 77, 5, 8));
    station_close(&station);
}
