/* The consumer's own thread: it alone speaks to librdkafka.
 *
 * It goes on polling whatever the application does, so that no rebalance comes from slow work.
 * While there is no room, records stay with librdkafka, which fetches no more; only when that
 * lasts are partitions paused, for then what waits there is thrown away and fetched again. */
#include <stdio.h>
#include <stdlib.h>

#include "consumer_parts.h"

#define TICK_MS          20
#define ROOM_LOOK_MS     50
#define PAUSE_AFTER_MS   1000
#define MESSAGES_MAX     1000 /* between two looks at all else */
#define REFUSED_EVERY_MS 30000
#define LEAVE_WAIT_MS    5000
#define COMMIT_WAIT_MS   2000

/* ---- what comes out of librdkafka ---- */

/* With the lock held. Is it one that is to be handed out? */
static bool is_wanted(struct trilog_consumer *c, struct part *part, struct held *h)
{
    if (part == NULL || !part->is_assigned || !part->is_placed ||
        h->message.offset < part->position)
        return false;
    part->position = h->message.offset + 1;
    part->came_at_ms = consumer_now_ms();
    part->look_count = 0;
    if (c->repeats == NULL || !h->has_id ||
        !repeats_has(c->repeats, &h->id, part, h->message.offset, consumer_now_ms()))
        return true;
    c->state.repeat_count++;
    return false;
}

static void take_record(struct trilog_consumer *c, const rd_kafka_message_t *m)
{
    struct held *h = consumer_held_of(m);
    if (h == NULL) { /* no memory: it is fetched again when there may be some */
        consumer_place_lost(c, m);
        return;
    }
    pthread_mutex_lock(&c->lock);
    struct part_key key = consumer_part_key(rd_kafka_topic_name(m->rkt), m->partition);
    struct part *part = consumer_part_find(c, &key);
    bool is_kept = is_wanted(c, part, h);
    if (is_kept) {
        consumer_part_link(part, h);
        if (c->ready.count == 0)
            c->taken_at_ms = consumer_now_ms();
        consumer_list_add(&c->ready, h);
        pthread_cond_broadcast(&c->changed); /* whoever waits, it may be for something else */
    }
    pthread_mutex_unlock(&c->lock);
    if (!is_kept)
        consumer_held_free(h);
}

static void note_unknown(struct trilog_consumer *c, const char *topic)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        if (c->is_unknown[i] || strcmp(c->topics[i], topic) != 0)
            continue;
        c->is_unknown[i] = true;
        consumer_event(c, TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC, "the cluster has no topic '%s' yet",
                       topic);
    }
}

static void note_refused(struct trilog_consumer *c, const rd_kafka_message_t *m)
{
    uint64_t now_ms = consumer_now_ms();
    if (now_ms < c->refused_at_ms)
        return;
    c->refused_at_ms = now_ms + REFUSED_EVERY_MS;
    consumer_event(c, TRILOG_CONSUMER_EVENT_REFUSED, "%s%s%s",
                   m->rkt != NULL ? rd_kafka_topic_name(m->rkt) : "", m->rkt != NULL ? ": " : "",
                   rd_kafka_message_errstr(m));
}

static void take_error(struct trilog_consumer *c, const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && m->rkt != NULL) {
        consumer_place_lost(c, m);
        return;
    }
    pthread_mutex_lock(&c->lock);
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        if (m->rkt != NULL)
            note_unknown(c, rd_kafka_topic_name(m->rkt));
        break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        consumer_end_note(c, m);
        break;
    case RD_KAFKA_RESP_ERR__TRANSPORT: /* it goes to others */
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED: /* a callback took so long; it joins again */
    case RD_KAFKA_RESP_ERR__FATAL:             /* watched for by itself */
        break;
    default:
        note_refused(c, m);
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- room ---- */

static bool is_full_now(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    bool is_full = consumer_is_full(c);
    pthread_mutex_unlock(&c->lock);
    return is_full;
}

