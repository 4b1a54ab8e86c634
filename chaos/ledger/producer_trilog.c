/* A producer on libtrilog, as an application has it: its settings are a file, the library knows
 * sites.
 *
 * It is idempotent, and has no say over partitions. Without a spool in its settings each record is
 * acknowledged or not; where there is one, what went to it is of unknown outcome here. */
#include <stdio.h>
#include <time.h>
#include <trilog/trilog.h>

#include "producer.h"

#define FLUSH_MS 50
#define CLOSE_MS 1000

static enum note_outcome outcome_of(int result)
{
    switch (result) {
    case TRILOG_OK:
        return NOTE_OK;
    case TRILOG_ERR_TOO_LARGE:
    case TRILOG_ERR_UNKNOWN_TOPIC:
        return NOTE_FAIL;
    default:
        return NOTE_UNKNOWN;
    }
}

static void on_delivery(void *data, const struct trilog_delivery *d)
{
    struct note_end end = {.outcome = outcome_of(d->result),
                           .error = trilog_error_text(d->result),
                           .offset = d->offset,
                           .epoch = NOTE_NONE};
    producer_note_end(data, (uint64_t)(uintptr_t)d->opaque, d->partition, &end);
}

/* What it tells outside of any send is for people. */
static void on_event(void *data, enum trilog_event_kind kind, const char *text)
{
    struct producer *p = data;
    fprintf(stderr, "ledger: %s: event %d: %s\n", p->process.name, (int)kind, text);
}

static bool open_producer(struct producer *p)
{
    const struct trilog_producer_options options = {.config_path = p->load->options->trilog,
                                                    .on_delivery = on_delivery,
                                                    .on_event = on_event,
                                                    .data = p};
    char why[TRILOG_TEXT_SIZE];
    if (trilog_producer_open(&p->trilog, &options, why) == TRILOG_OK)
        return true;
    fprintf(stderr, "ledger: %s can't be: %s\n", p->process.name, why);
    return false;
}

static int send_record(struct producer *p, uint64_t id, const struct note_send *send,
                       const char **error)
{
    const struct trilog_record record = {.topic = send->place.topic,
                                         .key = send->key,
                                         .key_size = send->key_size,
                                         .value = p->value,
                                         .value_size = send->size};
    int result = trilog_send(p->trilog, &record, (void *)(uintptr_t)id);
    if (result == TRILOG_OK)
        return 0;
    *error = trilog_error_text(result);
    return result == TRILOG_ERR_QUEUE_FULL ? 1 : -1;
}

/* Deliveries are told on the library's thread. */
static void wait_for_time(struct producer *p, int wait_ms)
{
    (void)p;
    nanosleep(&(struct timespec){.tv_nsec = wait_ms * 1000000L}, NULL);
}

static bool never_ends(struct producer *p)
{
    (void)p;
    return false;
}

static void settle(struct producer *p)
{
    while (trilog_flush(p->trilog, FLUSH_MS) == TRILOG_ERR_TIMED_OUT &&
           now_us() < atomic_load(&p->load->settle_until_us))
        ;
    trilog_producer_close(p->trilog, CLOSE_MS);
}

static void close_producer(struct producer *p)
{
    trilog_producer_destroy(p->trilog);
}

const struct producer_library producer_trilog = {
    .name = "libtrilog",
    .open = open_producer,
    .send = send_record,
    .wait = wait_for_time,
    .has_ended = never_ends,
    .settle = settle,
    .close = close_producer,
};
