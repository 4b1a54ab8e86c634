/* The classic group protocol: who is told what, when. */
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

/* Those who still wait at a test's end are answered there: they live in its frame. */
TestSuite(cluster_coordinator, .init = open_station);

/* ---- joining and syncing ---- */

Test(cluster_coordinator, answers_a_join_once_its_generation_is_taken)
{
    struct player a = player_of("orders");
    player_join(&station, &a);
    cr_assert_eq(a.join_code, PENDING, "nobody may hear of a number that could be given again");
    station_apply(&station);
    cr_assert_eq(a.join_code, 0);
    cr_assert_eq(a.generation, 1);
    cr_assert(a.is_leader);
    cr_assert_eq(a.member_count, 1);
    cr_assert_eq(station_state(&station), GROUP_COMPLETING);
    close_station();
}

Test(cluster_coordinator, answers_a_sync_once_the_assignment_is_applied)
{
    struct player a = player_of("orders");
    struct group_assignment mine = {{0}, bytes_of_text("A")};
    player_join(&station, &a);
    station_apply(&station);
    mine.member_id = kafka_string_of(a.id);
    player_sync(&station, &a, &mine, 1);
    cr_assert_eq(a.sync_code, PENDING);
    station_apply(&station);
    cr_assert_eq(a.sync_code, 0);
    cr_assert_str_eq(a.assignment, "A");
    cr_assert_eq(station_state(&station), GROUP_STABLE);
    cr_assert(
        consumer_table_has_member(station.table, kafka_string_of("group"), kafka_string_of(a.id)));
    close_station();
}

Test(cluster_coordinator, shares_among_two_and_tells_the_first_to_join_again)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, NULL);
    player_join(&station, &b);
    station_apply(&station);
    cr_assert_eq(b.join_code, PENDING, "the first has not joined again");
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(a.join_code, 0);
    cr_assert_eq(b.join_code, 0);
    cr_assert_eq(a.generation, 2);
    cr_assert_eq(b.generation, 2);
    cr_assert(a.is_leader);
    cr_assert_eq(a.member_count, 2);
    cr_assert_eq(b.member_count, 0, "only the leader is told who is there");
    cr_assert_eq(player_beat(&station, &b), 0);
    close_station();
}

Test(cluster_coordinator, tells_once_why_a_group_rebalances)
{
    struct player a = player_of("orders"), b = player_of("orders"), c = player_of("orders");
    a.reason = "first";
    players_settle(&station, &a, NULL);
    cr_assert_str_eq(station.cause, "joined: first");
    b.reason = "more of us";
    c.reason = "too late for the cause";
    player_join(&station, &b);
    player_join(&station, &c);
    cr_assert_eq(station.rebalance_count, 2, "one rebalance, whoever else comes to it");
    cr_assert_str_eq(station.cause, "joined: more of us");
    player_join(&station, &a);
    station_apply(&station);
    b.reason = "the consumer is being closed";
    cr_assert_eq(player_leave(&station, &b), 0);
    cr_assert_str_eq(station.cause, "left: the consumer is being closed");
    cr_assert_eq(station.rebalance_count, 3);
    close_station();
}

Test(cluster_coordinator, tells_that_a_session_ended)
{
    struct player a = player_of("orders");
    players_settle(&station, &a, NULL);
    station_pass(&station, 11000);
    station_apply(&station);
    cr_assert_str_eq(station.cause, "session_ended: ");
    close_station();
}

