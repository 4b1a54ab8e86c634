#include "producer_stage.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static void on_delivery(void *data, const struct trilog_delivery *d)
{
    struct stage *s = data;
    atomic_fetch_add(&s->results[TRILOG_LOGGED - d->result], 1);
}

static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct stage *s = data;
    (void)text;
    atomic_fetch_add(&s->events[kind], 1);
}

void stage_set(struct stage *s, int32_t broker_count, const char *settings)
{
    memset(s, 0, sizeof *s);
    fake_cluster_open(&s->cluster, broker_count);
    fake_cluster_configure(&s->cluster, NULL, settings);
}

void stage_clear(struct stage *s)
{
    trilog_producer_destroy(s->producer);
    fake_cluster_close(&s->cluster);
}

int stage_try_open(struct stage *s, const char *path, char *why)
{
    struct trilog_producer_options options = {
        .config_path = path, .on_delivery = on_delivery, .on_event = on_event, .data = s};
    return trilog_producer_open(&s->producer, &options, why);
}

void stage_open(struct stage *s)
{
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(stage_try_open(s, s->cluster.config, why), TRILOG_OK, "%s", why);
}

void stage_reopen(struct stage *s)
{
    trilog_producer_destroy(s->producer);
    stage_open(s);
}

void stage_begin(struct stage *s, int32_t broker_count, const char *settings)
{
    stage_set(s, broker_count, settings);
    stage_open(s);
}

unsigned stage_count(struct stage *s, int result)
{
    return atomic_load(&s->results[TRILOG_LOGGED - result]);
}

unsigned stage_count_told(struct stage *s)
{
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof s->results / sizeof s->results[0]; i++)
        sum += atomic_load(&s->results[i]);
    return sum;
}

unsigned stage_count_events(struct stage *s, enum trilog_event_kind kind)
{
    return atomic_load(&s->events[kind]);
}

void stage_wait_events(struct stage *s, enum trilog_event_kind kind, unsigned count)
{
    for (int i = 0; i < 3000 && stage_count_events(s, kind) < count; i++)
        usleep(10000);
    cr_assert_eq(stage_count_events(s, kind), count);
}

void stage_wait_event(struct stage *s, enum trilog_event_kind kind)
{
    stage_wait_events(s, kind, 1);
}

void stage_wait_empty(struct stage *s)
{
    struct trilog_spool_state state = {.record_count = 1};
    for (int i = 0; i < 3000 && state.record_count > 0; i++) {
        cr_assert_eq(trilog_spool_state(s->producer, &state), 0);
        usleep(10000);
    }
    cr_assert_eq(state.record_count, 0);
}

struct trilog_record stage_record(const char *value)
{
    return (struct trilog_record){
        .topic = "t", .key = "k", .key_size = 1, .value = value, .value_size = strlen(value)};
}

int stage_send_and_wait(struct stage *s, const char *value, int timeout_ms)
{
    struct trilog_record r = stage_record(value);
    return trilog_send_and_wait(s->producer, &r, timeout_ms, NULL);
}

void stage_send(struct stage *s, const char *values)
{
    for (; *values != '\0'; values++) {
        char value[2] = {*values, '\0'};
        struct trilog_record r = stage_record(value);
        cr_assert_eq(trilog_send(s->producer, &r, NULL), TRILOG_OK);
    }
}

void stage_read(struct stage *s, char *values, size_t size)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers",
                      rd_kafka_mock_cluster_bootstraps(s->cluster.brokers), NULL, 0);
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

void stage_assert_values(struct stage *s, const char *expected)
{
    char values[128];
    stage_read(s, values, sizeof values);
    cr_assert_str_eq(values, expected);
}
