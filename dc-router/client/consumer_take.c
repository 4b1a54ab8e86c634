/* Taking records, being done with them, and what else an application asks of a consumer. */
#include <stdlib.h>

#include "consumer_parts.h"

static bool is_own_thread(const struct trilog_consumer *c)
{
    return pthread_equal(pthread_self(), c->thread);
}

static uint64_t end_of(int timeout_ms)
{
    return consumer_now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
}

/* ---- taking ---- */

/* With the lock held, as all below: the next ready one, none that has expired. */
static struct held *next_ready(struct trilog_consumer *c)
{
    struct held *h;
    while (!c->is_revoking && (h = c->ready.first) != NULL) {
        int64_t expires_at_ms = h->message.record.expires_at_ms;
        if (expires_at_ms == 0 || expires_at_ms > consumer_wall_ms())
            return h;
        c->state.expired_count++;
        consumer_list_remove(&c->ready, h);
        if (h->part != NULL)
            consumer_part_unlink(h->part, h);
        else
            retry_log_done(c->failures, h->failure_order);
        consumer_held_free(h);
    }
    return NULL;
}

static int why_nothing(const struct trilog_consumer *c)
{
    if (c->in_hand.count > 0 && c->ready.count == 0 && consumer_is_full(c))
        return TRILOG_ERR_IN_HAND;
    for (size_t i = 0; i < c->topic_count; i++)
        if (c->is_unknown[i])
            return TRILOG_ERR_UNKNOWN_TOPIC;
    return TRILOG_ERR_EMPTY;
}

static int hand_out(struct trilog_consumer *c, struct held *h,
                    const struct trilog_message **message)
{
    HASH_ADD(hh, c->in_hand_by_address, self, sizeof h->self, h);
    if (h->hh.tbl == NULL)
        return TRILOG_ERR_MEMORY;
    consumer_list_remove(&c->ready, h);
    consumer_list_add(&c->in_hand, h);
    h->taken_at_ms = c->taken_at_ms = consumer_now_ms();
    c->state.taken_count++;
    *message = &h->message;
    return TRILOG_OK;
}

static int take(struct trilog_consumer *c, uint64_t end_ms, const struct trilog_message **message)
{
    for (;;) {
        if (c->is_closing)
            return TRILOG_ERR_CLOSED;
        struct held *h = next_ready(c);
        if (h != NULL)
            return hand_out(c, h, message);
        if (c->is_fatal)
            return TRILOG_ERR_FATAL;
        if (consumer_is_at_end(c))
            return TRILOG_ERR_END;
        if (!consumer_wait(c, end_ms))
            return why_nothing(c);
    }
}

int trilog_consumer_take(struct trilog_consumer *c, int timeout_ms,
                         const struct trilog_message **message)
{
    if (message != NULL)
        *message = NULL;
    if (c == NULL || message == NULL)
        return TRILOG_ERR_NULL;
    if (is_own_thread(c))
        return TRILOG_ERR_WRONG_THREAD;
    uint64_t end_ms = end_of(timeout_ms);
    pthread_mutex_lock(&c->lock);
    int result = take(c, end_ms, message);
    pthread_mutex_unlock(&c->lock);
    return result;
}

/* ---- out of hand ---- */

static struct held *find_in_hand(const struct trilog_consumer *c,
                                 const struct trilog_message *message)
{
    const struct held *self = (const struct held *)(const void *)message;
    struct held *h;
    HASH_FIND(hh, c->in_hand_by_address, &self, sizeof self, h);
    return h;
}

static void let_go(struct trilog_consumer *c, struct held *h)
{
    HASH_DEL(c->in_hand_by_address, h); /* NOLINT: uthash */
    consumer_list_remove(&c->in_hand, h);
    if (consumer_part_has(h))
        consumer_part_unlink(h->part, h);
    consumer_held_free(h);
    pthread_cond_broadcast(&c->changed);
}

/* Why nothing that is said of it counts any more; 0 when it does. */
static int why_void(const struct trilog_consumer *c, const struct held *h)
{
    if (c->is_closed)
        return TRILOG_ERR_CLOSED;
    return h->part != NULL && !consumer_part_has(h) ? TRILOG_ERR_NOT_ASSIGNED : 0;
}

static int be_done(struct trilog_consumer *c, struct held *h)
{
    int result = why_void(c, h);
    if (result == 0 && h->part == NULL && retry_log_done(c->failures, h->failure_order) != 0)
        result = TRILOG_ERR_LOG_DISK;
    c->state.done_count += result == 0;
    let_go(c, h);
    return result;
}

static int fail(struct trilog_consumer *c, struct held *h, const char *reason)
{
    int result = why_void(c, h);
    if (result == 0) {
        result = consumer_fail(c, h, reason);
        if (result != 0)
            return result; /* it stays in hand */
        c->state.failed_count++;
    }
    let_go(c, h);
    return result;
}

int trilog_message_done(struct trilog_consumer *c, const struct trilog_message *message)
{
    if (c == NULL || message == NULL)
        return TRILOG_ERR_NULL;
    pthread_mutex_lock(&c->lock);
    struct held *h = find_in_hand(c, message);
    int result = h != NULL      ? be_done(c, h)
                 : c->is_closed ? TRILOG_ERR_CLOSED
                                : TRILOG_ERR_NOT_IN_HAND;
    pthread_mutex_unlock(&c->lock);
    return result;
}

int trilog_message_failed(struct trilog_consumer *c, const struct trilog_message *message,
                          const char *reason)
{
    if (c == NULL || message == NULL)
        return TRILOG_ERR_NULL;
    pthread_mutex_lock(&c->lock);
    struct held *h = find_in_hand(c, message);
    int result = h != NULL      ? fail(c, h, reason != NULL ? reason : "")
                 : c->is_closed ? TRILOG_ERR_CLOSED
                                : TRILOG_ERR_NOT_IN_HAND;
    pthread_mutex_unlock(&c->lock);
    return result;
}

