/* The producer over librdkafka's own simulated brokers, which can be sent away and called back. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trilog/trilog.h"

#define BROKERS 3

struct stage {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *brokers;
    struct trilog_producer *producer;
    char folder[64];
    char config[96];
    atomic_uint results[32]; /* by TRILOG_SPOOLED - result */
    atomic_uint events[8];
};

static void on_delivery(void *data, const struct trilog_delivery *d)
{
    struct stage *s = data;
    atomic_fetch_add(&s->results[TRILOG_SPOOLED - d->result], 1);
}

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct stage *s = data;
    (void)text;
    atomic_fetch_add(&s->events[kind], 1);
}

static unsigned count(struct stage *s, int result)
{
    return atomic_load(&s->results[TRILOG_SPOOLED - result]);
}

static int open_producer(struct stage *s, char *why)
{
    struct trilog_producer_options options = {
        .config_path = s->config, .on_delivery = on_delivery, .on_event = on_event, .data = s};
    return trilog_producer_open(&s->producer, &options, why);
}

/* Brokers, and a producer of theirs. */
static void set_stage(struct stage *s, bool has_spool, const char *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    *s = (struct stage){.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0)};
    s->brokers = rd_kafka_mock_cluster_new(s->host, BROKERS);
    rd_kafka_mock_topic_create(s->brokers, "t", 1, 3);
    strcpy(s->folder, "/tmp/libtrilog-test-XXXXXX");
    cr_assert_not_null(mkdtemp(s->folder));
    snprintf(s->config, sizeof s->config, "%s/client.yaml", s->folder);
    const char *list = rd_kafka_mock_cluster_bootstraps(s->brokers);
    FILE *f = fopen(s->config, "w");
    fprintf(f, "site: a\nbootstrap: ['%.*s']\n", (int)strcspn(list, ","), list);
    if (has_spool)
        fprintf(f, "spool_directory: %s/spool\n", s->folder);
    fputs(settings, f);
    fclose(f);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_producer(s, why), TRILOG_OK, "%s", why);
}

static void clear_stage(struct stage *s)
{
    trilog_producer_destroy(s->producer);
    rd_kafka_mock_cluster_destroy(s->brokers);
    rd_kafka_destroy(s->host);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", s->folder);
    cr_assert_eq(system(command), 0);
}

static void set_away(struct stage *s, bool are_away)
{
    for (int32_t id = 1; id <= BROKERS; id++)
        if (are_away)
            rd_kafka_mock_broker_set_down(s->brokers, id);
        else
            rd_kafka_mock_broker_set_up(s->brokers, id);
}

static struct trilog_record record_of(const char *value)
{
    return (struct trilog_record){
        .topic = "t", .key = "k", .key_size = 1, .value = value, .value_size = strlen(value)};
}

/* Waits until nothing is in the spool. */
static void wait_empty(struct stage *s)
{
    struct trilog_spool_state state = {.record_count = 1};
    for (int i = 0; i < 3000 && state.record_count > 0; i++) {
        cr_assert_eq(trilog_spool_state(s->producer, &state), 0);
        usleep(10000);
    }
    cr_assert_eq(state.record_count, 0);
}

/* The values in the topic, one letter each, in order. */
static void read_values(struct stage *s, char *values, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(s->brokers), NULL,
                      0);
    rd_kafka_conf_set(conf, "group.id", "g", NULL, 0);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "t", 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    size_t used = 0;
    for (bool is_end = false; !is_end;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 30000);
        cr_assert_not_null(m);
        is_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (m->err == 0 && used + 1 < size)
            values[used++] = *(char *)m->payload;
        rd_kafka_message_destroy(m);
    }
    values[used] = '\0';
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

static void assert_values(struct stage *s, const char *expected)
{
    char values[128];
    read_values(s, values, sizeof values);
    cr_assert_str_eq(values, expected);
}

Test(client_producer, says_where_a_record_is)
{
    struct stage s;
    set_stage(&s, false, "");
    struct trilog_record r = record_of("1");
    struct trilog_delivery d;
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 30000, &d), TRILOG_OK);
    cr_assert_eq(d.offset, 0);
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(count(&s, TRILOG_OK), 1);
    clear_stage(&s);
}

