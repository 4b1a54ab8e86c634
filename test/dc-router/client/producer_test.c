/* The producer over librdkafka's own simulated brokers, which can be sent away and called back. */
#include <criterion/criterion.h>
#include <string.h>

#include "producer_stage.h"

#define BROKERS 3
#define PRODUCE 0 /* the request's key */
#define SPOOL   "spool_directory: ~/spool\n"

Test(client_producer, says_where_a_record_is)
{
    struct stage s;
    stage_begin(&s, BROKERS, "");
    struct trilog_record r = stage_record("1");
    struct trilog_delivery d;
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 30000, &d), TRILOG_OK);
    cr_assert_eq(d.offset, 0);
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(stage_count(&s, TRILOG_OK), 1);
    stage_clear(&s);
}

Test(client_producer, answers_bad_input_with_errors)
{
    struct stage s;
    stage_begin(&s, BROKERS, "record_bytes_max: 1000\n");
    struct trilog_record r = {0};
    static const char large[1001] = {0};
    struct trilog_producer *p = s.producer;
    cr_assert_eq(trilog_send(NULL, &r, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_send(p, NULL, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_send(p, &r, NULL), TRILOG_ERR_NULL);
    r = (struct trilog_record){.topic = "a b"};
    cr_assert_eq(trilog_send_and_wait(p, &r, 1000, NULL), TRILOG_ERR_TOPIC);
    r = (struct trilog_record){.topic = "t", .value = large, .value_size = sizeof large};
    cr_assert_eq(trilog_send(p, &r, NULL), TRILOG_ERR_TOO_LARGE);
    cr_assert_eq(trilog_flush(NULL, 0), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_spool_state(p, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_producer_close(NULL, 0), TRILOG_ERR_NULL);
    trilog_producer_destroy(NULL);
    cr_assert_str_eq(trilog_error_text(-99), "not a result of libtrilog");
    stage_clear(&s);
}

Test(client_producer, answers_use_after_close_with_an_error)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL);
    struct trilog_record r = stage_record("1");
    struct trilog_spool_state state;
    cr_assert_eq(trilog_producer_close(s.producer, 1000), TRILOG_OK);
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 100, NULL), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_flush(s.producer, 100), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_spool_state(s.producer, &state), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_producer_close(s.producer, 100), TRILOG_ERR_CLOSED);
    stage_clear(&s);
}

Test(client_producer, refuses_settings_in_words)
{
    struct trilog_producer *p = NULL;
    char why[TRILOG_TEXT_SIZE];
    struct trilog_producer_options options = {.config_path = "/nowhere/client.yaml"};
    cr_assert_eq(trilog_producer_open(&p, &options, why), TRILOG_ERR_SETTINGS);
    cr_assert_str_eq(why, "/nowhere/client.yaml: no such file or directory");
    cr_assert_eq(trilog_producer_open(NULL, &options, NULL), TRILOG_ERR_NULL);
}

Test(client_producer, refuses_a_spool_that_another_has_open)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL);
    struct trilog_producer *first = s.producer;
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(stage_try_open(&s, s.cluster.config, why), TRILOG_ERR_SPOOL_IN_USE);
    cr_assert_not_null(strstr(why, "/spool/lock: another process has this spool open"));
    s.producer = first;
    stage_clear(&s);
}

Test(client_producer, tells_in_time_when_no_site_answers_and_there_is_no_spool)
{
    struct stage s;
    stage_begin(&s, BROKERS, "send_timeout_ms: 500\n");
    fake_cluster_set_away(&s.cluster, true);
    cr_assert_eq(stage_send_and_wait(&s, "1", 200), TRILOG_ERR_TIMED_OUT);
    stage_send(&s, "1");
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(stage_count(&s, TRILOG_ERR_TIMED_OUT), 1);
    stage_clear(&s);
}

Test(client_producer, spools_what_no_site_takes_and_sends_it_in_order_later)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL);
    cr_assert_eq(stage_send_and_wait(&s, "1", 30000), TRILOG_OK);
    fake_cluster_set_away(&s.cluster, true);
    cr_assert_eq(stage_send_and_wait(&s, "2", SPOOL_WAIT_MS), TRILOG_SPOOLED);
    stage_send(&s, "3456789");
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(stage_count(&s, TRILOG_SPOOLED), 7);
    struct trilog_spool_state state;
    trilog_spool_state(s.producer, &state);
    cr_assert_eq(state.record_count, 8);
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_empty(&s);
    cr_assert_eq(stage_send_and_wait(&s, "a", 30000), TRILOG_OK);
    stage_assert_values(&s, "123456789a");
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SPOOL_USED), 1);
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SPOOL_EMPTY), 1);
    stage_clear(&s);
}

Test(client_producer, sends_in_order_what_never_fitted_its_queue)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL "queue_records_max: 3\n");
    fake_cluster_set_away(&s.cluster, true);
    cr_assert_eq(stage_send_and_wait(&s, "1", SPOOL_WAIT_MS), TRILOG_SPOOLED);
    stage_send(&s, "23456789");
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(stage_count(&s, TRILOG_SPOOLED), 8);
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_empty(&s);
    stage_assert_values(&s, "123456789");
    stage_clear(&s);
}

