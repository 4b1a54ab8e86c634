/* Settings that change while a producer runs, over librdkafka's simulated brokers. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trilog/trilog.h"

#define NOBODY "127.0.0.1:1"

struct stage {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *brokers;
    struct trilog_producer *producer;
    char folder[64];
    char config[96];
    char bootstrap[256]; /* of one broker */
    atomic_uint events[16];
};

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct stage *s = data;
    (void)text;
    atomic_fetch_add(&s->events[kind], 1);
}

/* As a careful person does: whole, then in place. */
static void write_config(struct stage *s, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s.new", s->config);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    cr_assert_eq(rename(path, s->config), 0);
}

static void write_addresses(struct stage *s, const char *site, const char *address)
{
    char text[512];
    snprintf(text, sizeof text, "site: %s\nbootstrap: ['%s']\n", site, address);
    write_config(s, text);
}

static int open_producer(struct stage *s, const char *path, char *why)
{
    struct trilog_producer_options options = {.config_path = path, .on_event = on_event, .data = s};
    return trilog_producer_open(&s->producer, &options, why);
}

/* Brokers, and a producer that knows an address where nobody is. */
static void set_stage(struct stage *s)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    *s = (struct stage){.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0)};
    s->brokers = rd_kafka_mock_cluster_new(s->host, 1);
    snprintf(s->bootstrap, sizeof s->bootstrap, "%s", rd_kafka_mock_cluster_bootstraps(s->brokers));
    rd_kafka_mock_topic_create(s->brokers, "t", 1, 1);
    strcpy(s->folder, "/tmp/libtrilog-test-XXXXXX");
    cr_assert_not_null(mkdtemp(s->folder));
    snprintf(s->config, sizeof s->config, "%s/client.yaml", s->folder);
    write_addresses(s, "a", NOBODY);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_producer(s, s->config, why), TRILOG_OK, "%s", why);
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

/* The library's own look may have come first, and tells of it in its thread. */
static void await_event(struct stage *s, enum trilog_event_kind kind)
{
    for (int i = 0; i < 3000 && atomic_load(&s->events[kind]) == 0; i++)
        usleep(10000);
    cr_assert_eq(atomic_load(&s->events[kind]), 1);
}

static const struct trilog_record record = {.topic = "t", .value = "1", .value_size = 1};

Test(client_producer_settings, are_seen_when_the_file_changes_and_the_record_under_way_is_taken)
{
    struct stage s;
    set_stage(&s);
    cr_assert_eq(trilog_send(s.producer, &record, NULL), TRILOG_OK);
    cr_assert_eq(trilog_flush(s.producer, 300), TRILOG_ERR_TIMED_OUT, "nobody is there");
    write_addresses(&s, "b", s.bootstrap);
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_SETTINGS_CHANGED]), 1);
    struct trilog_delivery d;
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, &d), TRILOG_OK);
    cr_assert_eq(d.offset, 1, "the first one is there, once");
    clear_stage(&s);
}

Test(client_producer_settings, are_read_again_at_once_when_asked)
{
    struct stage s;
    set_stage(&s);
    write_addresses(&s, "b", s.bootstrap);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_OK);
    await_event(&s, TRILOG_EVENT_SETTINGS_CHANGED);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_OK, "as they were");
    cr_assert_eq(atomic_load(&s.events[TRILOG_EVENT_SETTINGS_CHANGED]), 1);
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, NULL), TRILOG_OK);
    cr_assert_eq(trilog_producer_reload(NULL, NULL), TRILOG_ERR_NULL);
    trilog_producer_close(s.producer, 0);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_ERR_CLOSED);
    clear_stage(&s);
}

Test(client_producer_settings, stay_as_they_were_when_the_new_ones_can_not_be_used)
{
    struct stage s;
    set_stage(&s);
    write_addresses(&s, "a", s.bootstrap);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_OK);
    char why[TRILOG_TEXT_SIZE];
    write_config(&s, "site: a\nnonsense: 1\n");
    cr_assert_eq(trilog_producer_reload(s.producer, why), TRILOG_ERR_SETTINGS);
    cr_assert_not_null(strstr(why, "client.yaml:2: 'nonsense'"), "%s", why);
    write_config(&s, "site: a\n");
    await_event(&s, TRILOG_EVENT_SETTINGS_REFUSED);
    cr_assert_eq(unlink(s.config), 0);
    cr_assert_eq(trilog_producer_reload(s.producer, why), TRILOG_ERR_SETTINGS, "it is gone");
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, NULL), TRILOG_OK);
    clear_stage(&s);
}

Test(client_producer_settings, may_stand_in_the_variable_itself)
{
    struct stage s;
    set_stage(&s);
    trilog_producer_destroy(s.producer);
    char text[512], why[TRILOG_TEXT_SIZE];
    snprintf(text, sizeof text, "{site: b, bootstrap: ['%s']}", s.bootstrap);
    setenv("TRILOG_CLIENT_CONFIG", text, 1);
    cr_assert_eq(open_producer(&s, NULL, why), TRILOG_OK, "%s", why);
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, NULL), TRILOG_OK);
    clear_stage(&s);
}