Test(cluster_coordinator, asks_a_new_member_to_come_again_with_its_id)
{
    struct player a = player_of("orders");
    player_join_as(&station, &a, true);
    cr_assert_eq(a.join_code, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    cr_assert_eq(strncmp(a.id, "client-", 7), 0);
    cr_assert_eq(station.count, 0, "nothing is written for one who may never come");
    player_join_as(&station, &a, true);
    station_apply(&station);
    cr_assert_eq(a.join_code, 0);
    close_station();
}

Test(cluster_coordinator, forgets_an_id_that_was_not_used)
{
    struct player a = player_of("orders");
    player_join_as(&station, &a, true);
    station_pass(&station, 10020);
    cr_assert_null(group_set_find(station.groups, kafka_string_of("group")));
    player_join_as(&station, &a, true);
    cr_assert_eq(a.join_code, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    close_station();
}

Test(cluster_coordinator, refuses_what_a_group_can_not_take)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, NULL);
    b.protocols[0].name = kafka_string_of("sticky");
    player_join(&station, &b);
    cr_assert_eq(b.join_code, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    strcpy(b.id, "nobody");
    b.protocols[0].name = kafka_string_of("range");
    player_join(&station, &b);
    cr_assert_eq(b.join_code, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    b.generation = 1;
    player_sync(&station, &b, NULL, 0);
    cr_assert_eq(b.sync_code, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(player_beat(&station, &b), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(player_leave(&station, &b), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    struct player stale = a;
    stale.generation = 7;
    player_sync(&station, &stale, NULL, 0);
    cr_assert_eq(stale.sync_code, KAFKA_ERROR_ILLEGAL_GENERATION);
    cr_assert_eq(player_beat(&station, &stale), KAFKA_ERROR_ILLEGAL_GENERATION);
    close_station();
}

Test(cluster_coordinator, keeps_a_group_within_its_size)
{
    struct player a = player_of("orders"), b = player_of("orders");
    station_close(&station);
    station_open(&station, 0, 1);
    players_settle(&station, &a, NULL);
    player_join(&station, &b);
    cr_assert_eq(b.join_code, KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(a.join_code, 0, "whoever is in may join again");
    close_station();
}

Test(cluster_coordinator, tells_a_follower_again_without_a_rebalance)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    player_join(&station, &b);
    cr_assert_eq(b.join_code, 0);
    cr_assert_eq(b.generation, 2);
    player_sync(&station, &b, NULL, 0);
    cr_assert_str_eq(b.assignment, "B");
    b.protocols[0].metadata = bytes_of_text("payments");
    player_join(&station, &b);
    cr_assert_eq(b.join_code, PENDING, "it reads something else now");
    cr_assert_eq(station_state(&station), GROUP_PREPARING);
    close_station();
}

Test(cluster_coordinator, begins_anew_for_a_leader_that_joins_again_only_when_it_assigns_otherwise)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    station_fail_over(&station);
    player_join(&station, &a);
    cr_assert_eq(a.join_code, 0, "some clients join again when their coordinator has moved");
    cr_assert(a.is_leader);
    cr_assert_eq(a.member_count, 2);
    cr_assert_eq(a.generation, 2);
    struct group_assignment assignments[] = {{kafka_string_of(a.id), bytes_of_text("A")},
                                             {kafka_string_of(b.id), bytes_of_text("B")}};
    player_sync(&station, &a, assignments, 2);
    cr_assert_eq(a.sync_code, 0);
    cr_assert_str_eq(a.assignment, "A");
    cr_assert_eq(player_beat(&station, &b), 0, "nobody noticed");
    cr_assert_eq(station.count, 0);
    for (int i = 0; i < 3; i++) { /* another one, one less, one who is not there */
        assignments[1].assignment = bytes_of_text(i == 0 ? "C" : "B");
        assignments[1].member_id = kafka_string_of(i == 2 ? "nobody" : b.id);
        player_sync(&station, &a, assignments, i == 1 ? 1 : 2);
        cr_assert_eq(a.sync_code, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        cr_assert_eq(player_beat(&station, &b), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        station_fail_over(&station); /* as it was */
    }
    close_station();
}

Test(cluster_coordinator, votes_for_what_most_prefer_and_all_know)
{
    struct player players[] = {player_of(""), player_of(""), player_of("")};
    struct group_description description;
    for (int i = 0; i < 3; i++) {
        players[i].protocols[1] = players[i].protocols[0];
        players[i].protocols[i == 0 ? 0 : 1].name = kafka_string_of("sticky");
        players[i].protocol_count = 2;
        player_join(&station, &players[i]);
    }
    station_apply(&station);
    live_group_describe(group_set_find(station.groups, kafka_string_of("group")), &description);
    cr_assert_eq(description.state, GROUP_COMPLETING);
    cr_assert(kafka_string_is_text(description.protocol_name, "range"), "two of three");
    close_station();
}

/* ---- leaving and time ---- */

Test(cluster_coordinator, drops_who_does_not_join_again_in_time)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, NULL);
    player_join(&station, &b);
    for (int i = 0; i < 10; i++) { /* it beats but never joins */
        station_pass(&station, 2900);
        cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    }
    station_apply(&station);
    station_pass(&station, 1100);
    station_apply(&station);
    cr_assert_eq(b.join_code, 0);
    cr_assert(b.is_leader);
    cr_assert_eq(b.member_count, 1);
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    close_station();
}

Test(cluster_coordinator, ends_a_silent_session_and_stores_that_nobody_is_left)
{
    struct player a = player_of("orders");
    struct consumer_group group;
    players_settle(&station, &a, NULL);
    station_pass(&station, 9000);
    cr_assert_eq(player_beat(&station, &a), 0);
    station_pass(&station, 9000);
    cr_assert_eq(player_beat(&station, &a), 0);
    station_pass(&station, 10020);
    station_apply(&station);
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    cr_assert(consumer_table_group(station.table, kafka_string_of("group"), &group));
    cr_assert_eq(group.membership.member_count, 0);
    cr_assert_eq(group.membership.generation, 1);
    cr_assert_null(group_set_find(station.groups, kafka_string_of("group")),
                   "the table says all there is");
    close_station();
}

Test(cluster_coordinator, ends_no_session_for_the_time_in_which_it_did_not_run)
{
    struct player a = player_of("orders"), b = player_of("orders"), c = player_of("orders");
    players_settle(&station, &a, &b);
    player_join_as(&station, &c, true);
    station.now_ms += 60000; /* stopped: heartbeats wait in the sockets */
    group_set_tick(station.groups);
    cr_assert_eq(player_beat(&station, &a), 0);
    cr_assert_eq(player_beat(&station, &b), 0);
    player_join_as(&station, &c, true);
    cr_assert_eq(c.join_code, PENDING, "the id that it was given still counts");
    station_pass(&station, 40020);
    station_apply(&station);
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_UNKNOWN_MEMBER_ID, "as ever from then on");
    close_station();
}

Test(cluster_coordinator, is_unsettled_while_a_group_gathers_or_a_member_is_silent)
{
    struct player a = player_of("orders"), b = player_of("orders");
    cr_assert_not(group_set_is_unsettled(station.groups));
    player_join(&station, &a);
    station_apply(&station);
    cr_assert(group_set_is_unsettled(station.groups), "a successor would not know of it");
    players_settle(&station, &a, &b);
    cr_assert_not(group_set_is_unsettled(station.groups));
    station_pass(&station, 6000);
    cr_assert_eq(player_beat(&station, &a), 0);
    cr_assert(group_set_is_unsettled(station.groups),
              "a successor would wait for it as long again");
    cr_assert_eq(player_beat(&station, &b), 0);
    cr_assert_not(group_set_is_unsettled(station.groups));
    close_station();
}

Test(cluster_coordinator, stores_that_nobody_is_left_also_when_it_must_try_again)
{
    struct player a = player_of("orders");
    struct consumer_group group;
    players_settle(&station, &a, NULL);
    station.refuse_with = ERR_BUSY;
    cr_assert_eq(player_leave(&station, &a), 0);
    station_pass(&station, 200);
    station.refuse_with = 0;
    station_pass(&station, 200);
    station_apply(&station);
    cr_assert(consumer_table_group(station.table, kafka_string_of("group"), &group));
    cr_assert_eq(group.membership.member_count, 0);
    cr_assert_null(group_set_find(station.groups, kafka_string_of("group")));
    close_station();
}

Test(cluster_coordinator, goes_on_at_once_when_a_member_leaves)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    cr_assert_eq(player_leave(&station, &a), 0);
    cr_assert_eq(player_beat(&station, &b), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    player_join(&station, &b);
    station_apply(&station);
    cr_assert_eq(b.join_code, 0);
    cr_assert(b.is_leader);
    cr_assert_eq(b.generation, 3);
    close_station();
}

Test(cluster_coordinator, drops_who_never_asks_for_its_assignment)
{
    struct player a = player_of("orders"), b = player_of("orders");
    player_join(&station, &a);
    player_join(&station, &b);
    station_apply(&station);
    player_sync(&station, &b, NULL, 0);
    for (int i = 0; i < 11; i++) {
        station_pass(&station, 3000);
        player_beat(&station, &a);
    }
    cr_assert_eq(b.sync_code, KAFKA_ERROR_REBALANCE_IN_PROGRESS, "its leader is out");
    player_join(&station, &b);
    station_apply(&station);
    cr_assert_eq(b.join_code, 0);
    cr_assert(b.is_leader);
    close_station();
}

Test(cluster_coordinator, waits_for_more_members_of_a_new_group_when_told_to)
{
    struct player a = player_of("orders"), b = player_of("orders");
    station_close(&station);
    station_open(&station, 3000, 100);
    player_join(&station, &a);
    station_apply(&station);
    station_pass(&station, 2000);
    cr_assert_eq(a.join_code, PENDING);
    player_join(&station, &b);
    station_pass(&station, 2000);
    cr_assert_eq(a.join_code, PENDING, "someone came: it waits on");
    station_pass(&station, 2100);
    station_apply(&station);
    cr_assert_eq(a.join_code, 0);
    cr_assert_eq(b.join_code, 0);
    cr_assert_eq(a.generation, b.generation);
    close_station();
}

Test(cluster_coordinator, begins_anew_when_the_assignment_can_not_be_stored)
{
    struct player a = player_of("orders");
    player_join(&station, &a);
    station_apply(&station);
    player_sync(&station, &a, NULL, 0);
    station_finish(&station, ERR_FULL);
    cr_assert_eq(a.sync_code, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    cr_assert_eq(station_state(&station), GROUP_PREPARING);
    close_station();
}

Test(cluster_coordinator, ignores_an_assignment_of_a_round_that_is_over)
{
    struct player a = player_of("orders"), b = player_of("orders");
    player_join(&station, &a);
    station_apply(&station);
    player_sync(&station, &a, NULL, 0);
    player_join(&station, &b); /* before the assignment is applied */
    cr_assert_eq(a.sync_code, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    station_apply(&station);
    cr_assert_eq(station_state(&station), GROUP_PREPARING);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(a.generation, 2);
    cr_assert_eq(b.generation, 2);
    close_station();
}

/* ---- commits ---- */

static int may_commit(const struct player *p)
{
    return group_check_commit(station.groups, STATION_PARTITION, kafka_string_of("group"),
                              p->generation, kafka_string_of(p->id), kafka_string_of(p->instance));
}

Test(cluster_coordinator, lets_members_commit_and_strangers_only_into_an_empty_group)
{
    struct player a = player_of("orders"), nobody = {.generation = -1};
    struct player stale = {.id = "gone", .generation = 4};
    cr_assert_eq(may_commit(&nobody), 0);
    cr_assert_eq(may_commit(&stale), KAFKA_ERROR_ILLEGAL_GENERATION);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(may_commit(&a), KAFKA_ERROR_REBALANCE_IN_PROGRESS, "nothing is assigned yet");
    player_sync(&station, &a, NULL, 0);
    station_apply(&station);
    cr_assert_eq(may_commit(&a), 0);
    cr_assert_eq(may_commit(&nobody), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(may_commit(&stale), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    struct player b = player_of("orders");
    player_join(&station, &b);
    cr_assert_eq(may_commit(&a), 0, "what it did before it joins again");
    stale = a;
    stale.generation = 0;
    cr_assert_eq(may_commit(&stale), KAFKA_ERROR_ILLEGAL_GENERATION);
    close_station();
}

/* ---- a new leader ---- */

Test(cluster_coordinator, goes_on_after_a_failover_without_a_rebalance)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, &b);
    station_fail_over(&station);
    cr_assert_eq(station_state(&station), GROUP_STABLE);
    cr_assert_eq(player_beat(&station, &a), 0);
    cr_assert_eq(player_beat(&station, &b), 0);
    player_sync(&station, &b, NULL, 0);
    cr_assert_eq(b.sync_code, 0);
    cr_assert_str_eq(b.assignment, "B");
    station_pass(&station, 9000);
    cr_assert_eq(player_beat(&station, &a), 0, "sessions began anew");
    cr_assert_eq(station.count, 0, "nothing had to be written");
    close_station();
}

Test(cluster_coordinator, never_repeats_a_generation_after_a_failover)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, NULL);
    player_join(&station, &b);
    player_join(&station, &a);
    station_apply(&station); /* both are told generation 2, which is never stored */
    cr_assert_eq(a.generation, 2);
    station_fail_over(&station);
    cr_assert_eq(player_beat(&station, &a), KAFKA_ERROR_ILLEGAL_GENERATION);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(a.join_code, 0);
    cr_assert_eq(a.generation, 3);
    close_station();
}

Test(cluster_coordinator, tells_no_member_a_lower_generation_after_a_failover)
{
    struct player a = player_of("orders"), b = player_of("orders"), c = player_of("orders");
    players_settle(&station, &a, &b);
    player_join(&station, &c);
    player_join(&station, &b);
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(b.generation, 3);
    station_fail_over(&station);
    player_join(&station, &b);
    cr_assert_eq(b.join_code, PENDING, "of generation 2 it is a known member, but it knows of 3");
    player_join(&station, &a);
    station_apply(&station);
    cr_assert_eq(b.join_code, 0);
    cr_assert_eq(b.generation, 4);
    close_station();
}

Test(cluster_coordinator, answers_all_who_wait_when_leadership_is_lost)
{
    struct player a = player_of("orders"), b = player_of("orders");
    players_settle(&station, &a, NULL);
    player_join(&station, &b);
    station_fail_over(&station);
    cr_assert_eq(b.join_code, KAFKA_ERROR_NOT_COORDINATOR);
    a.protocols[0].metadata = bytes_of_text("payments");
    player_join(&station, &a);
    station_apply(&station);
    player_sync(&station, &a, NULL, 0);
    station_fail_over(&station);
    cr_assert_eq(a.sync_code, KAFKA_ERROR_NOT_COORDINATOR);
    close_station();
}
