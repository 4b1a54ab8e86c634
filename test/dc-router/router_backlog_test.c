/* A topic whose consumers are too far behind takes no records, until they have come down. */
#include "protocol/error.h"
#include "router/backlog.h"
#include "router_requests.h"
#include "router_stage.h"

#define EVERY_MS 5000

static void open_with(const char *settings)
{
    open_world_with(settings);
    world_pass_ms(&w, 600); /* the topic is known, and looked at */
}

/* ---- what is found, and what follows ---- */

#define RECORDS                                                                                    \
    (struct conf_backlog)                                                                          \
    {                                                                                              \
        .topic = "t", .group = "g", .records = 100                                                 \
    }
#define AGE                                                                                        \
    (struct conf_backlog)                                                                          \
    {                                                                                              \
        .topic = "t", .group = "g", .ms = 60000                                                    \
    }

static bool is_open(struct conf_backlog limit, bool was_open, struct backlog_partition first,
                    struct backlog_partition second)
{
    struct backlog_partition partitions[2] = {first, second};
    return backlog_is_too_much(&limit, was_open, partitions, 2);
}

Test(router_backlog, a_limit_of_records_is_for_all_partitions_together)
{
    struct backlog_partition half = {.committed = 10, .end = 60};
    struct backlog_partition more = {.committed = 10, .end = 61};
    cr_assert_not(is_open(RECORDS, false, half, half));
    cr_assert(is_open(RECORDS, false, half, more));
}

Test(router_backlog, it_closes_at_half_of_the_limit)
{
    struct backlog_partition none = {.committed = 5, .end = 5};
    struct backlog_partition above = {.committed = 0, .end = 51};
    struct backlog_partition at = {.committed = 0, .end = 50};
    cr_assert(is_open(RECORDS, true, none, above));
    cr_assert_not(is_open(RECORDS, true, none, at));
}

Test(router_backlog, what_nobody_has_committed_or_can_read_is_not_counted)
{
    struct backlog_partition never = {.committed = -1, .end = 1000000};
    struct backlog_partition gap = {.committed = 40, .end = INT64_C(1) << 40};
    cr_assert_not(is_open(RECORDS, false, never, gap));
}

Test(router_backlog, a_limit_of_time_is_for_the_oldest_that_is_not_committed)
{
    struct backlog_partition level = {.committed = 70, .end = 70, .young = -1};
    struct backlog_partition young = {.committed = 60, .end = 70, .young = 60};
    struct backlog_partition old = {.committed = 59, .end = 70, .young = 60};
    struct backlog_partition all_old = {.committed = 60, .end = 70, .young = -1};
    cr_assert_not(is_open(AGE, false, level, young));
    cr_assert(is_open(AGE, false, level, old));
    cr_assert(is_open(AGE, false, all_old, level));
    cr_assert_eq(backlog_age_ms(&AGE, false), 60000);
    cr_assert_eq(backlog_age_ms(&AGE, true), 30000);
}

/* ---- asked for ---- */

TestSuite(router_backlog_asked, .fini = close_world);

static unsigned taken[WORLD_NODES]; /* calls of each node that were looked at */

/* The node's next call of that API, which has to be there. */
static unsigned next_call(int32_t node, enum kafka_api_key api)
{
    unsigned n = taken[node - 1]++;
    cr_assert_eq(world_call(&w, node, n)->header.api_key, (int16_t)api, "%d",
                 world_call(&w, node, n)->header.api_key);
    return n;
}

static void answer_committed(int64_t committed)
{
    world_answer_committed(&w, 1, next_call(1, KAFKA_API_OFFSET_FETCH), committed);
}

/* Each node for what it was asked; the timestamp that it was asked for. */
static int64_t answer_offsets(int32_t node, int64_t offset, int16_t error_code)
{
    unsigned n = next_call(node, KAFKA_API_LIST_OFFSETS);
    const struct kafka_list_offsets_request *m = world_call(&w, node, n)->message;
    const struct kafka_list_offsets_request_topic *asked = &m->topics[0];
    struct kafka_list_offsets_response_partition partitions[WORLD_PARTITIONS];
    int64_t timestamp = asked->partitions[0].timestamp;
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        kafka_list_offsets_response_partition_init(&partitions[i]);
        partitions[i].partition_index = asked->partitions[i].partition_index;
        partitions[i].offset = offset;
        partitions[i].error_code = error_code;
    }
    world_answer_list_offsets(&w, node, n, partitions, asked->partitions_count);
    return timestamp;
}

/* A round in which the group has committed so much of each partition, and each ends there. */
static void look(int64_t committed, int64_t end)
{
    answer_committed(committed);
    for (int32_t node = 1; node <= WORLD_NODES; node++)
        cr_assert_eq(answer_offsets(node, end, KAFKA_ERROR_NONE), -1);
}

static const struct kafka_produce_response *send_batch(void)
{
    world_send_batch(&client, "t", 5000);
    return world_batch_answer(&client);
}

#define LIMIT "backlog_limits:\n  - {topic: t, group: g, records: 100"

