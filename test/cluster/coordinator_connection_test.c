/* Which connection a member speaks on: what an older one still brings comes too late. */
#include "coordinator_station.h"

static struct station station;

static void open_station(void)
{
    station_open(&station, 0, 100);
}

TestSuite(cluster_member_connection, .init = open_station);

static bool hears(const char *member_id, uint64_t connection)
{
    return group_hear_connection(station.groups, kafka_string_of("group"),
                                 kafka_string_of(member_id), connection);
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
