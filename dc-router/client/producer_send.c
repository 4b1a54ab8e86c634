/* Sending: what an application hands in goes to librdkafka, or behind its key in the spool. */
#include "producer_parts.h"

#include <stdlib.h>
#include <time.h>

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_own_thread(const struct trilog_producer *p)
{
    return pthread_equal(pthread_self(), p->thread);
}

/* With the lock held. Out of the caller's hands on 0: told of, now or later. */
static int into_spool(struct trilog_producer *p, struct send *send, bool is_waiting)
{
    int err = spool_append(p->spool, send->order, send->key_hash,
                           bytes_of(send->content, send->content_size), is_waiting,
                           p->settings.spool_is_durable);
    if (err != 0)
        return producer_spool_result(err);
    send->is_spooled = true;
    free(send->content);
    send->content = NULL;
    return 0;
}

static void tell_stored(struct trilog_producer *p, struct send *send, int result, bool is_kept)
{
    p->untold_count++;
    producer_tell(p, send, result, NULL);
    if (!is_kept) {
        free(send->content);
        free(send);
    }
}

/* The cluster has said so of the topic before. */
static bool is_refusal(int result)
{
    return result == TRILOG_ERR_UNKNOWN_TOPIC || result == TRILOG_ERR_REFUSED;
}

/* It is in the spool, and does not stay there. */
static int refused_behind(struct trilog_producer *p, struct send *send, int result)
{
    bool is_logged = is_refusal(result) &&
                     producer_failures_take_over(p, send, trilog_error_text(result));
    spool_done(p->spool, send->order);
    if (!is_logged)
        return result;
    tell_stored(p, send, TRILOG_LOGGED, false);
    return 0;
}

/* A record whose key is in the spool goes there, too; to librdkafka as well when all before it are
 * there, in whose hands it then is. */
static int send_behind(struct trilog_producer *p, const struct trilog_record *record,
                       const struct record_id *id, struct send *send)
{
    bool is_waiting = spool_key_waits(p->spool, send->key_hash);
    int result = into_spool(p, send, is_waiting);
    if (result != 0)
        return result;
    if (!is_waiting) {
        result = producer_kafka_send(p, record, id, send);
        if (result == 0) {
            producer_link(&p->sends, send);
            p->send_count++;
            tell_stored(p, send, TRILOG_SPOOLED, true);
            return 0;
        }
        if (result != TRILOG_ERR_QUEUE_FULL && result != TRILOG_ERR_MEMORY)
            return refused_behind(p, send, result);
        spool_give_back(p->spool, send->order);
    }
    tell_stored(p, send, TRILOG_SPOOLED, false);
    return 0;
}

static int send_ahead(struct trilog_producer *p, const struct trilog_record *record,
                      const struct record_id *id, struct send *send)
{
    int result = producer_kafka_send(p, record, p->spool != NULL || p->failures != NULL ? id : NULL,
                                     send);
    if (result == TRILOG_ERR_QUEUE_FULL && p->spool != NULL) {
        result = into_spool(p, send, true);
        if (result == 0)
            tell_stored(p, send, TRILOG_SPOOLED, false);
        return result;
    }
    if (is_refusal(result) && producer_failures_take_over(p, send, trilog_error_text(result))) {
        tell_stored(p, send, TRILOG_LOGGED, false);
        return 0;
    }
    if (result != 0)
        return result;
    producer_link(&p->sends, send);
    p->send_count++;
    p->untold_count++;
    if (send->due_at_ms < p->next_due_at_ms)
        p->next_due_at_ms = send->due_at_ms;
    return 0;
}

static struct record_id next_id(struct trilog_producer *p)
{
    struct record_id id;
    bytes_put_be64(bytes_put_be64(id.bytes, p->instance), p->order_next++);
    return id;
}

/* With the lock held; the send is the caller's still where this fails. */
static int submit(struct trilog_producer *p, const struct trilog_record *given, struct send *send)
{
    if (p->is_closing)
        return TRILOG_ERR_CLOSED;
    if (p->is_fatal)
        return TRILOG_ERR_FATAL;
    if (!p->has_topic)
        site_watch_topic(p->at->watch, given->topic);
    p->has_topic = true;
    struct trilog_record record = *given;
    if (record.timestamp_ms == 0)
        record.timestamp_ms = wall_ms();
    send->order = p->order_next;
    send->key_hash = record_key_hash(&record, send->order);
    struct record_id id = next_id(p);
    if (p->spool == NULL && p->failures == NULL)
        return send_ahead(p, &record, &id, send);
    send->content = record_encode(&record, &id, &send->content_size);
    if (send->content == NULL)
        return TRILOG_ERR_MEMORY;
    return p->spool != NULL && spool_has_key(p->spool, send->key_hash)
               ? send_behind(p, &record, &id, send)
               : send_ahead(p, &record, &id, send);
}

/* With a spool, a fifth of the time is the disk's. */
static uint64_t due_at(const struct trilog_producer *p, int64_t timeout_ms)
{
    return producer_now_ms() + (uint64_t)(p->spool != NULL ? timeout_ms * 4 / 5 : timeout_ms);
}

