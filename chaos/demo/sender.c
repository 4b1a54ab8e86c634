/* The producer.
 *
 * A stock librdkafka client with an idempotent producer and acks=all: order and once-only are
 * its and the broker's business, and nothing here helps them. Records are handed over as fast
 * as its queue takes them, so partitions that have lost their leader fill it up and hold the
 * rest back, as in any application.
 *
 * Acknowledgements go to the ledger and to the gaps. The gap over all partitions flatters: the
 * sites that live go on. The gap of a single partition is what its application waits. */
#include "sender.h"

#include <assert.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A record older than this is given up, which fails the demo. */
#define MESSAGE_TIMEOUT_MS "90000"
#define POLL_EVERY_RECORDS 256

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Returns true when this gap is the longest so far. */
static bool widen(int64_t *longest, int64_t *last, int64_t now)
{
    bool is_longest = *last != 0 && now - *last > *longest;
    if (is_longest)
        *longest = now - *last;
    *last = now;
    return is_longest;
}

static void on_acknowledged(struct sender *s, uint64_t number, const rd_kafka_message_t *message)
{
    int64_t now = now_ms();
    int64_t last = s->ended_at_ms;
    widen(&s->gap_ms, &last, now);
    s->ended_at_ms = last;
    if (message->partition >= 0 && message->partition < LEDGER_PARTITIONS_MAX &&
        widen(&s->partition_gap_ms, &s->partition_last_at_ms[message->partition], now))
        s->partition_gap_ended_at_ms = now;
    ledger_on_acknowledged(s->ledger, number, message->partition, message->offset);
    atomic_store_explicit(&s->last_acknowledged_at_ms, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->acknowledged_count, 1, memory_order_relaxed);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *data)
{
    struct sender *s = data;
    uint64_t number = (uint64_t)(uintptr_t)message->_private;
    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        on_acknowledged(s, number, message);
        return;
    }
    ledger_on_failed(s->ledger, number, rd_kafka_err2str(message->err));
    atomic_fetch_add_explicit(&s->failed_count, 1, memory_order_relaxed);
}

/* Keeps the first fatal error: the idempotent producer can't go on behind it. */
static void note_fatal(struct sender *s)
{
    char why[200];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(s->client, why, sizeof why);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && s->fatal[0] == '\0')
        snprintf(s->fatal, sizeof s->fatal, "%s: %s", rd_kafka_err2name(err), why);
}

static bool is_over(struct sender *s)
{
    return atomic_load(&s->is_stop_wanted) || s->fatal[0] != '\0';
}

/* The value is borrowed from the mapped file, the key is copied. Returns -1 to give up. */
static int send_one(struct sender *s, rd_kafka_topic_t *topic, uint64_t number)
{
    struct line line = text_line(s->ledger->text, number);
    char key[24];
    int key_size = snprintf(key, sizeof key, "%llu", (unsigned long long)number);
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, (void *)(uintptr_t)line.data,
                            line.size, key, (size_t)key_size, (void *)(uintptr_t)number) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            snprintf(s->fatal, sizeof s->fatal, "%s", rd_kafka_err2str(rd_kafka_last_error()));
            return -1;
        }
        rd_kafka_poll(s->client, 20);
        note_fatal(s);
        if (is_over(s))
            return -1;
    }
    s->bytes += line.size;
    atomic_fetch_add_explicit(&s->sent_count, 1, memory_order_relaxed);
    return 0;
}

static bool has_more(struct sender *s, uint64_t number)
{
    return number <= s->count_min ||
           (number <= s->ledger->record_count && !atomic_load(&s->is_enough));
}

static void *run(void *data)
{
    struct sender *s = data;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(s->client, s->topic, NULL);
    s->started_at_ms = now_ms();
    for (uint64_t number = 1; has_more(s, number) && !is_over(s); number++) {
        if (send_one(s, topic, number) < 0)
            break;
        if (number % POLL_EVERY_RECORDS == 0)
            rd_kafka_poll(s->client, 0);
    }
    while (!is_over(s) && rd_kafka_outq_len(s->client) > 0) {
        rd_kafka_poll(s->client, 20);
        note_fatal(s);
    }
    rd_kafka_topic_destroy(topic);
    atomic_store(&s->is_done, true);
    return NULL;
}

static int configure(rd_kafka_conf_t *conf, const char *addresses)
{
    const char *const settings[][2] = {
        {"bootstrap.servers", addresses},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"message.timeout.ms", MESSAGE_TIMEOUT_MS},
        {"message.max.bytes", "1048576"},
        {"log_level", "2"}, /* a killed site is this demo's subject, not a warning */
    };
    char error[256];
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error) != 0) {
            fprintf(stderr, "demo: %s\n", error);
            return -1;
        }
    }
    return 0;
}

static int make_producer(struct sender *s, const char *addresses)
{
    char error[256] = "settings";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, s);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    if (configure(conf, addresses) == 0)
        s->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (s->client != NULL)
        return 0;
    fprintf(stderr, "demo: no producer: %s\n", error);
    rd_kafka_conf_destroy(conf);
    return -1;
}

int sender_start(struct sender *s, struct ledger *ledger, uint64_t count_min, const char *addresses,
                 const char *topic)
{
    assert(count_min <= ledger->record_count);
    memset(s, 0, sizeof *s);
    s->count_min = count_min;
    s->ledger = ledger;
    s->topic = topic;
    s->last_acknowledged_at_ms = now_ms();
    if (make_producer(s, addresses) < 0)
        return -1;
    if (pthread_create(&s->thread, NULL, run, s) == 0)
        return 0;
    fprintf(stderr, "demo: no thread for the sender\n");
    rd_kafka_destroy(s->client);
    return -1;
}

void sender_join(struct sender *s)
{
    pthread_join(s->thread, NULL);
    if (rd_kafka_outq_len(s->client) > 0) {
        rd_kafka_purge(s->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(s->client, 1000);
    }
    rd_kafka_destroy(s->client);
    s->client = NULL;
    ledger_seal(s->ledger, atomic_load(&s->sent_count));
}
