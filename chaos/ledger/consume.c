/* A poll of the application: what one wait brought.
 *
 * Records are taken one by one, not as librdkafka's batches: assignments are taken away within
 * rd_kafka_consumer_poll(), so their lines stand exactly between the records that came before and
 * after. A batch could hold records of a partition that was lost while it was being filled. */
#include "consume.h"

static void take_record(const struct consume *c, uint64_t poll_id,
                        const rd_kafka_message_t *message)
{
    struct note_read read = {
        .place = {rd_kafka_topic_name(message->rkt), message->partition},
        .offset = message->offset,
        .key = message->key,
        .key_size = message->key_len,
        .value = message->payload,
        .size = message->len,
        .group = c->group,
        .stage = c->stage,
        .epoch = NOTE_NONE, /* librdkafka 2.0 doesn't tell */
        .node = NOTE_NONE,
    };
    note_read(c->process, now_us(), poll_id, &read);
    c->on_record(c->data, message);
}

static void take_trouble(const struct consume *c, const rd_kafka_message_t *message)
{
    struct note_place place = {message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : NULL,
                               message->rkt != NULL ? message->partition : NOTE_NONE};
    if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        note_error(c->process, now_us(), client_error_name(message->err), place,
                   rd_kafka_message_errstr(message));
    if (c->on_trouble != NULL)
        c->on_trouble(c->data, message);
}

int64_t consume_poll(const struct consume *c, int timeout_ms)
{
    int64_t began_at_us = now_us(), count = 0;
    uint64_t poll_id = 0;
    while (count < CONSUME_RECORDS_MAX) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(c->client, count > 0 ? 0 : timeout_ms);
        if (message == NULL)
            break;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            take_trouble(c, message);
            timeout_ms = 0;
        } else {
            if (count++ == 0)
                poll_id = note_poll(c->process, began_at_us);
            take_record(c, poll_id, message);
        }
        rd_kafka_message_destroy(message);
    }
    if (count > 0)
        note_poll_end(c->process, now_us(), poll_id, count);
    return count;
}