Test(client_producer, sends_again_in_order_what_the_cluster_does_not_take_for_a_while)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL "send_timeout_ms: 300\n");
    fake_cluster_set_away(&s.cluster, true);
    stage_send(&s, "123");
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(stage_count(&s, TRILOG_SPOOLED), 3);
    rd_kafka_mock_push_request_errors(s.cluster.brokers, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED);
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_empty(&s);
    stage_assert_values(&s, "123");
    stage_clear(&s);
}

Test(client_producer, sends_what_an_earlier_run_has_left)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL);
    fake_cluster_set_away(&s.cluster, true);
    stage_send(&s, "12345");
    cr_assert_eq(trilog_producer_close(s.producer, 0), TRILOG_OK);
    cr_assert_eq(stage_count(&s, TRILOG_SPOOLED), 5, "closing puts them there at once");
    stage_reopen(&s);
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SPOOL_FOUND), 1);
    cr_assert_eq(stage_send_and_wait(&s, "6", SPOOL_WAIT_MS), TRILOG_SPOOLED, "behind them");
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_empty(&s);
    stage_assert_values(&s, "123456");
    stage_clear(&s);
}

Test(client_producer, tells_that_the_spool_is_full)
{
    struct stage s;
    stage_begin(&s, BROKERS, SPOOL "spool_records_max: 2\n");
    fake_cluster_set_away(&s.cluster, true);
    cr_assert_eq(stage_send_and_wait(&s, "1", SPOOL_WAIT_MS), TRILOG_SPOOLED);
    cr_assert_eq(stage_send_and_wait(&s, "1", SPOOL_WAIT_MS), TRILOG_SPOOLED);
    cr_assert_eq(stage_send_and_wait(&s, "1", SPOOL_WAIT_MS), TRILOG_ERR_SPOOL_FULL);
    struct trilog_record r = stage_record("1");
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_ERR_SPOOL_FULL);
    stage_clear(&s);
}

Test(client_producer, has_time_left_for_another_site_when_the_first_one_hangs)
{
    struct stage s;
    stage_begin(&s, BROKERS, "send_timeout_ms: 18 s\n");
    rd_kafka_mock_partition_set_leader(s.cluster.brokers, "t", 0, 1);
    cr_assert_eq(stage_send_and_wait(&s, "1", 18000), TRILOG_OK);
    rd_kafka_mock_broker_set_rtt(s.cluster.brokers, 1, 600000);
    rd_kafka_mock_partition_set_leader(s.cluster.brokers, "t", 0, 2);
    cr_assert_eq(stage_send_and_wait(&s, "2", 18000), TRILOG_OK);
    stage_clear(&s);
}

/* Until one is acknowledged in time: then connections and the producer's identity are there. */
static void warm_up(struct stage *s)
{
    int result = TRILOG_ERR_TIMED_OUT;
    for (int i = 0; i < 300 && result == TRILOG_ERR_TIMED_OUT; i++)
        result = stage_send_and_wait(s, "0", 100);
    cr_assert_eq(result, TRILOG_OK);
}

Test(client_producer, writes_nothing_twice_when_answers_come_too_late_and_there_is_no_spool)
{
    struct stage s;
    stage_begin(&s, BROKERS, "send_timeout_ms: 100\n");
    warm_up(&s);
    fake_cluster_delay(&s.cluster, 500); /* each is taken, and told of before its answer comes */
    for (char value[] = "1"; value[0] <= '9'; value[0]++) {
        stage_send(&s, value);
        cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    }
    fake_cluster_delay(&s.cluster, 0);
    cr_assert_eq(trilog_producer_close(s.producer, 30000), TRILOG_OK);
    char values[128];
    stage_read(&s, values, sizeof values);
    cr_assert_str_eq(values + strspn(values, "0"), "123456789", "%s", values);
    cr_assert_eq(stage_count_told(&s), 9, "once each");
    cr_assert_eq(stage_count(&s, TRILOG_ERR_TIMED_OUT), 9, "in time");
    stage_clear(&s);
}

static struct trilog_producer *own; /* for a callback */

static void send_in_callback(void *data, const struct trilog_delivery *d)
{
    atomic_int *result = data;
    (void)d;
    struct trilog_record r = stage_record("2");
    if (atomic_load(result) == 0)
        atomic_store(result, trilog_send_and_wait(own, &r, 1000, NULL));
}

Test(client_producer, does_not_wait_in_a_callback)
{
    struct stage s;
    stage_set(&s, BROKERS, "");
    atomic_int result = 0;
    struct trilog_producer_options options = {
        .config_path = s.cluster.config, .on_delivery = send_in_callback, .data = &result};
    cr_assert_eq(trilog_producer_open(&s.producer, &options, NULL), 0);
    own = s.producer;
    struct trilog_record r = stage_record("1");
    cr_assert_eq(trilog_send(s.producer, &r, NULL), 0);
    cr_assert_eq(trilog_flush(s.producer, 30000), 0);
    cr_assert_eq(atomic_load(&result), TRILOG_ERR_WRONG_THREAD);
    stage_clear(&s);
}