void trilog_trace_copy(struct trilog_record *record, const struct trilog_message *message)
{
    if (record == NULL || message == NULL)
        return;
    record->traceparent = message->record.traceparent;
    record->tracestate = message->record.tracestate;
}

/* ---- asking ---- */

static void add_seek(struct trilog_consumer *c, struct consumer_seek *seek)
{
    *(c->seeks_last != NULL ? &c->seeks_last->next : &c->seeks_first) = seek;
    c->seeks_last = seek;
    pthread_cond_broadcast(&c->changed);
}

static int wait_for_seek(struct trilog_consumer *c, struct consumer_seek *seek, uint64_t end_ms)
{
    while (!seek->is_done && consumer_wait(c, end_ms))
        ;
    if (!seek->is_done) {
        seek->is_abandoned = true;
        return TRILOG_ERR_TIMED_OUT;
    }
    int result = seek->result;
    free(seek);
    return result;
}

int trilog_consumer_seek(struct trilog_consumer *c, const char *topic, int32_t partition,
                         int64_t offset, int timeout_ms)
{
    if (c == NULL || topic == NULL)
        return TRILOG_ERR_NULL;
    if (!record_is_topic(topic))
        return TRILOG_ERR_TOPIC;
    if (offset < TRILOG_OFFSET_BEGINNING)
        return TRILOG_ERR_OFFSET;
    if (is_own_thread(c))
        return TRILOG_ERR_WRONG_THREAD;
    uint64_t end_ms = end_of(timeout_ms);
    struct consumer_seek *seek = calloc(1, sizeof *seek);
    if (seek == NULL)
        return TRILOG_ERR_MEMORY;
    seek->key = consumer_part_key(topic, partition);
    seek->offset = offset;
    pthread_mutex_lock(&c->lock);
    const struct part *part = consumer_part_find(c, &seek->key);
    int result = c->is_closing                        ? TRILOG_ERR_CLOSED
                 : c->is_fatal                        ? TRILOG_ERR_FATAL
                 : part == NULL || !part->is_assigned ? TRILOG_ERR_NOT_ASSIGNED
                                                      : TRILOG_OK;
    if (result == TRILOG_OK) {
        add_seek(c, seek);
        result = wait_for_seek(c, seek, end_ms);
    } else {
        free(seek);
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}

int trilog_consumer_commit(struct trilog_consumer *c, int timeout_ms)
{
    if (c == NULL)
        return TRILOG_ERR_NULL;
    if (is_own_thread(c))
        return TRILOG_ERR_WRONG_THREAD;
    uint64_t end_ms = end_of(timeout_ms);
    pthread_mutex_lock(&c->lock);
    uint64_t wanted = c->commits_begun + 1;
    c->wants_commit = true;
    while (!c->is_closing && !c->is_fatal && !c->has_lost_done && c->commits_made < wanted &&
           consumer_wait(c, end_ms))
        ;
    int result = c->is_closing               ? TRILOG_ERR_CLOSED
                 : c->has_lost_done          ? TRILOG_ERR_NOT_ASSIGNED
                 : c->commits_made >= wanted ? TRILOG_OK
                 : c->is_fatal               ? TRILOG_ERR_FATAL
                                             : TRILOG_ERR_TIMED_OUT;
    if (result == TRILOG_ERR_NOT_ASSIGNED)
        c->has_lost_done = false; /* it is told once */
    pthread_mutex_unlock(&c->lock);
    return result;
}

/* Into its place among those before it, of which only the least `count_max` are kept. */
static void insert(int32_t *partitions, int count, int count_max, int32_t partition)
{
    int at = count < count_max ? count : count_max;
    for (; at > 0 && partitions[at - 1] > partition; at--)
        if (at < count_max)
            partitions[at] = partitions[at - 1];
    if (at < count_max)
        partitions[at] = partition;
}

int trilog_consumer_partitions(struct trilog_consumer *c, const char *topic, int32_t *partitions,
                               int count_max)
{
    if (c == NULL || topic == NULL)
        return TRILOG_ERR_NULL;
    if (!record_is_topic(topic))
        return TRILOG_ERR_TOPIC;
    int count = 0;
    pthread_mutex_lock(&c->lock);
    for (const struct part *part = c->parts; part != NULL; part = part->hh.next)
        if (part->is_assigned && strcmp(part->key.topic, topic) == 0)
            insert(partitions, count++, partitions != NULL ? count_max : 0, part->key.partition);
    if (c->is_closed)
        count = TRILOG_ERR_CLOSED;
    pthread_mutex_unlock(&c->lock);
    return count;
}

int trilog_consumer_state(struct trilog_consumer *c, struct trilog_consumer_state *state)
{
    if (c == NULL || state == NULL)
        return TRILOG_ERR_NULL;
    *state = (struct trilog_consumer_state){0};
    pthread_mutex_lock(&c->lock);
    int result = c->is_closed ? TRILOG_ERR_CLOSED : TRILOG_OK;
    if (result == TRILOG_OK) {
        *state = c->state;
        state->ready_count = c->ready.count;
        state->ready_bytes = c->ready.bytes;
        state->in_hand_count = c->in_hand.count;
        state->in_hand_bytes = c->in_hand.bytes;
        if (c->in_hand.first != NULL)
            state->in_hand_ms = consumer_now_ms() - c->in_hand.first->taken_at_ms;
        if (c->failures != NULL) {
            state->failure_count = retry_log_count(c->failures);
            state->given_up_count = retry_log_given_up_count(c->failures);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}
