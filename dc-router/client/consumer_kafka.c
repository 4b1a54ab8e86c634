/* librdkafka as the consumer wants it.
 *
 * It never commits by itself and never chooses an offset. A broker that hangs costs some seconds:
 * then its leadership is elsewhere, and is asked for. */
#include <stdio.h>

#include "consumer_parts.h"

#define HANG_MS            6000
#define ANSWER_BYTES_LEAST (1 << 20)
#define ANSWER_BYTES_MAX   (50 << 20)

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int set_numbers(rd_kafka_conf_t *conf, const struct trilog_consumer *c, char *why)
{
    const struct client_settings *s = &c->settings;
    int64_t answer = within(s->consumer_bytes_max / 4, ANSWER_BYTES_LEAST, ANSWER_BYTES_MAX);
    const struct handle_number numbers[] = {
        {"session.timeout.ms", s->session_timeout_ms},
        {"heartbeat.interval.ms", within(s->session_timeout_ms / 6, 1000, 3000)},
        {"max.poll.interval.ms", within(4 * s->session_timeout_ms, 120000, 7200000)},
        {"queued.min.messages", within(s->consumer_records_max, 1, 100000)},
        {"queued.max.messages.kbytes", s->consumer_bytes_max / 2 / 1024},
        {"fetch.max.bytes", answer},
        {"message.max.bytes", within(s->record_bytes_max, 1000, answer)},
        {"fetch.wait.max.ms", 500},
        {"fetch.error.backoff.ms", 100},
        {"socket.timeout.ms", HANG_MS},
        {"socket.connection.setup.timeout.ms", HANG_MS / 2},
        {"reconnect.backoff.max.ms", 1000},
        {"topic.metadata.refresh.interval.ms", 5000},
    };
    return handle_set_numbers(conf, numbers, sizeof numbers / sizeof numbers[0], why);
}

static int set_texts(rd_kafka_conf_t *conf, const struct trilog_consumer *c, char *why)
{
    const struct handle_text texts[] = {
        {"client.rack", c->reads_near ? c->settings.site : NULL},
        {"group.id", c->group},
        {"group.instance.id", c->is_broadcast ? c->instance : NULL},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", c->options.stops_at_end ? "true" : "false"},
    };
    return handle_set_texts(conf, texts, sizeof texts / sizeof texts[0], why);
}

static int subscribe(struct trilog_consumer *c, char *why)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->topic_count);
    for (size_t i = 0; i < c->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, c->topics[i], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(c->kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    snprintf(why, TRILOG_TEXT_SIZE, "%s", rd_kafka_err2str(err));
    return TRILOG_ERR_SYSTEM;
}

int consumer_kafka_open(struct trilog_consumer *c, char *why)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int err = handle_set_addresses(conf, &c->settings.bootstrap, why);
    if (err == 0)
        err = handle_set_identity(conf, &c->settings, why);
    if (err == 0)
        err = set_texts(conf, c, why);
    if (err == 0)
        err = set_numbers(conf, c, why);
    if (err != 0) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    handle_set_newer(conf, true);
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_rebalance_cb(conf, consumer_on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, consumer_on_commit);
    handle_set_silent(conf);
    consumer_site_hook(conf);
    c->kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, TRILOG_TEXT_SIZE);
    if (c->kafka == NULL) {
        rd_kafka_conf_destroy(conf);
        return TRILOG_ERR_SYSTEM;
    }
    rd_kafka_poll_set_consumer(c->kafka);
    err = subscribe(c, why);
    if (err != 0) {
        rd_kafka_destroy_flags(c->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        c->kafka = NULL;
        return err;
    }
    bytes_copy_text(c->environment, sizeof c->environment, c->settings.environment);
    return 0;
}