Test(client_producer, answers_bad_input_with_errors)
{
    struct stage s;
    set_stage(&s, false, "record_bytes_max: 1000\n");
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
    clear_stage(&s);
}

Test(client_producer, answers_use_after_close_with_an_error)
{
    struct stage s;
    set_stage(&s, true, "");
    struct trilog_record r = record_of("1");
    struct trilog_spool_state state;
    cr_assert_eq(trilog_producer_close(s.producer, 1000), TRILOG_OK);
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 100, NULL), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_flush(s.producer, 100), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_spool_state(s.producer, &state), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_producer_close(s.producer, 100), TRILOG_ERR_CLOSED);
    clear_stage(&s);
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
    set_stage(&s, true, "");
    struct trilog_producer *first = s.producer;
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_producer(&s, why), TRILOG_ERR_SPOOL_IN_USE);
    cr_assert_not_null(strstr(why, "/spool/lock: another process has this spool open"));
    s.producer = first;
    clear_stage(&s);
}

Test(client_producer, tells_in_time_when_no_site_answers_and_there_is_no_spool)
{
    struct stage s;
    set_stage(&s, false, "send_timeout_ms: 500\n");
    set_away(&s, true);
    struct trilog_record r = record_of("1");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 200, NULL), TRILOG_ERR_TIMED_OUT);
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(count(&s, TRILOG_ERR_TIMED_OUT), 1);
    clear_stage(&s);
}

Test(client_producer, spools_what_no_site_takes_and_sends_it_in_order_later)
{
    struct stage s;
    set_stage(&s, true, "");
    struct trilog_record r = record_of("1");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 30000, NULL), TRILOG_OK);
    set_away(&s, true);
    r = record_of("2");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 500, NULL), TRILOG_SPOOLED);
    for (char value[] = "3"; value[0] <= '9'; value[0]++) {
        r = record_of(value);
        cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
    }
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(count(&s, TRILOG_SPOOLED), 7);
    struct trilog_spool_state state;
    trilog_spool_state(s.producer, &state);
    cr_assert_eq(state.record_count, 8);
    set_away(&s, false);
    wait_empty(&s);
    r = record_of("a");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 30000, NULL), TRILOG_OK);
    assert_values(&s, "123456789a");
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_SPOOL_USED]), 1);
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_SPOOL_EMPTY]), 1);
    clear_stage(&s);
}

Test(client_producer, sends_in_order_what_never_fitted_its_queue)
{
    struct stage s;
    set_stage(&s, true, "queue_records_max: 3\n");
    set_away(&s, true);
    struct trilog_record first = record_of("1");
    cr_assert_eq(trilog_send_and_wait(s.producer, &first, 200, NULL), TRILOG_SPOOLED);
    for (char value[] = "2"; value[0] <= '9'; value[0]++) {
        struct trilog_record r = record_of(value);
        cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
    }
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(count(&s, TRILOG_SPOOLED), 8);
    set_away(&s, false);
    wait_empty(&s);
    assert_values(&s, "123456789");
    clear_stage(&s);
}

Test(client_producer, sends_what_an_earlier_run_has_left)
{
    struct stage s;
    set_stage(&s, true, "");
    set_away(&s, true);
    for (char value[] = "1"; value[0] <= '5'; value[0]++) {
        struct trilog_record r = record_of(value);
        cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
    }
    cr_assert_eq(trilog_producer_close(s.producer, 0), TRILOG_OK);
    cr_assert_eq(count(&s, TRILOG_SPOOLED), 5, "closing puts them there at once");
    trilog_producer_destroy(s.producer);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_producer(&s, why), 0, "%s", why);
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_SPOOL_FOUND]), 1);
    struct trilog_record r = record_of("6");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 1000, NULL), TRILOG_SPOOLED, "behind them");
    set_away(&s, false);
    wait_empty(&s);
    assert_values(&s, "123456");
    clear_stage(&s);
}

