/* When committed offsets are over (cluster/consumer/expiry.c), by live groups and their tables. */
#include "consumer/expiry.h"

#include <criterion/criterion.h>

#include "coordinator_station.h"

#define RETENTION_MS 60000
#define STAMP_MS     5 /* when offsets are committed */

/* Version 1 of a subscription to the topic "orders". */
static const uint8_t orders[] = {0, 1, 0, 0, 0, 1, 0, 6, 'o', 'r', 'd', 'e', 'r', 's', 0, 0, 0, 0};
static const uint8_t nothing[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0};

static struct player reader_of(const uint8_t *subscription, size_t size)
{
    return (struct player){.protocols = {{kafka_string_of("range"), bytes_of(subscription, size)}},
                           .protocol_count = 1};
}

/* A group of nobody has offsets of two topics. */
static void stage_open(struct station *s)
{
    struct byte_list commit = commit_body("group", -1, "", "orders", 0, 7);
    station_open(s, 0, 10);
    cr_assert_eq(apply_error(s->table, &commit, STAMP_MS), 0);
    commit = commit_body("group", -1, "", "bills", 0, 9);
    cr_assert_eq(apply_error(s->table, &commit, STAMP_MS), 0);
}

struct look {
    struct expiry expiry;
    char over[64]; /* the topic of the last one */
    unsigned count;
};

static void look_at(void *data, const struct consumer_offset *offset)
{
    struct look *look = data;
    if (!expiry_is_over(&look->expiry, offset))
        return;
    look->count++;
    snprintf(look->over, sizeof look->over, "%.*s", (int)offset->committed.topic.size,
             offset->committed.topic.data);
}

/* How many offsets are over at this time; the last one's topic in `look`. */
static unsigned count_over(const struct station *s, struct look *look, int64_t now_ms)
{
    struct kafka_string id = kafka_string_of("group");
    struct consumer_group group;
    *look = (struct look){.count = 0};
    cr_assert(consumer_table_group(s->table, id, &group));
    expiry_begin(&look->expiry, &group, group_set_find(s->groups, id), now_ms, RETENTION_MS);
    consumer_table_each_offset(s->table, id, look_at, look);
    expiry_end(&look->expiry);
    return look->count;
}

Test(cluster_expiry, of_a_group_that_never_had_members_goes_by_the_commit)
{
    struct station s;
    struct look look;
    stage_open(&s);
    cr_assert_eq(count_over(&s, &look, STAMP_MS + RETENTION_MS - 1), 0);
    cr_assert_eq(count_over(&s, &look, STAMP_MS + RETENTION_MS), 2);
    station_close(&s);
}

Test(cluster_expiry, of_a_group_that_had_members_begins_when_the_last_one_left)
{
    struct station s;
    struct look look;
    struct player p = reader_of(orders, sizeof orders);
    stage_open(&s);
    players_settle(&s, &p, NULL);
    station_pass(&s, 1000);
    int64_t left_at_ms = (int64_t)s.now_ms;
    cr_assert_eq(player_leave(&s, &p), 0);
    cr_assert_eq(count_over(&s, &look, INT32_MAX), 0, "that it left is no entry yet");
    station_apply(&s);
    cr_assert_eq(count_over(&s, &look, left_at_ms + RETENTION_MS - 1), 0);
    cr_assert_eq(count_over(&s, &look, left_at_ms + RETENTION_MS), 2);
    station_close(&s);
}

Test(cluster_expiry, takes_from_a_living_group_only_what_no_member_reads)
{
    struct station s;
    struct look look;
    struct player a = reader_of(orders, sizeof orders), b = reader_of(nothing, sizeof nothing);
    stage_open(&s);
    players_settle(&s, &b, &a);
    cr_assert_eq(count_over(&s, &look, STAMP_MS + RETENTION_MS - 1), 0);
    cr_assert_eq(count_over(&s, &look, STAMP_MS + RETENTION_MS), 1);
    cr_assert_str_eq(look.over, "bills");
    station_fail_over(&s);
    cr_assert_eq(count_over(&s, &look, STAMP_MS + RETENTION_MS), 1, "the next coordinator agrees");
    station_close(&s);
}

/* The coordinator looked before; these members came while its entry was under way. */
Test(cluster_expiry, is_undone_in_apply_for_what_members_read_by_then)
{
    static const char *const topics[] = {"orders", "bills"};
    struct station s;
    struct consumer_offset offset;
    struct player p = reader_of(orders, sizeof orders);
    stage_open(&s);
    players_settle(&s, &p, NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct byte_list removal = removal_body("group", topics[i], 0, GROUP_OFFSET_EXPIRED,
                                                STAMP_MS);
        cr_assert_eq(apply_error(s.table, &removal, INT32_MAX), 0);
        cr_assert_eq(consumer_table_offset(s.table, kafka_string_of("group"),
                                           kafka_string_of(topics[i]), 0, &offset),
                     i == 0, "%s", topics[i]);
    }
    station_close(&s);
}

Test(cluster_expiry, takes_nothing_while_a_group_gathers)
{
    struct station s;
    struct look look;
    struct player a = reader_of(nothing, sizeof nothing), b = a;
    stage_open(&s);
    player_join_as(&s, &a, true);
    cr_assert_eq(count_over(&s, &look, INT32_MAX), 0, "somebody was given an id");
    players_settle(&s, &a, NULL);
    cr_assert_eq(count_over(&s, &look, INT32_MAX), 2);
    player_join(&s, &b);
    cr_assert_eq(station_state(&s), GROUP_PREPARING);
    cr_assert_eq(count_over(&s, &look, INT32_MAX), 0);
    station_close(&s);
}

Test(cluster_expiry, takes_nothing_from_members_whose_subscriptions_can_not_be_read)
{
    struct station s;
    struct look look;
    struct player p = reader_of(orders, sizeof orders - 8);
    stage_open(&s);
    players_settle(&s, &p, NULL);
    cr_assert_eq(count_over(&s, &look, INT32_MAX), 0);
    station_close(&s);
}

Test(cluster_expiry, comes_when_an_old_client_said_so_but_not_while_members_read_on)
{
    struct station s;
    struct look look;
    struct player p = reader_of(orders, sizeof orders);
    struct byte_list commit = {0};
    struct group_commit old = {.generation = -1,
                               .member_id = kafka_string_of(""),
                               .instance_id = KAFKA_STRING_NULL,
                               .client_id = kafka_string_of("client"),
                               .client_host = kafka_string_of("/127.0.0.1"),
                               .expire_at_ms = 100,
                               .policy = GROUP_POLICY_GUARD,
                               .offset_count = 1};
    struct group_offset offset = {.topic = kafka_string_of("orders"),
                                  .metadata = kafka_string_of("")};
    stage_open(&s);
    group_commit_put(&commit, kafka_string_of("group"), &old);
    group_offset_put(&commit, &offset);
    cr_assert_eq(apply_error(s.table, &commit, STAMP_MS), 0);
    cr_assert_eq(count_over(&s, &look, 99), 0);
    cr_assert_eq(count_over(&s, &look, 100), 1);
    cr_assert_str_eq(look.over, "orders");
    players_settle(&s, &p, NULL);
    cr_assert_eq(count_over(&s, &look, 100), 0);
    station_close(&s);
}
