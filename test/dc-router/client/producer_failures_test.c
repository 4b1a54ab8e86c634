/* Records that the cluster refuses for good, over librdkafka's simulated brokers. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trilog/trilog.h"

#define PRODUCE 0 /* the request's key */

struct stage {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *brokers;
    struct trilog_producer *producer;
    char folder[64];
    char config[96];
    atomic_uint events[24];
};

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct stage *s = data;
    (void)text;
    atomic_fetch_add(&s->events[kind], 1);
}

static void open_producer(struct stage *s)
{
    struct trilog_producer_options options = {
        .config_path = s->config, .on_event = on_event, .data = s};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_producer_open(&s->producer, &options, why), TRILOG_OK, "%s", why);
}

static void set_stage(struct stage *s, const char *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    *s = (struct stage){.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0)};
    s->brokers = rd_kafka_mock_cluster_new(s->host, 1);
    rd_kafka_mock_topic_create(s->brokers, "t", 1, 1);
    strcpy(s->folder, "/tmp/libtrilog-test-XXXXXX");
    cr_assert_not_null(mkdtemp(s->folder));
    snprintf(s->config, sizeof s->config, "%s/client.yaml", s->folder);
    FILE *f = fopen(s->config, "w");
    cr_assert_not_null(f);
    fprintf(f, "site: a\nbootstrap: ['%s']\nfailure_directory: %s/failures\n%s",
            rd_kafka_mock_cluster_bootstraps(s->brokers), s->folder, settings);
    fclose(f);
    open_producer(s);
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

/* So many of the next produce requests are refused for good. */
static void refuse(struct stage *s, int count)
{
    for (int i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(s->brokers, PRODUCE, 1,
                                          RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
}

static int send_one(struct stage *s, const char *value)
{
    struct trilog_record r = {
        .topic = "t", .key = "k", .key_size = 1, .value = value, .value_size = strlen(value)};
    return trilog_send_and_wait(s->producer, &r, 30000, NULL);
}

static struct trilog_failure_state state_of(struct stage *s)
{
    struct trilog_failure_state state;
    cr_assert_eq(trilog_failure_state(s->producer, &state), TRILOG_OK);
    return state;
}

static void wait_for_event(struct stage *s, enum trilog_event_kind kind)
{
    for (int i = 0; i < 3000 && atomic_load(&s->events[kind]) == 0; i++)
        usleep(10000);
    cr_assert_eq(atomic_load(&s->events[kind]), 1);
}

static void wait_for_counts(struct stage *s, uint64_t records, uint64_t given_up)
{
    for (int i = 0; i < 3000; i++) {
        struct trilog_failure_state state = state_of(s);
        if (state.record_count == records && state.given_up_count == given_up)
            return;
        usleep(10000);
    }
    struct trilog_spool_state spool;
    trilog_spool_state(s->producer, &spool);
    cr_assert_fail("the log has %lu records, %lu given up; the spool %lu",
                   (unsigned long)state_of(s).record_count,
                   (unsigned long)state_of(s).given_up_count, (unsigned long)spool.record_count);
}

/* The offset that the next record gets: how many are there. */
static int64_t count_of(struct stage *s)
{
    struct trilog_record r = {.topic = "t", .value = "end", .value_size = 3};
    struct trilog_delivery d;
    cr_assert_eq(trilog_send_and_wait(s->producer, &r, 30000, &d), TRILOG_OK);
    return d.offset;
}

Test(client_producer_failures, are_sent_again_until_they_are_taken)
{
    struct stage s;
    set_stage(&s, "retry_wait_ms: 50 ms\n");
    refuse(&s, 3);
    cr_assert_eq(send_one(&s, "1"), TRILOG_LOGGED);
    wait_for_event(&s, TRILOG_EVENT_FAILURE_LOGGED);
    wait_for_counts(&s, 0, 0);
    cr_assert_eq(count_of(&s), 1, "it is there, once");
    clear_stage(&s);
}

Test(client_producer_failures, stay_at_the_cap_until_somebody_wants_them_tried_again)
{
    struct stage s;
    set_stage(&s, "retry_wait_ms: 300 ms\nretry_count_max: 3\n");
    refuse(&s, 3);
    cr_assert_eq(send_one(&s, "1"), TRILOG_LOGGED);
    wait_for_counts(&s, 1, 1);
    wait_for_event(&s, TRILOG_EVENT_FAILURE_GIVEN_UP);
    rd_kafka_mock_clear_request_errors(s.brokers, PRODUCE);
    for (int i = 0; i < 3000 && state_of(&s).record_count > 0; i++) {
        /* librdkafka knows the refusal of its topic for a moment longer */
        cr_assert_eq(trilog_failures_retry(s.producer), TRILOG_OK);
        usleep(10000);
    }
    cr_assert_eq(count_of(&s), 1);
    clear_stage(&s);
}

Test(client_producer_failures, are_found_by_the_next_run)
{
    struct stage s;
    set_stage(&s, "retry_wait_ms: 1 s\n");
    refuse(&s, 1);
    cr_assert_eq(send_one(&s, "1"), TRILOG_LOGGED);
    trilog_producer_destroy(s.producer);
    open_producer(&s);
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_FAILURES_FOUND]), 1);
    wait_for_counts(&s, 0, 0);
    cr_assert_eq(count_of(&s), 1);
    clear_stage(&s);
}