Test(client_producer, tells_that_the_spool_is_full)
{
    struct stage s;
    set_stage(&s, true, "spool_records_max: 2\n");
    set_away(&s, true);
    struct trilog_record r = record_of("1");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 200, NULL), TRILOG_SPOOLED);
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 200, NULL), TRILOG_SPOOLED);
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 200, NULL), TRILOG_ERR_SPOOL_FULL);
    cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_ERR_SPOOL_FULL);
    clear_stage(&s);
}

Test(client_producer, has_time_left_for_another_site_when_the_first_one_hangs)
{
    struct stage s;
    set_stage(&s, false, "send_timeout_ms: 18 s\n");
    rd_kafka_mock_partition_set_leader(s.brokers, "t", 0, 1);
    struct trilog_record r = record_of("1");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 18000, NULL), TRILOG_OK);
    rd_kafka_mock_broker_set_rtt(s.brokers, 1, 600000);
    rd_kafka_mock_partition_set_leader(s.brokers, "t", 0, 2);
    r = record_of("2");
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 18000, NULL), TRILOG_OK);
    clear_stage(&s);
}

/* How many records the application was told of. */
static unsigned told(struct stage *s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof s->results / sizeof s->results[0]; i++)
        sum += atomic_load(&s->results[i]);
    return sum;
}

static void set_answer_delay(struct stage *s, int delay_ms)
{
    for (int32_t id = 1; id <= BROKERS; id++)
        rd_kafka_mock_broker_set_rtt(s->brokers, id, delay_ms);
}

/* Until one is acknowledged in time: then connections and the producer's identity are there. */
static void warm_up(struct stage *s)
{
    struct trilog_record r = record_of("0");
    int result = TRILOG_ERR_TIMED_OUT;
    for (int i = 0; i < 300 && result == TRILOG_ERR_TIMED_OUT; i++)
        result = trilog_send_and_wait(s->producer, &r, 100, NULL);
    cr_assert_eq(result, TRILOG_OK);
}

Test(client_producer, writes_nothing_twice_when_answers_come_too_late_and_there_is_no_spool)
{
    struct stage s;
    set_stage(&s, false, "send_timeout_ms: 100\n");
    warm_up(&s);
    set_answer_delay(&s, 500); /* each is taken, and told of before its answer comes */
    for (char value[] = "1"; value[0] <= '9'; value[0]++) {
        struct trilog_record r = record_of(value);
        cr_assert_eq(trilog_send(s.producer, &r, NULL), TRILOG_OK);
        cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    }
    set_answer_delay(&s, 0);
    cr_assert_eq(trilog_producer_close(s.producer, 30000), TRILOG_OK);
    char values[128];
    read_values(&s, values, sizeof values);
    cr_assert_str_eq(values + strspn(values, "0"), "123456789", "%s", values);
    cr_assert_eq(told(&s), 9, "once each");
    cr_assert_eq(count(&s, TRILOG_ERR_TIMED_OUT), 9, "in time");
    clear_stage(&s);
}

static struct trilog_producer *own; /* for a callback */

static void send_in_callback(void *data, const struct trilog_delivery *d)
{
    atomic_int *result = data;
    (void)d;
    struct trilog_record r = record_of("2");
    if (atomic_load(result) == 0)
        atomic_store(result, trilog_send_and_wait(own, &r, 1000, NULL));
}

Test(client_producer, does_not_wait_in_a_callback)
{
    struct stage s;
    set_stage(&s, false, "");
    trilog_producer_destroy(s.producer);
    atomic_int result = 0;
    struct trilog_producer_options options = {
        .config_path = s.config, .on_delivery = send_in_callback, .data = &result};
    cr_assert_eq(trilog_producer_open(&s.producer, &options, NULL), 0);
    own = s.producer;
    struct trilog_record r = record_of("1");
    cr_assert_eq(trilog_send(s.producer, &r, NULL), 0);
    cr_assert_eq(trilog_flush(s.producer, 30000), 0);
    cr_assert_eq(atomic_load(&result), TRILOG_ERR_WRONG_THREAD);
    clear_stage(&s);
}
