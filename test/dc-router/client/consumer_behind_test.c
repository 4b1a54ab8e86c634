/* A consumer does not go behind what it has committed, unless its application says so. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "consumer_scene.h"
#include "other_member.h"

static void commit_as(rd_kafka_t *other, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "two", partition)->offset = offset;
    rd_kafka_resp_err_t err = rd_kafka_commit(other, list, 0);
    cr_assert_eq(err, RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(list);
}

Test(client_consumer_behind, does_not_go_behind_what_it_committed_when_a_broker_says_so)
{
    struct scene s;
    scene_begin_wide(&s, "abcd");
    for (int i = 0; i < 8; i++)
        cr_assert_eq(trilog_message_done(s.consumer, scene_take(&s)), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    rd_kafka_t *other = other_open(&s, true);
    int32_t partition = other_take_over(other);
    commit_as(other, partition, 1);
    other_close(other);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_BEHIND, 1);
    char text[128];
    snprintf(text, sizeof text,
             "two-%d: the cluster says that 1 is committed, and 4 was committed from here: goes on "
             "at 4",
             partition);
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_BEHIND, text);
    scene_assert_nothing(&s);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed_of(&s, partition), 4);
    scene_clear(&s);
}

Test(client_consumer_behind, stays_where_it_is_when_a_broker_calls_that_out_of_range)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "abc");
    scene_work_on(&s, "abc");
    do /* librdkafka does not hear each of them */
        rd_kafka_mock_push_request_errors(s.cluster.brokers, 1 /* Fetch */, 1,
                                          RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    while (!scene_has_event_soon(&s, TRILOG_CONSUMER_EVENT_BEHIND));
    rd_kafka_mock_clear_request_errors(s.cluster.brokers, 1);
    scene_assert_text(
        &s, TRILOG_CONSUMER_EVENT_BEHIND,
        "t-0: a broker says that 3 is out of range, and has 0 to 3: goes on at 3 now");
    scene_send_letters(&s, "de");
    scene_work_on(&s, "de");
    scene_assert_nothing(&s);
    scene_clear(&s);
}

Test(client_consumer_behind, goes_back_when_it_is_told_to)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "abcdef");
    scene_work_on(&s, "abcd");
    const struct trilog_message *m = scene_take_letter(&s, 'e');
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, 1, WAIT_MS), TRILOG_OK);
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_ERR_NOT_ASSIGNED);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 1);
    scene_work_on(&s, "bcdef");
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, TRILOG_OFFSET_BEGINNING, WAIT_MS), 0);
    scene_work_on(&s, "a");
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, TRILOG_OFFSET_END, WAIT_MS), 0);
    scene_send_letters(&s, "g");
    scene_work_on(&s, "g");
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_BEHIND), 0);
    scene_clear(&s);
}