Test(client_producer_failures, take_over_what_was_in_the_spool)
{
    struct stage s;
    set_stage(&s, "");
    trilog_producer_destroy(s.producer);
    FILE *f = fopen(s.config, "a");
    cr_assert_not_null(f);
    fprintf(f, "spool_directory: %s/spool\nretry_wait_ms: 50 ms\n", s.folder);
    fclose(f);
    rd_kafka_mock_broker_set_down(s.brokers, 1);
    open_producer(&s);
    struct trilog_record r = {.topic = "t", .value = "1", .value_size = 1};
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, 300, NULL), TRILOG_SPOOLED);
    refuse(&s, 1);
    rd_kafka_mock_broker_set_up(s.brokers, 1);
    wait_for_event(&s, TRILOG_EVENT_FAILURE_LOGGED);
    wait_for_counts(&s, 0, 0);
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_SPOOL_REFUSED]), 0, "it was not lost");
    struct trilog_spool_state spool;
    cr_assert_eq(trilog_spool_state(s.producer, &spool), TRILOG_OK);
    cr_assert_eq(spool.record_count, 0);
    cr_assert_eq(count_of(&s), 1);
    clear_stage(&s);
}

Test(client_producer_failures, are_told_as_errors_when_the_log_is_full)
{
    struct stage s;
    set_stage(&s, "failure_records_max: 1\nretry_wait_ms: 1 h\nretry_wait_ms_max: 1 h\n");
    refuse(&s, 2);
    cr_assert_eq(send_one(&s, "1"), TRILOG_LOGGED);
    cr_assert_eq(send_one(&s, "2"), TRILOG_ERR_REFUSED);
    cr_assert_eq(state_of(&s).record_count, 1);
    clear_stage(&s);
}

Test(client_producer_failures, are_not_kept_without_a_folder_for_them)
{
    struct stage s;
    set_stage(&s, "");
    trilog_producer_destroy(s.producer);
    FILE *f = fopen(s.config, "w");
    cr_assert_not_null(f);
    fprintf(f, "site: a\nbootstrap: ['%s']\n", rd_kafka_mock_cluster_bootstraps(s.brokers));
    fclose(f);
    open_producer(&s);
    refuse(&s, 1);
    cr_assert_eq(send_one(&s, "1"), TRILOG_ERR_REFUSED);
    cr_assert_eq(state_of(&s).record_count, 0);
    cr_assert_eq(trilog_failures_retry(s.producer), TRILOG_ERR_NO_LOG);
    cr_assert_eq(trilog_failures_retry(NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_failure_state(s.producer, NULL), TRILOG_ERR_NULL);
    clear_stage(&s);
}

struct walk {
    unsigned spooled, failed;
    int is_thrown_away;
};

static int on_kept(void *data, const struct trilog_kept_record *k)
{
    struct walk *w = data;
    cr_assert_str_eq(k->record.topic, "t");
    *(k->where == TRILOG_KEPT_IN_SPOOL ? &w->spooled : &w->failed) += 1;
    return w->is_thrown_away;
}

static struct walk walk_of(struct stage *s, int is_thrown_away)
{
    struct walk w = {.is_thrown_away = is_thrown_away};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_kept_records(s->config, on_kept, &w, why), TRILOG_OK, "%s", why);
    return w;
}

Test(client_producer_failures, are_gone_over_and_thrown_away_while_nobody_has_them)
{
    struct stage s;
    set_stage(&s, "retry_wait_ms: 1 h\nretry_wait_ms_max: 1 h\n");
    refuse(&s, 1);
    cr_assert_eq(send_one(&s, "1"), TRILOG_LOGGED);
    struct walk w = {0};
    cr_assert_eq(trilog_kept_records(s.config, on_kept, &w, NULL), TRILOG_ERR_SPOOL_IN_USE);
    cr_assert_eq(trilog_kept_records(s.config, NULL, &w, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_producer_close(s.producer, 0), TRILOG_OK);
    cr_assert_eq(walk_of(&s, 0).failed, 1);
    cr_assert_eq(walk_of(&s, 1).failed, 1, "it was looked at only");
    cr_assert_eq(walk_of(&s, 0).failed, 0);
    clear_stage(&s);
}