static struct send *new_send(uint64_t due_at_ms, struct waiter *waiter, void *opaque)
{
    struct send *send = calloc(1, sizeof *send);
    struct note *note = waiter == NULL ? calloc(1, sizeof *note) : NULL;
    if (send == NULL || (waiter == NULL && note == NULL)) {
        free(send);
        free(note);
        return NULL;
    }
    send->note = note;
    send->waiter = waiter;
    send->opaque = opaque;
    send->due_at_ms = due_at_ms;
    return send;
}

/* On 0 the lock is held, for the waiter to be looked after. */
static int send_record(struct trilog_producer *p, const struct trilog_record *record,
                       int64_t timeout_ms, struct waiter *waiter, void *opaque)
{
    struct record_sent sent;
    int result = record_check(record, (uint64_t)p->settings.record_bytes_max);
    if (result == 0)
        result = record_prepare(record, &sent);
    if (result != 0)
        return result;
    struct send *send = new_send(due_at(p, timeout_ms), waiter, opaque);
    if (send == NULL) {
        record_sent_free(&sent);
        return TRILOG_ERR_MEMORY;
    }
    pthread_mutex_lock(&p->lock);
    result = submit(p, &sent.record, send);
    record_sent_free(&sent);
    if (result == 0)
        return 0;
    pthread_mutex_unlock(&p->lock);
    free(send->content);
    free(send->note);
    free(send);
    return result;
}

int trilog_send(struct trilog_producer *p, const struct trilog_record *record, void *opaque)
{
    if (p == NULL)
        return TRILOG_ERR_NULL;
    int result = send_record(p, record, p->settings.send_timeout_ms, NULL, opaque);
    if (result == 0)
        pthread_mutex_unlock(&p->lock);
    return result;
}

bool producer_wait(struct trilog_producer *p, uint64_t end_ms)
{
    if (producer_now_ms() >= end_ms)
        return false;
    struct timespec end = {.tv_sec = (time_t)(end_ms / 1000),
                           .tv_nsec = (long)(end_ms % 1000) * 1000000};
    pthread_cond_timedwait(&p->changed, &p->lock, &end);
    return true;
}

/* Nobody waits for it any more. With the lock held. */
static void let_go(struct trilog_producer *p, const struct waiter *waiter)
{
    for (struct send *s = p->sends.first; s != NULL; s = s->next)
        if (s->waiter == waiter) {
            s->waiter = NULL;
            s->is_told = true;
            p->untold_count--;
        }
}

int trilog_send_and_wait(struct trilog_producer *p, const struct trilog_record *record,
                         int timeout_ms, struct trilog_delivery *delivery)
{
    if (p == NULL)
        return TRILOG_ERR_NULL;
    if (is_own_thread(p))
        return TRILOG_ERR_WRONG_THREAD;
    int64_t wait_ms = timeout_ms < 0 ? 0 : timeout_ms;
    if (wait_ms > p->settings.send_timeout_ms)
        wait_ms = p->settings.send_timeout_ms;
    uint64_t end_ms = producer_now_ms() + (uint64_t)wait_ms;
    struct waiter waiter = {0};
    int result = send_record(p, record, wait_ms, &waiter, NULL);
    if (result != 0)
        return result;
    while (!waiter.is_told && producer_wait(p, end_ms))
        ;
    if (!waiter.is_told) {
        let_go(p, &waiter);
        waiter.delivery = (struct trilog_delivery){.result = TRILOG_ERR_TIMED_OUT};
    }
    pthread_mutex_unlock(&p->lock);
    if (delivery != NULL && waiter.delivery.result == TRILOG_OK)
        *delivery = waiter.delivery;
    return waiter.delivery.result;
}

int trilog_flush(struct trilog_producer *p, int timeout_ms)
{
    if (p == NULL)
        return TRILOG_ERR_NULL;
    if (is_own_thread(p))
        return TRILOG_ERR_WRONG_THREAD;
    uint64_t end_ms = producer_now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    pthread_mutex_lock(&p->lock);
    while (!p->is_closed && p->untold_count > 0 && producer_wait(p, end_ms))
        ;
    int result = p->is_closed           ? TRILOG_ERR_CLOSED
                 : p->untold_count == 0 ? TRILOG_OK
                                        : TRILOG_ERR_TIMED_OUT;
    pthread_mutex_unlock(&p->lock);
    return result;
}

int trilog_spool_state(struct trilog_producer *p, struct trilog_spool_state *state)
{
    if (p == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    *state = (struct trilog_spool_state){0};
    pthread_mutex_lock(&p->lock);
    int result = p->is_closing ? TRILOG_ERR_CLOSED : TRILOG_OK; /* the spool may just be freed */
    if (result == TRILOG_OK && p->spool != NULL) {
        state->record_count = spool_record_count(p->spool);
        state->bytes = spool_bytes(p->spool);
    }
    pthread_mutex_unlock(&p->lock);
    return result;
}