Test(router_backlog_asked, above_the_limit_records_are_throttled_until_the_group_has_come_down)
{
    open_with(LIMIT "}\n");
    look(0, 26);
    const struct kafka_produce_response *got = send_batch();
    cr_assert_not_null(got);
    cr_assert_eq(got->topics[0].partitions[0].error_code, KAFKA_ERROR_THROTTLING_QUOTA_EXCEEDED);
    cr_assert_gt(got->throttle_time_ms, 0);
    cr_assert_eq(w.shard.view.backlogs[0].records, 104);
    cr_assert_eq(w.shard.counts.troubles[TROUBLE_BACKLOG], 1);
    world_pass_ms(&w, EVERY_MS);
    look(13, 26);
    cr_assert(w.shard.view.backlogs[0].is_open, "52 is above the half of it");
    world_pass_ms(&w, EVERY_MS);
    look(14, 26);
    cr_assert_not(w.shard.view.backlogs[0].is_open);
    cr_assert_null(send_batch(), "it waits for its leader");
    cr_assert_eq(w.shard.counts.troubles[TROUBLE_BACKLOG], 1);
}

Test(router_backlog_asked, by_setting_records_are_refused)
{
    open_with(LIMIT ", answer: refuse}\n");
    look(0, 100);
    const struct kafka_produce_response *got = send_batch();
    cr_assert_eq(got->topics[0].partitions[0].error_code, KAFKA_ERROR_POLICY_VIOLATION);
    cr_assert_eq(got->throttle_time_ms, 0);
}

Test(router_backlog_asked, what_can_not_be_found_out_changes_nothing)
{
    open_with(LIMIT "}\n");
    answer_committed(0);
    answer_offsets(1, 1000, KAFKA_ERROR_NONE);
    answer_offsets(2, 0, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    answer_offsets(3, 1000, KAFKA_ERROR_NONE);
    cr_assert_not(w.shard.view.backlogs[0].is_known);
    cr_assert_not(w.shard.view.backlogs[0].is_open);
    world_pass_ms(&w, EVERY_MS);
    look(0, 1000);
    cr_assert(w.shard.view.backlogs[0].is_open);
    world_pass_ms(&w, EVERY_MS);
    answer_committed(1000);
    world_cut(&w, 1);
    cr_assert(w.shard.view.backlogs[0].is_open, "it stays as it was");
}

/* The group is known to be behind, and is looked at again. */
static void open_behind(const char *settings)
{
    open_with(settings);
    look(0, 1000);
    cr_assert(w.shard.view.backlogs[0].is_open);
    world_pass_ms(&w, EVERY_MS);
}

static void assert_stays_open(void)
{
    cr_assert(w.shard.view.backlogs[0].is_open);
    cr_assert_eq(w.shard.view.backlogs[0].records, WORLD_PARTITIONS * 1000);
    cr_assert_null(w.shard.backlogs.round, "nothing is waited for");
}

Test(router_backlog_asked, partitions_that_a_coordinator_leaves_out_are_not_known_to_be_read)
{
    struct kafka_offset_fetch_response m;
    struct kafka_offset_fetch_response_topic topic;
    struct kafka_offset_fetch_response_partition partition;
    open_behind(LIMIT "}\n");
    kafka_offset_fetch_response_init(&m);
    kafka_offset_fetch_response_topic_init(&topic);
    kafka_offset_fetch_response_partition_init(&partition);
    topic.name = kafka_string_of("t");
    partition.committed_offset = 1000;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    m.topics = &topic;
    m.topics_count = 1;
    world_node_answer(&w, 1, next_call(1, KAFKA_API_OFFSET_FETCH), &m);
    assert_stays_open();
}

Test(router_backlog_asked, nor_are_those_that_a_leader_leaves_out)
{
    open_behind(LIMIT "}\n");
    answer_committed(1000);
    answer_offsets(1, 1000, KAFKA_ERROR_NONE);
    answer_offsets(2, 1000, KAFKA_ERROR_NONE);
    world_answer_list_offsets(&w, 3, next_call(3, KAFKA_API_LIST_OFFSETS), NULL, 0);
    assert_stays_open();
}

Test(router_backlog_asked, nor_where_a_leader_tells_no_end)
{
    open_behind(LIMIT "}\n");
    answer_committed(1000);
    for (int32_t node = 1; node <= WORLD_NODES; node++)
        answer_offsets(node, node == 2 ? -1 : 1000, KAFKA_ERROR_NONE);
    assert_stays_open();
}

Test(router_backlog_asked, nor_is_what_is_so_old_where_a_leader_leaves_it_out)
{
    open_with("backlog_limits:\n  - {topic: t, group: g, ms: 1 min}\n");
    look(0, 1000);
    for (int32_t node = 1; node <= WORLD_NODES; node++)
        answer_offsets(node, -1, KAFKA_ERROR_NONE);
    cr_assert(w.shard.view.backlogs[0].is_open);
    world_pass_ms(&w, EVERY_MS);
    look(0, 1000);
    for (int32_t node = 1; node <= WORLD_NODES; node++)
        world_answer_list_offsets(&w, node, next_call(node, KAFKA_API_LIST_OFFSETS), NULL, 0);
    assert_stays_open();
}

Test(router_backlog_asked, a_limit_of_time_asks_which_offset_is_so_old)
{
    open_with("backlog_limits:\n  - {topic: t, group: g, ms: 1 min}\n");
    look(10, 20);
    int64_t now_ms = clock_wall_ms(&w.shard.clock);
    for (int32_t node = 1; node <= WORLD_NODES; node++)
        cr_assert_eq(answer_offsets(node, 11, KAFKA_ERROR_NONE), now_ms - 60000);
    cr_assert(w.shard.view.backlogs[0].is_open);
    world_pass_ms(&w, EVERY_MS);
    look(10, 20);
    now_ms = clock_wall_ms(&w.shard.clock);
    for (int32_t node = 1; node <= WORLD_NODES; node++)
        cr_assert_eq(answer_offsets(node, 10, KAFKA_ERROR_NONE), now_ms - 30000);
    cr_assert_not(w.shard.view.backlogs[0].is_open);
}
