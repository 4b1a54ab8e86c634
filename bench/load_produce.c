/* As many records as go, acks=all.
 *
 * Without keys librdkafka's own sticky partitioner fills one partition's batch after another;
 * with keys (8 random bytes) its hash spreads records evenly. Throughput is what was
 * acknowledged in the measured seconds; the seconds before it are warm-up. The bytes of the whole
 * run are printed too, for whoever divides the servers' CPU time by them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"

struct tally {
    int64_t from_us, to_us;  /* the measured time */
    uint64_t measured_count; /* acknowledged in it */
    uint64_t total_count;    /* acknowledged at all */
    uint64_t failed_count;
};

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *data)
{
    struct tally *tally = data;
    (void)client;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (tally->failed_count++ == 0)
            fprintf(stderr, "load: %s\n", rd_kafka_err2str(message->err));
        return;
    }
    int64_t now = now_us();
    tally->total_count++;
    tally->measured_count += now >= tally->from_us && now < tally->to_us;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Bytes that no compression would shrink. */
static char *make_value(long size_bytes, uint64_t *seed)
{
    char *value = malloc((size_t)size_bytes);
    if (value == NULL)
        load_fail("no memory");
    for (long i = 0; i < size_bytes; i++)
        value[i] = (char)next_random(seed);
    return value;
}

static void send_until(rd_kafka_t *client, const struct options *o, int64_t end_us)
{
    uint64_t seed = 88172645463325252u;
    char *value = make_value(o->size_bytes, &seed);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, o->topic, NULL);
    uint64_t count_max = o->bytes_max > 0 ? (uint64_t)(o->bytes_max / o->size_bytes) : UINT64_MAX;
    for (uint64_t i = 0; i < count_max && (i % 64 != 0 || now_us() < end_us); i++) {
        uint64_t key = next_random(&seed);
        if (i % 64 == 0)
            rd_kafka_poll(client, 0);
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, value, (size_t)o->size_bytes,
                                o->has_keys ? &key : NULL, o->has_keys ? sizeof key : 0,
                                NULL) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                load_fail("%s", rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(client, 5);
        }
    }
    rd_kafka_topic_destroy(topic);
    if (rd_kafka_flush(client, 300000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        load_fail("records without an answer after five minutes");
    free(value);
}

void load_produce(const struct options *o)
{
    const char *const pairs[][2] = {{"acks", "all"},
                                    {"enable.idempotence", o->is_idempotent ? "true" : "false"}};
    struct tally tally = {.from_us = now_us() + LOAD_WARM_UP_SECONDS * 1000000L};
    tally.to_us = tally.from_us + o->seconds * 1000000;
    rd_kafka_conf_t *conf = load_conf(o, pairs, 2);
    rd_kafka_conf_set_opaque(conf, &tally);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = load_client(RD_KAFKA_PRODUCER, conf);
    send_until(client, o, tally.to_us);
    rd_kafka_destroy(client);
    if (tally.failed_count > 0)
        load_fail("%" PRIu64 " records failed", tally.failed_count);
    double per_second = (double)tally.measured_count / (double)o->seconds;
    printf("records_per_s=%.0f mb_per_s=%.2f total_bytes=%" PRIu64 "\n", per_second,
           per_second * (double)o->size_bytes / 1e6, tally.total_count * (uint64_t)o->size_bytes);
}
