/* A producer, as an application has one: stock librdkafka with acks=all, idempotent or not.
 *
 * It sends at its own pace whatever the answers do, so an outage delays no later send and hides
 * nothing. Each send is noted before the client is asked and once more in the delivery report,
 * whose message status decides: only what never can have reached a broker has failed.
 *
 * An idempotent producer that meets a fatal error can't go on; as any application would, it starts
 * anew, under a name of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "crc32c.h"
#include "load.h"
#include "random.h"
#include "value.h"

#define RATE_OF_EACH    300
#define KEY_BYTES       24
#define BEHIND_US_MAX   1000000 /* what a thread that was kept from running makes up for */
#define POLL_MS_MAX     50
#define FULL_WAIT_MS    100
#define PURGE_WAIT_US   5000000
#define ODD_KINDS       8 /* one of so many records has no key, one is for a partition */
#define VALUE_BYTES_MAX 1000000

struct producer {
    struct process process; /* first: what the client's callbacks are given */
    struct load *load;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    struct random random;
    bool is_idempotent;
    uint64_t number; /* of the newest value */
    int64_t pace_from_us;
    uint64_t pace_count;
    char value[VALUE_BYTES_MAX];
};

static struct note_end end_of(const rd_kafka_message_t *message)
{
    struct note_end end = client_change_end(message->err, message->offset);
    if (end.outcome == NOTE_UNKNOWN &&
        rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        end.outcome = NOTE_FAIL;
    return end;
}

static void count_end(struct load *load, enum note_outcome outcome)
{
    atomic_ullong *const counts[] = {&load->acknowledged_count, &load->failed_count,
                                     &load->unknown_count};
    atomic_fetch_add_explicit(counts[outcome], 1, memory_order_relaxed);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct producer *p = opaque;
    struct note_end end = end_of(message);
    (void)client;
    note_send_end(&p->process, now_us(), (uint64_t)(uintptr_t)message->_private,
                  (struct note_place){p->load->options->topic, message->partition}, &end);
    count_end(p->load, end.outcome);
}

static int32_t draw_partition(struct producer *p, uint64_t kind)
{
    if (kind != 1)
        return RD_KAFKA_PARTITION_UA;
    return (int32_t)random_below(&p->random, (uint64_t)p->load->partition_count);
}

static size_t draw_size(struct producer *p)
{
    const struct options *o = p->load->options;
    return (size_t)o->size_min +
           random_below(&p->random, (uint64_t)(o->size_max - o->size_min) + 1);
}

/* Draws a record and makes it in `p->value`. */
static void make_record(struct producer *p, struct note_send *send, char *key, char *name)
{
    uint64_t kind = random_below(&p->random, ODD_KINDS);
    int key_size = snprintf(
        key, KEY_BYTES, "k%llu",
        (unsigned long long)random_below(&p->random, (uint64_t)p->load->options->keys));
    send->place.topic = p->load->options->topic;
    send->place.partition = draw_partition(p, kind);
    send->key = kind == 0 ? NULL : key;
    send->key_size = kind == 0 ? 0 : (size_t)key_size;
    value_name(name, p->process.name, ++p->number);
    send->value = name;
    send->size = value_make(p->value, draw_size(p), name);
    send->crc = crc32c(p->value, send->size);
}

/* Returns false when the client's queue is full. */
static bool send_one(struct producer *p)
{
    struct note_send send;
    char key[KEY_BYTES], name[VALUE_NAME_BYTES];
    make_record(p, &send, key, name);
    uint64_t id = note_send(&p->process, now_us(), &send);
    atomic_fetch_add_explicit(&p->load->sent_count, 1, memory_order_relaxed);
    if (rd_kafka_produce(p->topic, send.place.partition, RD_KAFKA_MSG_F_COPY, p->value, send.size,
                         send.key, send.key_size, (void *)(uintptr_t)id) == 0)
        return true;
    rd_kafka_resp_err_t err = rd_kafka_last_error();
    struct note_end end = {.outcome = NOTE_FAIL, .error = client_error_name(err)};
    note_send_end(&p->process, now_us(), id, send.place, &end); /* the client did not take it */
    count_end(p->load, NOTE_FAIL);
    return err != RD_KAFKA_RESP_ERR__QUEUE_FULL;
}

static uint64_t rate_of(const struct producer *p)
{
    const struct options *o = p->load->options;
    uint64_t count = (uint64_t)(o->producers + o->plain_producers);
    uint64_t rate = o->rate > 0 ? (uint64_t)o->rate / count : RATE_OF_EACH;
    return rate > 0 ? rate : 1;
}

/* How many sends are due by now. What a stalled thread has missed for long is not made up for. */
static uint64_t count_due(struct producer *p)
{
    int64_t now = now_us();
    uint64_t rate = rate_of(p);
    uint64_t due = (uint64_t)(now - p->pace_from_us) * rate / 1000000;
    if (due > p->pace_count + rate * BEHIND_US_MAX / 1000000 + 1) {
        p->pace_from_us = now;
        p->pace_count = due = 0;
    }
    return due - p->pace_count;
}

static void send_due(struct producer *p)
{
    for (uint64_t due = count_due(p); due > 0; due--) {
        p->pace_count++;
        if (!send_one(p)) {
            rd_kafka_poll(p->client, FULL_WAIT_MS);
            return;
        }
    }
}

static int wait_ms(const struct producer *p)
{
    uint64_t rate = rate_of(p);
    int64_t next_at_us = p->pace_from_us + (int64_t)((p->pace_count + 1) * 1000000 / rate);
    int64_t left_us = next_at_us - now_us();
    if (left_us <= 0)
        return 0;
    return left_us > POLL_MS_MAX * 1000 ? POLL_MS_MAX : (int)(left_us / 1000) + 1;
}

static bool is_fatal(const struct producer *p)
{
    char why[8];
    return rd_kafka_fatal_error(p->client, why, sizeof why) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool is_sending_over(const struct producer *p)
{
    return atomic_load(&p->load->is_sending_over);
}

/* Every send gets its outcome: by answers while there is time, by giving up then. */
static void settle(struct producer *p)
{
    while (rd_kafka_outq_len(p->client) > 0 && is_sending_over(p) && !is_fatal(p) &&
           now_us() < atomic_load(&p->load->settle_until_us))
        rd_kafka_poll(p->client, POLL_MS_MAX);
    if (rd_kafka_outq_len(p->client) > 0)
        rd_kafka_purge(p->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    int64_t until_us = now_us() + PURGE_WAIT_US;
    while (rd_kafka_outq_len(p->client) > 0 && now_us() < until_us)
        rd_kafka_poll(p->client, POLL_MS_MAX);
}

static bool open_client(struct producer *p)
{
    const struct client_setting settings[] = {
        {"bootstrap.servers", p->load->options->bootstrap},
        {"acks", "all"},
        {"enable.idempotence", p->is_idempotent ? "true" : "false"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    p->client = client_create(RD_KAFKA_PRODUCER, conf, &p->process, settings);
    if (p->client != NULL)
        p->topic = rd_kafka_topic_new(p->client, p->load->options->topic, NULL);
    return p->client != NULL && p->topic != NULL;
}

/* The life of one client: until sending is over, or it meets a fatal error. */
static bool live(struct producer *p, struct load_worker *worker)
{
    struct process_kind kind = {.role = "producer", .idempotent = p->is_idempotent};
    load_process_begin(worker, &p->process, "producer", &kind);
    p->number = 0;
    p->random = random_of((uint64_t)p->load->options->seed, p->process.name);
    if (!open_client(p))
        return false;
    p->pace_from_us = now_us();
    p->pace_count = 0;
    while (!is_sending_over(p) && !is_fatal(p)) {
        send_due(p);
        rd_kafka_poll(p->client, wait_ms(p));
    }
    settle(p);
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->client);
    return true;
}

void *producer_run(void *data)
{
    struct load_worker *worker = data;
    struct producer *p = calloc(1, sizeof *p);
    if (p != NULL) {
        p->load = worker->load;
        p->is_idempotent = worker->index < worker->load->options->producers;
        while (!is_sending_over(p) && live(p, worker))
            ;
        free(p);
    }
    atomic_store(&worker->is_done, true);
    return NULL;
}
