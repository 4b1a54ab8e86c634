/* Another environment while a producer runs: another handle, over librdkafka's simulated brokers.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "producer_parts.h"
#include "producer_stage.h"

#define WAIT_MS 30000
#define NOBODY  "127.0.0.1:1"

static void change(struct stage *s, const char *address, const char *settings)
{
    char why[TRILOG_TEXT_SIZE];
    fake_cluster_configure(&s->cluster, address, settings);
    cr_assert_eq(trilog_producer_reload(s->producer, why), TRILOG_OK, "%s", why);
}

/* It was told that the settings changed, and that the environment is in use. */
static void wait_until_in_use(struct stage *s)
{
    stage_wait_events(s, TRILOG_EVENT_SETTINGS_CHANGED, 2);
}

#define NAME_SIZE 64

/* librdkafka numbers its handles in their names. */
static void name_handle(struct stage *s, char name[NAME_SIZE])
{
    pthread_mutex_lock(&s->producer->lock);
    snprintf(name, NAME_SIZE, "%s", rd_kafka_name(s->producer->kafka));
    pthread_mutex_unlock(&s->producer->lock);
}

static bool has_handle(struct stage *s, const char *name)
{
    char now[NAME_SIZE];
    name_handle(s, now);
    return strcmp(now, name) == 0;
}

Test(client_producer_renew, each_record_is_there_once_and_in_order_when_the_environment_changes)
{
    struct stage s;
    stage_begin(&s, 1, "");
    char first[NAME_SIZE];
    name_handle(&s, first);
    cr_assert_eq(stage_send_and_wait(&s, "a", WAIT_MS), TRILOG_OK);
    fake_cluster_delay(&s.cluster, 200);
    stage_send(&s, "bcd");
    change(&s, NULL, "environment: test\n");
    struct trilog_record r = stage_record("e");
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_ERR_QUEUE_FULL, "some are under way");
    cr_assert(has_handle(&s, first));
    wait_until_in_use(&s);
    cr_assert_not(has_handle(&s, first));
    cr_assert_eq(stage_count(&s, TRILOG_OK), 3);
    stage_send(&s, "ef");
    cr_assert_eq(trilog_flush(s.producer, WAIT_MS), TRILOG_OK);
    stage_assert_values(&s, "abcdef");
    stage_clear(&s);
}

Test(client_producer_renew, keeps_its_handle_when_the_environment_is_the_old_one_again)
{
    struct stage s;
    stage_begin(&s, 1, "");
    char first[NAME_SIZE];
    name_handle(&s, first);
    fake_cluster_delay(&s.cluster, 500);
    stage_send(&s, "a");
    change(&s, NULL, "environment: test\n");
    change(&s, NULL, "");
    stage_send(&s, "b");
    cr_assert_eq(trilog_flush(s.producer, WAIT_MS), TRILOG_OK);
    cr_assert(has_handle(&s, first));
    stage_assert_values(&s, "ab");
    stage_clear(&s);
}

/* The old handle says the old environment: it has nothing to do at the new addresses. */
Test(client_producer_renew, what_is_not_settled_in_time_is_told_and_goes_to_no_new_address)
{
    struct stage s;
    stage_set(&s, 1, "");
    fake_cluster_configure(&s.cluster, NOBODY, "send_timeout_ms: 3 s\n");
    stage_open(&s);
    stage_send(&s, "a");
    change(&s, NULL, "send_timeout_ms: 3 s\nenvironment: test\n");
    wait_until_in_use(&s);
    cr_assert_eq(stage_count(&s, TRILOG_ERR_TIMED_OUT), 1);
    cr_assert_eq(stage_send_and_wait(&s, "b", WAIT_MS), TRILOG_OK);
    stage_assert_values(&s, "b");
    stage_clear(&s);
}

Test(client_producer_renew, with_a_spool_records_wait_there_and_come_in_order)
{
    struct stage s;
    stage_begin(&s, 1, "spool_directory: ~/spool\nsend_timeout_ms: 5 s\n");
    cr_assert_eq(stage_send_and_wait(&s, "a", WAIT_MS), TRILOG_OK);
    fake_cluster_set_away(&s.cluster, true);
    stage_send(&s, "bc");
    change(&s, NULL, "spool_directory: ~/spool\nsend_timeout_ms: 5 s\nenvironment: test\n");
    stage_send(&s, "de");
    cr_assert_eq(stage_count_told(&s) - stage_count(&s, TRILOG_OK),
                 stage_count(&s, TRILOG_SPOOLED));
    wait_until_in_use(&s);
    cr_assert_eq(stage_count(&s, TRILOG_SPOOLED), 4);
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_empty(&s);
    cr_assert_eq(stage_send_and_wait(&s, "f", WAIT_MS), TRILOG_OK);
    stage_assert_values(&s, "abcdef");
    stage_clear(&s);
}

Test(client_producer_renew, a_producer_that_could_not_go_on_goes_on_in_another_environment)
{
    struct stage s;
    stage_begin(&s, 1, "");
    rd_kafka_test_fatal_error(s.producer->kafka, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
                              "a test");
    stage_wait_event(&s, TRILOG_EVENT_FATAL);
    cr_assert_eq(stage_send_and_wait(&s, "a", WAIT_MS), TRILOG_ERR_FATAL);
    change(&s, NULL, "environment: test\n");
    wait_until_in_use(&s);
    cr_assert_eq(stage_send_and_wait(&s, "b", WAIT_MS), TRILOG_OK);
    stage_clear(&s);
}

Test(client_producer_renew, closes_while_it_waits_for_what_is_under_way)
{
    struct stage s;
    stage_begin(&s, 1, "");
    fake_cluster_set_away(&s.cluster, true);
    stage_send(&s, "a");
    change(&s, NULL, "environment: test\n");
    cr_assert_eq(trilog_producer_close(s.producer, 0), TRILOG_OK);
    cr_assert_eq(stage_count_told(&s), 1);
    stage_clear(&s);
}
