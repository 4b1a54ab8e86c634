/* A consumer reads in its own site, leaves it when nothing comes from there, and comes back. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "consumer_parts.h"
#include "consumer_scene.h"

/* Broker 2 is of the consumer's site, and follows. */
static void set_sites(struct scene *s)
{
    rd_kafka_mock_cluster_t *brokers = s->cluster.brokers;
    rd_kafka_mock_coordinator_set(brokers, "group", "g", 1);
    rd_kafka_mock_partition_set_leader(brokers, "t", 0, 1);
    rd_kafka_mock_partition_set_follower(brokers, "t", 0, 2);
}

Test(client_consumer_near, leaves_its_own_site_when_nothing_comes_from_there_and_comes_back,
     .timeout = 120)
{
    struct scene s;
    scene_set(&s, "near_return_ms: 1 s\n");
    set_sites(&s);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(scene_open_as(&s, NULL, why), TRILOG_OK, "%s", why);
    scene_send_letters(&s, "ab");
    scene_work_on(&s, "ab");
    rd_kafka_mock_broker_set_down(s.cluster.brokers, 2);
    scene_send_letters(&s, "c");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_LEFT_SITE, 1);
    rd_kafka_mock_partition_set_follower(s.cluster.brokers, "t", 0, -1); /* it names no rack now */
    scene_work_on(&s, "c");
    rd_kafka_mock_broker_set_up(s.cluster.brokers, 2);
    set_sites(&s);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_BACK_AT_SITE, 1);
    scene_send_letters(&s, "de");
    scene_work_on(&s, "de");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 5);
    scene_clear(&s);
}

static uint64_t next_look_at_ms(struct scene *s)
{
    pthread_mutex_lock(&s->consumer->lock);
    uint64_t at_ms = s->consumer->near_at_ms;
    pthread_mutex_unlock(&s->consumer->lock);
    return at_ms;
}

/* So often it has looked whether its own site is to be left. */
static void wait_for_looks(struct scene *s, unsigned count)
{
    for (; count > 0; count--) {
        uint64_t before = next_look_at_ms(s);
        for (int i = 0; next_look_at_ms(s) == before; i++) {
            cr_assert_lt(i, WAIT_MS / 10);
            usleep(10000);
        }
    }
}

/* Its name is somebody else's now, whom a new handle would throw out in turn. */
Test(client_consumer_near, stays_as_it_is_once_another_has_its_name, .timeout = 120)
{
    struct scene s;
    scene_set(&s, "near_return_ms: 1 s\n");
    set_sites(&s);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(scene_open_as(&s, NULL, why), TRILOG_OK, "%s", why);
    scene_send_letters(&s, "ab");
    scene_work_on(&s, "ab");
    rd_kafka_test_fatal_error(s.consumer->kafka, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "a test");
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_FATAL, 1);
    rd_kafka_mock_broker_set_down(s.cluster.brokers, 2);
    scene_send_letters(&s, "c");
    wait_for_looks(&s, 4);
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_LEFT_SITE), 0);
    scene_clear(&s);
}
