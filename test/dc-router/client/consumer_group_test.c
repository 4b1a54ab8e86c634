/* Partitions that go to another member of the group, a plain librdkafka consumer. */
#include <criterion/criterion.h>

#include "consumer_scene.h"
#include "other_member.h"

Test(client_consumer_group, gets_again_what_was_in_hand_when_its_partition_went)
{
    struct scene s;
    scene_begin_wide(&s, "ab");
    const struct trilog_message *in_hand[2] = {NULL, NULL};
    for (int i = 0; i < 4; i++) {
        const struct trilog_message *m = scene_take(&s);
        if (m->offset == 1)
            in_hand[m->partition] = m;
        else
            cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    }
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    rd_kafka_t *other = other_open(&s, true);
    int32_t partition = other_take_over(other);
    cr_assert_eq(scene_committed_of(&s, partition), 1);
    cr_assert_eq(trilog_message_done(s.consumer, in_hand[partition]), TRILOG_ERR_NOT_ASSIGNED);
    other_close(other);
    int32_t came_from;
    do {
        const struct trilog_message *again = scene_take(&s);
        cr_assert_eq(again->offset, 1, "what was done does not come again");
        came_from = again->partition;
        trilog_message_done(s.consumer, again);
    } while (came_from != partition);
    scene_clear(&s);
}

Test(client_consumer_group, says_which_partitions_are_its_own_before_their_first_record)
{
    struct scene s;
    scene_begin_wide(&s, "abcdefgh");
    int32_t own[3] = {-1, -1, -1};
    trilog_message_done(s.consumer, scene_take(&s));
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_PARTITIONS), 1);
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", own, 3), 2);
    cr_assert(own[0] == 0 && own[1] == 1 && own[2] == -1);
    own[1] = -1;
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", own, 1), 2);
    cr_assert(own[0] == 0 && own[1] == -1, "there is room for the first only");
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", NULL, 9), 2);
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "t", own, 3), 0);
    rd_kafka_t *other = other_open(&s, true);
    int32_t partition = other_take_over(other);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_PARTITIONS, 3);
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", own, 3), 1);
    cr_assert_eq(own[0], 1 - partition);
    other_close(other);
    cr_assert_not(s.was_told_late);
    scene_clear(&s);
}

/* All commits from now on, of whomever. */
static void refuse_commits(struct scene *s)
{
    rd_kafka_resp_err_t errors[1000];
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        errors[i] = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors_array(s->cluster.brokers, 8 /* OffsetCommit */,
                                            sizeof errors / sizeof *errors, errors);
}

Test(client_consumer_group, says_once_that_partitions_went_before_what_was_done_was_committed)
{
    struct scene s;
    scene_begin_wide(&s, "ab");
    trilog_message_done(s.consumer, scene_take(&s));
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    refuse_commits(&s);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(trilog_message_done(s.consumer, scene_take(&s)), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, 100), TRILOG_ERR_TIMED_OUT, "it is tried on");
    rd_kafka_t *other = other_open(&s, true);
    other_take_over(other);
    rd_kafka_mock_clear_request_errors(s.cluster.brokers, 8);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_ERR_NOT_ASSIGNED);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    other_close(other);
    scene_clear(&s);
}
