/* Consumers that look at a topic: where they start, that they stop at its end, that they leave no
 * position. Over librdkafka's simulated brokers. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trilog/trilog.h"

#define WAIT_MS 60000

struct stage {
    rd_kafka_t *host; /* also sends */
    struct trilog_consumer *consumer;
    struct trilog_consumer_options options;
    const char *topic; /* "t", of one partition, or "two" */
    char config[64];
};

static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    (void)data, (void)kind, (void)text;
}

static void set_stage(struct stage *s)
{
    *s = (struct stage){.topic = "t", .config = "/tmp/libtrilog-test-XXXXXX"};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "3", NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "0", NULL, 0);
    s->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    rd_kafka_mock_cluster_t *brokers = rd_kafka_handle_mock_cluster(s->host);
    rd_kafka_mock_topic_create(brokers, "t", 1, 3);
    rd_kafka_mock_topic_create(brokers, "two", 2, 3);
    const char *list = rd_kafka_mock_cluster_bootstraps(brokers);
    int file = mkstemp(s->config);
    cr_assert_geq(file, 0);
    dprintf(file, "{site: a, bootstrap: ['%.*s'], commit_ms: 50}\n", (int)strcspn(list, ","), list);
    close(file);
}

static void clear_stage(struct stage *s)
{
    trilog_consumer_destroy(s->consumer);
    rd_kafka_destroy(s->host);
    cr_assert_eq(unlink(s->config), 0);
}

/* One record for each letter. */
static void send_letters(struct stage *s, int32_t partition, const char *letters)
{
    for (; *letters != '\0'; letters++)
        cr_assert_eq(rd_kafka_producev(s->host, RD_KAFKA_V_TOPIC(s->topic),
                                       RD_KAFKA_V_PARTITION(partition),
                                       RD_KAFKA_V_VALUE((void *)(uintptr_t)letters, 1),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(rd_kafka_flush(s->host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* ... which are in partition 0 of "t" before anybody looks. */
static void set_stage_with(struct stage *s, const char *letters)
{
    set_stage(s);
    send_letters(s, 0, letters);
}

/* One that looks on, of the group "g". */
static void look_from(struct stage *s, enum trilog_start start, int64_t start_at)
{
    trilog_consumer_destroy(s->consumer);
    s->options = (struct trilog_consumer_options){.config_path = s->config,
                                                  .topics = &s->topic,
                                                  .topic_count = 1,
                                                  .group = "g",
                                                  .on_event = on_event,
                                                  .start = start,
                                                  .start_at = start_at,
                                                  .commits_nothing = 1,
                                                  .stops_at_end = 1};
    char why[TRILOG_TEXT_SIZE];
    s->consumer = NULL;
    cr_assert_eq(trilog_consumer_open(&s->consumer, &s->options, why), TRILOG_OK, "%s", why);
}

static void take_letter(struct stage *s, char letter)
{
    const struct trilog_message *m;
    int result = trilog_consumer_take(s->consumer, WAIT_MS, &m);
    cr_assert_eq(result, TRILOG_OK, "'%c': %s", letter, trilog_error_text(result));
    cr_assert_eq(*(const char *)m->record.value, letter, "'%c' rather than '%c'",
                 *(const char *)m->record.value, letter);
    cr_assert_eq(trilog_message_done(s->consumer, m), TRILOG_OK);
}

static void assert_end(struct stage *s)
{
    const struct trilog_message *m;
    int result = trilog_consumer_take(s->consumer, WAIT_MS, &m);
    cr_assert_eq(result, TRILOG_ERR_END, "%s", trilog_error_text(result));
    cr_assert_null(m);
}

static void assert_letters(struct stage *s, const char *letters)
{
    for (; *letters != '\0'; letters++)
        take_letter(s, *letters);
    assert_end(s);
}

Test(client_consumer_reading, hands_out_what_is_there_and_says_that_this_is_the_end)
{
    struct stage s;
    set_stage_with(&s, "abc");
    look_from(&s, TRILOG_START_BEGINNING, 0);
    assert_letters(&s, "abc");
    assert_end(&s);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    clear_stage(&s);
}

Test(client_consumer_reading, leaves_no_position_so_that_the_next_one_sees_all_of_it_too)
{
    struct stage s;
    set_stage_with(&s, "abc");
    look_from(&s, TRILOG_START_BEGINNING, 0);
    assert_letters(&s, "abc");
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK, "there is nothing new");
    look_from(&s, TRILOG_START_BEGINNING, 0);
    assert_letters(&s, "abc");
    clear_stage(&s);
}

Test(client_consumer_reading, starts_at_an_offset_or_so_many_before_the_end_and_never_outside)
{
    static const struct {
        enum trilog_start start;
        int64_t at;
        const char *letters;
    } starts[] = {{TRILOG_START_OFFSET, 1, "bc"},      {TRILOG_START_OFFSET, 9, ""},
                  {TRILOG_START_OFFSET, 0, "abc"},     {TRILOG_START_BEFORE_END, 2, "bc"},
                  {TRILOG_START_BEFORE_END, 9, "abc"}, {TRILOG_START_BEFORE_END, 0, ""},
                  {TRILOG_START_END, 0, ""},           {TRILOG_START_BY_SETTINGS, 0, "abc"}};
    struct stage s;
    set_stage_with(&s, "abc");
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        look_from(&s, starts[i].start, starts[i].at);
        assert_letters(&s, starts[i].letters);
    }
    clear_stage(&s);
}

/* The simulated brokers know no times: they find nothing at any. */
Test(client_consumer_reading, starts_at_the_end_where_nothing_is_of_that_time_or_later)
{
    struct stage s;
    set_stage_with(&s, "abc");
    look_from(&s, TRILOG_START_TIME, INT64_C(4000000000000));
    assert_end(&s);
    clear_stage(&s);
}

Test(client_consumer_reading, ends_when_all_partitions_have_been_read)
{
    struct stage s;
    set_stage(&s);
    s.topic = "two";
    send_letters(&s, 0, "abc");
    send_letters(&s, 1, "defg");
    look_from(&s, TRILOG_START_BEFORE_END, 2);
    char seen[5] = "";
    const struct trilog_message *m;
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(trilog_consumer_take(s.consumer, WAIT_MS, &m), TRILOG_OK);
        seen[m->partition == 0 ? m->offset - 1 : m->offset] = *(const char *)m->record.value;
    }
    cr_assert_str_eq(seen, "bcfg");
    assert_end(&s);
    clear_stage(&s);
}

Test(client_consumer_reading, ends_in_an_empty_topic_too)
{
    struct stage s;
    set_stage(&s);
    look_from(&s, TRILOG_START_BEGINNING, 0);
    assert_end(&s);
    clear_stage(&s);
}

Test(client_consumer_reading, refuses_a_start_that_is_none)
{
    struct stage s;
    set_stage(&s);
    struct trilog_consumer *consumer = NULL;
    struct trilog_consumer_options options = {.config_path = s.config,
                                              .topics = &s.topic,
                                              .topic_count = 1,
                                              .group = "g",
                                              .start = (enum trilog_start)77};
    cr_assert_eq(trilog_consumer_open(&consumer, &options, NULL), TRILOG_ERR_OFFSET);
    options.start = TRILOG_START_OFFSET;
    options.start_at = -1;
    cr_assert_eq(trilog_consumer_open(&consumer, &options, NULL), TRILOG_ERR_OFFSET);
    cr_assert_null(consumer);
    clear_stage(&s);
}
