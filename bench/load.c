/* One kind of work on a cluster of Kafka's protocol.
 *
 *   load MODE brokers=LIST [topic=NAME] [partitions=N] [size=BYTES] [seconds=N] [rate=N]
 *             [keys=0|1] [idempotent=0|1] [count=BROKERS] [bytes=MAX]
 *
 *   up       waits until Metadata is answered and names so many brokers; prints the instant
 *   topic    creates a topic with three replicas and waits for its leaders
 *   produce  as many records as go, acks=all
 *   latency  a steady rate, time from handing over a record to its acknowledgement
 *   steady   the same, and how much was acknowledged a second
 *   kill     a steady rate; asks for the leading broker to be killed, measures the silence
 *   consume  reads the topic from its start to its end
 *
 * The same binary measures every system, so what the client costs is the same for all. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void load_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

rd_kafka_conf_t *load_conf(const struct options *options, const char *const pairs[][2],
                           int pair_count)
{
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", options->brokers, error, sizeof error) ||
        rd_kafka_conf_set(conf, "log_level", "2", error, sizeof error))
        load_fail("%s", error);
    for (int i = 0; i < pair_count; i++)
        if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], error, sizeof error))
            load_fail("%s", error);
    return conf;
}

rd_kafka_t *load_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char error[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (client == NULL)
        load_fail("%s", error);
    return client;
}

static rd_kafka_t *impatient_client(const struct options *options)
{
    const char *const pairs[][2] = {{"reconnect.backoff.ms", "5"},
                                    {"reconnect.backoff.max.ms", "5"}};
    return load_client(RD_KAFKA_PRODUCER, load_conf(options, pairs, 2));
}

static void create(rd_kafka_t *client, const struct options *options)
{
    char error[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(options->topic, (int)options->partitions, 3,
                                                       error, sizeof error);
    if (topic == NULL || rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", "2"))
        load_fail("%s", error);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 60000);
    if (event == NULL || rd_kafka_event_error(event))
        load_fail("no topic: %s", event ? rd_kafka_event_error_string(event) : "no answer");
    size_t count;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event), &count);
    if (count != 1 || rd_kafka_topic_result_error(results[0]))
        load_fail("no topic: %s", count ? rd_kafka_topic_result_error_string(results[0]) : "");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

/* Leaders of the topic's partitions that are there and have all replicas in sync. */
static long count_ready(rd_kafka_t *client, const struct options *options)
{
    const rd_kafka_metadata_t *metadata;
    long ready_count = 0;
    if (rd_kafka_metadata(client, 1, NULL, &metadata, 5000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    for (int t = 0; t < metadata->topic_cnt; t++)
        for (int p = 0; p < metadata->topics[t].partition_cnt; p++)
            ready_count += strcmp(metadata->topics[t].topic, options->topic) == 0 &&
                           metadata->topics[t].partitions[p].leader >= 0 &&
                           metadata->topics[t].partitions[p].isr_cnt == 3;
    rd_kafka_metadata_destroy(metadata);
    return ready_count;
}

static void load_topic(const struct options *options)
{
    rd_kafka_t *client = impatient_client(options);
    int64_t since_us = now_us();
    create(client, options);
    while (count_ready(client, options) < options->partitions) {
        if (now_us() - since_us > 120 * 1000000L)
            load_fail("%s: not all partitions have a leader and three replicas", options->topic);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    printf("ready_ms=%lld\n", (long long)(now_us() - since_us) / 1000);
    rd_kafka_destroy(client);
}

static void read_option(struct options *o, char *argument)
{
    char *value = strchr(argument, '=');
    if (value == NULL)
        load_fail("not key=value: %s", argument);
    *value++ = '\0';
    const struct {
        const char *name;
        long *number;
        const char **text;
        bool *flag;
    } known[] = {
        {"brokers", NULL, &o->brokers, NULL},    {"topic", NULL, &o->topic, NULL},
        {"partitions", &o->partitions, NULL, 0}, {"size", &o->size_bytes, NULL, NULL},
        {"seconds", &o->seconds, NULL, NULL},    {"rate", &o->rate, NULL, NULL},
        {"keys", NULL, NULL, &o->has_keys},      {"idempotent", NULL, NULL, &o->is_idempotent},
        {"count", &o->broker_count, NULL, NULL}, {"bytes", &o->bytes_max, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, argument) != 0)
            continue;
        if (known[i].text != NULL)
            *known[i].text = value;
        else if (known[i].number != NULL)
            *known[i].number = strtol(value, NULL, 10);
        else
            *known[i].flag = value[0] == '1';
        return;
    }
    load_fail("unknown: %s", argument);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const struct options *options);
    } modes[] = {
        {"up", load_up},           {"topic", load_topic}, {"produce", load_produce},
        {"latency", load_latency}, {"kill", load_kill},   {"consume", load_consume},
        {"steady", load_steady},
    };
    struct options o = {.topic = "bench",
                        .partitions = 12,
                        .size_bytes = 1024,
                        .seconds = 10,
                        .rate = 1000,
                        .broker_count = 1};
    for (int i = 2; i < argc; i++)
        read_option(&o, argv[i]);
    if (o.brokers == NULL || o.partitions < 1 || o.partitions > LOAD_PARTITIONS_MAX ||
        o.size_bytes < 1 || o.size_bytes > 1000000 || o.seconds < 1 || o.rate < 1)
        load_fail("usage: load MODE brokers=LIST …");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, argv[1]) == 0) {
            modes[i].run(&o);
            return 0;
        }
    }
    load_fail("unknown mode: %s", argv[1]);
}
