/* What a member is told of the lower offset that it has itself committed. */
#include "coordinator_station.h"

#define CONNECTION 7

static struct station station;
static struct player a, b;

static struct group_way way_of(uint64_t connection)
{
    return (struct group_way){.number = connection, .since = connection};
}

static void open_station(void)
{
    station_open(&station, 0, 100);
    a = player_of("orders");
    b = player_of("orders");
    players_settle(&station, &a, &b);
    struct group_way way = way_of(CONNECTION);
    group_hear(station.groups, kafka_string_of("group"), kafka_string_of(a.id), &way);
}

TestSuite(cluster_member_belief, .init = open_station);

static void believe(const char *topic, int32_t partition, int64_t offset)
{
    struct group_offset asked = {.topic = kafka_string_of(topic),
                                 .partition = partition,
                                 .offset = offset,
                                 .leader_epoch = 3};
    group_believe(station.groups, kafka_string_of("group"), kafka_string_of(a.id), &asked);
}

/* -9: what is stored. */
static int64_t told_by(struct group_way way, const char *topic, int32_t partition)
{
    int64_t offset;
    int32_t leader_epoch;
    if (!group_belief(station.groups, kafka_string_of("group"), &way, kafka_string_of(topic),
                      partition, &offset, &leader_epoch))
        return -9;
    cr_assert_eq(leader_epoch, 3);
    return offset;
}

static int64_t told_on(uint64_t connection, const char *topic, int32_t partition)
{
    return told_by(way_of(connection), topic, partition);
}

Test(cluster_member_belief, is_told_on_the_member_s_connection_alone)
{
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -9);
    believe("orders", 0, 5);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), 5);
    cr_assert_eq(told_on(CONNECTION + 1, "orders", 0), -9);
    cr_assert_eq(told_on(CONNECTION, "orders", 1), -9);
    cr_assert_eq(told_on(CONNECTION, "others", 0), -9);
    station_close(&station);
}

Test(cluster_member_belief, is_told_through_a_router_to_whom_it_was_committed_by_there)
{
    struct group_way way = {.router = 77, .number = CONNECTION, .since = 100};
    group_hear(station.groups, kafka_string_of("group"), kafka_string_of(a.id), &way);
    believe("orders", 0, 5);
    cr_assert_eq(told_by(way, "orders", 0), 5);
    way.number++;
    cr_assert_eq(told_by(way, "orders", 0), -9, "another client of the router");
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -9);
    station_close(&station);
}

Test(cluster_member_belief, is_the_last_one_until_the_offset_is_stored)
{
    believe("orders", 0, 5);
    believe("orders", 1, 8);
    believe("orders", 0, -1);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -1);
    group_believe_stored(station.groups, kafka_string_of("group"), kafka_string_of(a.id),
                         kafka_string_of("orders"), 0);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -9);
    cr_assert_eq(told_on(CONNECTION, "orders", 1), 8);
    station_close(&station);
}

Test(cluster_member_belief, ends_with_the_generation)
{
    believe("orders", 0, 5);
    player_leave(&station, &b);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -9);
    station_close(&station);
}

Test(cluster_member_belief, ends_with_the_member_and_with_the_coordinator)
{
    believe("orders", 0, 5);
    station_fail_over(&station);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -9);
    believe("orders", 0, 5);
    player_leave(&station, &a);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), -9);
    station_close(&station);
}

Test(cluster_member_belief, is_bounded)
{
    for (int32_t partition = 0; partition < 5000; partition++)
        believe("orders", partition, 1);
    cr_assert_eq(told_on(CONNECTION, "orders", 0), 1);
    cr_assert_eq(told_on(CONNECTION, "orders", 4999), -9, "as without it");
    station_close(&station);
}