static bool is_half_empty(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t count = c->ready.count + c->in_hand.count, bytes = c->ready.bytes + c->in_hand.bytes;
    bool is_half = count <= (uint64_t)c->settings.consumer_records_max / 2 &&
                   bytes <= (uint64_t)c->settings.consumer_bytes_max / 2;
    pthread_mutex_unlock(&c->lock);
    return is_half;
}

static void wait_for_room(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t end_ms = consumer_now_ms() + ROOM_LOOK_MS;
    while (consumer_is_full(c) && !c->is_ending && c->seeks_first == NULL &&
           consumer_wait(c, end_ms))
        ;
    pthread_mutex_unlock(&c->lock);
}

/* May librdkafka be asked now, for records or, while all is paused, for all else? */
static bool may_poll(struct trilog_consumer *c, uint64_t *full_since_ms)
{
    if (c->is_paused && is_half_empty(c))
        consumer_pause(c, false);
    if (c->is_paused || !is_full_now(c)) {
        *full_since_ms = 0;
        return true;
    }
    uint64_t now_ms = consumer_now_ms();
    if (*full_since_ms == 0)
        *full_since_ms = now_ms;
    if (now_ms - *full_since_ms < PAUSE_AFTER_MS) {
        wait_for_room(c);
        return false;
    }
    consumer_pause(c, true);
    return true;
}

static void poll_some(struct trilog_consumer *c, uint64_t *full_since_ms)
{
    if (!may_poll(c, full_since_ms))
        return;
    int wait_ms = TICK_MS;
    for (int i = 0; i < MESSAGES_MAX; i++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->kafka, wait_ms);
        if (m == NULL)
            return;
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            take_record(c, m);
        else
            take_error(c, m);
        rd_kafka_message_destroy(m);
        if (is_full_now(c))
            return;
        wait_ms = 0;
    }
}

/* ---- the thread ---- */

/* librdkafka's own blocking call may wait for ever for a coordinator that does not answer. */
void consumer_leave_group(struct trilog_consumer *c)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(c->kafka);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->kafka, queue);
    uint64_t end_ms = consumer_now_ms() + LEAVE_WAIT_MS;
    while (error == NULL && !rd_kafka_consumer_closed(c->kafka) && consumer_now_ms() < end_ms) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TICK_MS);
        if (event == NULL)
            continue;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            consumer_on_rebalance(c->kafka, rd_kafka_event_error(event),
                                  rd_kafka_event_topic_partition_list(event), c);
        rd_kafka_event_destroy(event);
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
}

static void finish(struct trilog_consumer *c)
{
    consumer_refuse_seeks(c);
    if (c->kafka != NULL)
        consumer_commit_now(c, COMMIT_WAIT_MS);
    pthread_mutex_lock(&c->lock);
    c->is_left = c->in_hand.count > 0 || !consumer_is_committed(c);
    pthread_mutex_unlock(&c->lock);
    if (c->kafka != NULL)
        consumer_leave_group(c);
    consumer_run_events(c);
}

bool consumer_is_ending(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    bool is_ending = c->is_ending;
    pthread_mutex_unlock(&c->lock);
    return is_ending;
}

void *consumer_thread(void *consumer)
{
    struct trilog_consumer *c = consumer;
    uint64_t full_since_ms = 0;
    while (!consumer_is_ending(c) && c->kafka != NULL) {
        poll_some(c, &full_since_ms);
        consumer_place_due(c);
        consumer_serve_seeks(c);
        consumer_commit_due(c);
        consumer_near_watch(c);
        consumer_renew_watch(c);
        consumer_end_watch(c);
        pthread_mutex_lock(&c->lock);
        consumer_failures_feed(c);
        consumer_watch(c, consumer_now_ms());
        pthread_mutex_unlock(&c->lock);
        consumer_run_events(c);
    }
    finish(c);
    return NULL;
}
