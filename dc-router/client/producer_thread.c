/* The producer's own thread: acknowledgements, the spool, callbacks.
 *
 * It looks 50 times a second whether something is due; an acknowledgement wakes it at once. */
#include "producer_parts.h"

#include <stdlib.h>
#include <unistd.h>

#define TICK_MS 20

/* Will the record never be taken, whenever it is sent? */
static bool is_for_good(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
        return true;
    default:
        return false;
    }
}

/* It stays in the spool unless it is taken or will never be. True when it is lost by that. */
static bool leave_spool(struct trilog_producer *p, const struct send *send, rd_kafka_resp_err_t err)
{
    if (!send->is_spooled)
        return false;
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && !is_for_good(err)) {
        producer_spool_later(p, send->order);
        return false;
    }
    spool_done(p->spool, send->order); /* where the disk fails, it is sent again: a repeat */
    return err != RD_KAFKA_RESP_ERR_NO_ERROR && send->delivery.result == TRILOG_SPOOLED;
}

/* What is refused goes to the failure log, if there is one. What may have been taken all the same
 * goes there from the spool only, whose application knows no error. False: it does not. */
static bool log_refused(struct trilog_producer *p, struct send *send, rd_kafka_resp_err_t err,
                        bool may_be_taken)
{
    const char *reason = rd_kafka_err2str(err);
    if (!is_for_good(err))
        return false;
    if (!may_be_taken)
        return producer_failures_take_over(p, send, reason);
    return send->is_spooled && send->delivery.result == TRILOG_SPOOLED &&
           producer_failures_keep(p, send, reason);
}

void producer_on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *producer)
{
    (void)kafka;
    struct trilog_producer *p = producer;
    struct send *send = message->_private;
    int result = producer_result_of(message->err);
    bool may_be_taken = result != TRILOG_OK &&
                        rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED;
    if (may_be_taken)
        result = TRILOG_ERR_TIMED_OUT; /* whatever the reason */
    pthread_mutex_lock(&p->lock);
    if (send->failure_order != 0) {
        p->failures_in_hand--;
        producer_failures_told(p, send->failure_order, is_for_good(message->err) && !may_be_taken,
                               message->err);
    } else if (log_refused(p, send, message->err, may_be_taken)) {
        result = TRILOG_LOGGED;
    }
    bool is_lost = leave_spool(p, send, message->err) && result != TRILOG_LOGGED;
    if (!send->is_told) {
        send->delivery.partition = message->partition;
        send->delivery.offset = message->offset;
        producer_tell(p, send, result, result == 0 ? NULL : rd_kafka_err2str(message->err));
    }
    uint64_t order = send->order;
    producer_forget(p, send);
    if (is_lost)
        producer_event(p, TRILOG_EVENT_SPOOL_REFUSED, "record %llu of the spool is refused: %s",
                       (unsigned long long)order, rd_kafka_err2str(message->err));
    pthread_mutex_unlock(&p->lock);
}

static void note_fatal(struct trilog_producer *p)
{
    char text[256];
    if (p->is_fatal || p->kafka == NULL || rd_kafka_fatal_error(p->kafka, text, sizeof text) == 0)
        return;
    p->is_fatal = true;
    producer_event(p, TRILOG_EVENT_FATAL, "%s", text);
}

/* All that nobody knows the fate of goes into the spool, or is told of. */
static void finish(struct trilog_producer *p)
{
    pthread_mutex_lock(&p->lock);
    for (struct send *s = p->sends.first; s != NULL && p->spool != NULL; s = s->next)
        s->due_at_ms = 0;
    p->next_due_at_ms = 0;
    producer_spool_due(p, producer_now_ms());
    pthread_mutex_unlock(&p->lock);
    if (p->kafka != NULL)
        producer_kafka_purge(p);
    pthread_mutex_lock(&p->lock);
    for (struct send *s = p->sends.first; s != NULL; s = s->next)
        if (!s->is_told)
            producer_tell(p, s, TRILOG_ERR_TIMED_OUT, NULL);
    pthread_mutex_unlock(&p->lock);
    producer_run_callbacks(p);
}

/* For a tick at most. */
static void serve(struct trilog_producer *p)
{
    if (p->kafka != NULL)
        rd_kafka_poll(p->kafka, TICK_MS);
    else
        usleep(TICK_MS * 1000);
}

void *producer_thread(void *producer)
{
    struct trilog_producer *p = producer;
    bool is_closing = false;
    while (!is_closing) {
        serve(p);
        pthread_mutex_lock(&p->lock);
        producer_spool_due(p, producer_now_ms());
        producer_spool_feed(p);
        producer_failures_feed(p);
        producer_failures_note(p);
        producer_spool_note(p);
        note_fatal(p);
        producer_settings_watch(p, producer_now_ms());
        producer_renew_watch(p);
        producer_site_note(p);
        is_closing = p->is_closing;
        pthread_mutex_unlock(&p->lock);
        producer_run_callbacks(p);
    }
    finish(p);
    return NULL;
}
