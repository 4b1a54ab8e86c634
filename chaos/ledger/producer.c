/* A producer, as an application has one: on stock librdkafka, or on libtrilog (producer.h).
 *
 * It sends at its own pace whatever the answers do, so an outage delays no later send and hides
 * nothing. Each send is noted before the library is asked, and once more when it tells what became
 * of it.
 *
 * An idempotent producer that meets a fatal error can't go on; as any application would, it starts
 * anew, under a name of its own. */
#include <stdio.h>
#include <stdlib.h>

#include "crc32c.h"
#include "producer.h"
#include "value.h"

#define RATE_OF_EACH  300
#define KEY_BYTES     24
#define BEHIND_US_MAX 1000000 /* what a thread that was kept from running makes up for */
#define POLL_MS_MAX   50
#define ODD_KINDS     8 /* one of so many records has no key, one is for a partition */

static void count_end(struct load *load, enum note_outcome outcome)
{
    atomic_ullong *const counts[] = {&load->acknowledged_count, &load->failed_count,
                                     &load->unknown_count};
    atomic_fetch_add_explicit(counts[outcome], 1, memory_order_relaxed);
}

void producer_note_end(struct producer *p, uint64_t id, int32_t partition,
                       const struct note_end *end)
{
    pthread_mutex_lock(&p->lock);
    note_send_end(&p->process, now_us(), id,
                  (struct note_place){p->load->options->topic, partition}, end);
    pthread_mutex_unlock(&p->lock);
    count_end(p->load, end->outcome);
}

bool producer_is_sending_over(const struct producer *p)
{
    return atomic_load(&p->load->is_sending_over);
}

static int32_t draw_partition(struct producer *p, uint64_t kind)
{
    if (kind != 1 || p->library != &producer_kafka)
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

/* Returns false when the library's queue is full. */
static bool send_one(struct producer *p)
{
    struct note_send send;
    char key[KEY_BYTES], name[VALUE_NAME_BYTES];
    const char *error = NULL;
    make_record(p, &send, key, name);
    pthread_mutex_lock(&p->lock);
    uint64_t id = note_send(&p->process, now_us(), &send);
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_add_explicit(&p->load->sent_count, 1, memory_order_relaxed);
    int status = p->library->send(p, id, &send, &error);
    if (status == 0)
        return true;
    struct note_end end = {.outcome = NOTE_FAIL, .error = error}; /* the library did not take it */
    producer_note_end(p, id, send.place.partition, &end);
    return status < 0;
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
        if (!send_one(p))
            return;
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

/* The life of one client: until sending is over, or it can't go on. */
static bool live(struct producer *p, struct load_worker *worker)
{
    struct process_kind kind = {
        .role = "producer", .client = p->library->name, .idempotent = p->is_idempotent};
    load_process_begin(worker, &p->process, "producer", &kind);
    p->number = 0;
    p->random = random_of((uint64_t)p->load->options->seed, p->process.name);
    if (!p->library->open(p))
        return false;
    p->pace_from_us = now_us();
    p->pace_count = 0;
    while (!producer_is_sending_over(p) && !p->library->has_ended(p)) {
        send_due(p);
        p->library->wait(p, wait_ms(p));
    }
    p->library->settle(p);
    p->library->close(p);
    return true;
}

static void init(struct producer *p, const struct load_worker *worker)
{
    const struct options *o = worker->load->options;
    p->load = worker->load;
    p->library = o->trilog[0] != '\0' ? &producer_trilog : &producer_kafka;
    p->is_idempotent = p->library == &producer_trilog || worker->index < o->producers;
    pthread_mutex_init(&p->lock, NULL);
}

void *producer_run(void *data)
{
    struct load_worker *worker = data;
    struct producer *p = calloc(1, sizeof *p);
    if (p != NULL) {
        init(p, worker);
        while (!producer_is_sending_over(p) && live(p, worker))
            ;
        pthread_mutex_destroy(&p->lock);
        free(p);
    }
    atomic_store(&worker->is_done, true);
    return NULL;
}
