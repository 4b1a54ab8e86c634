/* Static members (KIP-345): who comes back under an instance id, and what others notice. */
#include "coordinator_station.h"

static struct station station;

static void open_station(void)
{
    station_open(&station, 0, 100);
}

static void close_station(void)
{
    station_close(&station);
}

TestSuite(cluster_static_member, .init = open_station);

Test(cluster_static_member, gives_a_static_member_its_place_back_without_a_rebalance)
{
    struct player a = player_of("orders"), b = player_of("orders");
    a.instance = "one";
    b.instance = "two";
    players_settle(&station, &a, &b);
    struct player again = player_of("orders");
    again.instance = "two";
    player_join(&station, &again);
    cr_assert_eq(again.join_code, PENDING, "its new id is not stored yet");
    station_apply(&station);
    cr_assert_eq(again.join_code, 0);
    cr_assert_eq(again.generation, b.generation);
    cr_assert_eq(player_beat(&station, &a), 0, "nobody else notices");
    player_sync(&station, &again, NULL, 0);
    cr_assert_str_eq(again.assignment, "B");
    cr_assert_eq(player_beat(&station, &b), KAFKA_ERROR_FENCED_INSTANCE_ID);
    cr_assert(consumer_table_has_member(station.table, kafka_string_of("group"),
                                        kafka_string_of(again.id)));
    close_station();
}

Test(cluster_static_member, does_not_make_a_returned_leader_assign_anew)
{
    struct player a = player_of("orders"), again = player_of("orders");
    a.instance = again.instance = "one";
    players_settle(&station, &a, NULL);
    player_join(&station, &again);
    station_apply(&station);
    cr_assert_eq(again.join_code, 0);
    cr_assert_not(again.is_leader);
    cr_assert_str_eq(again.leader, a.id);
    close_station();
}

Test(cluster_static_member, leads_again_without_assigning_where_it_can_be_told_so)
{
    struct player a = player_of("orders"), b = player_of("orders"), again = player_of("orders");
    a.instance = again.instance = "one";
    again.may_skip = true;
    players_settle(&station, &a, &b);
    player_join(&station, &again);
    station_apply(&station);
    cr_assert_eq(again.join_code, 0);
    cr_assert(again.is_leader, "someone has to watch what the group reads");
    cr_assert(again.skips);
    cr_assert_eq(again.member_count, 2);
    player_sync(&station, &again, NULL, 0);
    cr_assert_str_eq(again.assignment, "A");
    cr_assert_eq(player_beat(&station, &b), 0, "nobody else notices");
    close_station();
}

Test(cluster_static_member, does_not_lead_because_it_could_skip_the_leaders_work)
{
    struct player a = player_of("orders"), b = player_of("orders"), again = player_of("orders");
    b.instance = again.instance = "two";
    again.may_skip = true;
    players_settle(&station, &a, &b);
    player_join(&station, &again);
    station_apply(&station);
    cr_assert_eq(again.join_code, 0);
    cr_assert_not(again.is_leader);
    cr_assert_not(again.skips);
    cr_assert_eq(again.member_count, 0);
    cr_assert_str_eq(again.leader, a.id);
    close_station();
}

Test(cluster_static_member, assigns_when_its_return_begins_a_generation)
{
    struct player a = player_of("orders"), again = player_of("payments");
    a.instance = again.instance = "one";
    again.may_skip = true;
    players_settle(&station, &a, NULL);
    player_join(&station, &again);
    station_apply(&station);
    cr_assert_eq(again.join_code, 0);
    cr_assert(again.is_leader);
    cr_assert_not(again.skips);
    close_station();
}

Test(cluster_static_member, rebalances_when_a_static_member_returns_with_another_subscription)
{
    struct player a = player_of("orders"), b = player_of("orders");
    a.instance = "one";
    b.instance = "two";
    players_settle(&station, &a, &b);
    struct player again = player_of("payments");
    again.instance = "two";
    player_join(&station, &again);
    cr_assert_eq(again.join_code, PENDING);
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    close_station();
}

/* Version 1 of the consumer protocol: two topics, user data, and one partition owned or none. */
static struct bytes subscription_of(uint8_t into[64], const char *first, const char *second,
                                    bool owns_one)
{
    uint8_t *at = bytes_put_be32(bytes_put_be16(into, 1), 2);
    for (const char *topic = first; topic != NULL; topic = topic == first ? second : NULL) {
        at = bytes_put_be16(at, (uint16_t)strlen(topic));
        memcpy(at, topic, strlen(topic));
        at += strlen(topic);
    }
    at = bytes_put_be32(bytes_put_be32(at, UINT32_MAX), owns_one);
    if (owns_one) {
        at = bytes_put_be16(at, 1);
        *at++ = 't';
        at = bytes_put_be32(bytes_put_be32(at, 1), 7);
    }
    return bytes_of(into, (size_t)(at - into));
}

Test(cluster_static_member, looks_only_at_what_a_returning_static_member_reads)
{
    uint8_t before[64], restarted[64], changed[64];
    struct player a = player_of("orders"), b = player_of("");
    a.instance = "one";
    b.instance = "two";
    b.protocols[0].metadata = subscription_of(before, "a", "b", true);
    players_settle(&station, &a, &b);
    struct player again = b;
    memset(again.id, 0, sizeof again.id);
    again.protocols[0].metadata = subscription_of(restarted, "b", "a", false);
    player_join(&station, &again);
    station_apply(&station);
    cr_assert_eq(again.join_code, 0, "it owns nothing after a restart, but reads the same");
    cr_assert_eq(again.generation, b.generation);
    cr_assert_eq(player_beat(&station, &a), 0);
    struct player third = again;
    memset(third.id, 0, sizeof third.id);
    third.protocols[0].metadata = subscription_of(changed, "a", "c", false);
    player_join(&station, &third);
    cr_assert_eq(third.join_code, PENDING);
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    close_station();
}

Test(cluster_static_member, fences_the_former_self_of_a_static_member_that_waits)
{
    struct player a = player_of("orders"), b = player_of("orders"), again = player_of("orders");
    b.instance = again.instance = "two";
    players_settle(&station, &a, NULL);
    player_join(&station, &b);
    player_join(&station, &again);
    cr_assert_eq(b.join_code, KAFKA_ERROR_FENCED_INSTANCE_ID);
    cr_assert_eq(again.join_code, PENDING);
    close_station();
}

Test(cluster_static_member, removes_a_static_member_that_a_tool_names_by_its_instance)
{
    struct player a = player_of("orders");
    a.instance = "one";
    players_settle(&station, &a, NULL);
    cr_assert_eq(group_leave(station.groups, kafka_string_of("group"), kafka_string_of(""),
                             kafka_string_of("none"), KAFKA_STRING_NULL),
                 KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(group_leave(station.groups, kafka_string_of("group"), kafka_string_of("other"),
                             kafka_string_of("one"), KAFKA_STRING_NULL),
                 KAFKA_ERROR_FENCED_INSTANCE_ID);
    cr_assert_eq(group_leave(station.groups, kafka_string_of("group"), kafka_string_of(""),
                             kafka_string_of("one"), KAFKA_STRING_NULL),
                 0);
    station_apply(&station);
    cr_assert_eq(station_state(&station), GROUP_EMPTY);
    close_station();
}
