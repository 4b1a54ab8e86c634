/* Another environment while a consumer runs: another handle, over librdkafka's simulated brokers.
 */
#include <criterion/criterion.h>

#include "consumer_parts.h"
#include "consumer_scene.h"

Test(client_consumer_renew, what_is_done_does_not_come_again_when_the_environment_changes)
{
    struct scene s;
    scene_begin(&s, "");
    scene_send_letters(&s, "abc");
    scene_work_on(&s, "ab");
    const struct trilog_message *m = scene_take_letter(&s, 'c');
    fake_cluster_configure(&s.cluster, NULL, SCENE_QUICK "environment: test\n");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_SETTINGS, 2); /* seen, and in use */
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_SETTINGS, "environment=test is in use");
    const struct trilog_message *again = scene_take_letter(&s, 'c');
    cr_assert_eq(again->offset, 2, "it was in hand, and comes again");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_ERR_NOT_ASSIGNED);
    cr_assert_eq(trilog_message_done(s.consumer, again), TRILOG_OK);
    scene_send_letters(&s, "d");
    scene_work_on(&s, "d");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 4);
    scene_clear(&s);
}

Test(client_consumer_renew, begins_where_another_environments_cluster_says)
{
    struct scene s, other;
    scene_set(&other, "");
    scene_send_letters(&other, "xyz");
    scene_begin(&s, "");
    scene_send_letters(&s, "abcd");
    scene_work_on(&s, "abcd");
    fake_cluster_configure(&s.cluster, other.cluster.address, SCENE_QUICK "environment: test\n");
    scene_work_on(&s, "xyz");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 4);
    cr_assert_eq(scene_committed(&other), 3);
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_BEHIND), 0);
    scene_clear(&s);
    scene_clear(&other);
}

/* Its name is somebody else's now, whom a new handle would throw out in turn. */
Test(client_consumer_renew, stays_as_it_is_once_another_has_its_name)
{
    struct scene s;
    scene_begin(&s, "");
    const rd_kafka_t *first = s.consumer->kafka;
    rd_kafka_test_fatal_error(s.consumer->kafka, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "a test");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_FATAL, 1);
    fake_cluster_configure(&s.cluster, NULL, SCENE_QUICK "environment: test\n");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_SETTINGS, 1);
    fake_cluster_configure(&s.cluster, NULL, SCENE_QUICK "environment: other\n");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_SETTINGS, 2); /* a round of its thread later */
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_SETTINGS, "other settings change when");
    cr_assert_eq(s.consumer->kafka, first);
    scene_clear(&s);
}
