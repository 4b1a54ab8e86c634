/* One partition's lost tail goes to its salvage topic, the way of all producers: a piece is read on
 * a worker and sent to the topic's leader, and the next one when that has answered. */
#include <inttypes.h>
#include <stdio.h>

#include "admin/salvage.h"
#include "base/err.h"
#include "protocol/messages.h"

#define PRODUCE_VERSION 9

/* Nobody else writes there: what we did not see would be there twice, or not in order. */
static bool is_alone(struct salvage *s, int64_t base_offset)
{
    if (base_offset == s->target_next)
        return true;
    salvage_leave(s, "somebody else wrote to the salvage topic meanwhile: look whether records are "
                     "there twice");
    return false;
}

static void on_produced(void *data, int status, const void *message)
{
    struct salvage *s = data;
    const struct kafka_produce_response *r = message;
    bool has_partition = status == 0 && r->topics_count == 1 && r->topics[0].partitions_count == 1;
    if (!salvage_is_sound(s, status, has_partition,
                          has_partition ? r->topics[0].partitions[0].error_code : 0))
        return;
    s->records += s->piece.record_count;
    s->bytes += s->piece.batch.bytes.size;
    s->from = s->piece.next_offset;
    s->has_gone_on = true;
    if (!is_alone(s, r->topics[0].partitions[0].base_offset))
        return;
    s->target_next += s->piece.record_count;
    salvage_copy(s);
}

static void produce(struct salvage *s)
{
    struct kafka_produce_request_partition partition;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request message;
    kafka_produce_request_init(&message);
    kafka_produce_request_topic_init(&topic);
    kafka_produce_request_partition_init(&partition);
    partition.partition_index = salvage_store_row(s->store, s->place)->id.partition;
    partition.records = s->piece.batch.bytes;
    topic.name = kafka_string_of(s->target);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.transactional_id = KAFKA_STRING_NULL;
    message.acks = -1;
    message.timeout_ms = SALVAGE_ASK_MS_MAX;
    message.topics = &topic;
    message.topics_count = 1;
    salvage_ask_leader(s, KAFKA_API_PRODUCE, PRODUCE_VERSION, &message, on_produced);
}

static void on_read_back(struct work_item *item)
{
    struct salvage *s = item->data;
    if (!salvage_is_back(s))
        return;
    s->left_out += s->piece.left_out_count;
    s->left_out_all += s->piece.left_out_count;
    if (s->err != 0) {
        char text[120];
        snprintf(text, sizeof text, "offset %" PRId64 ": %s", s->from, err_text(s->err));
        salvage_leave(s, text);
    } else if (s->piece.record_count == 0) {
        s->from = s->piece.next_offset;
        salvage_copy(s);
    } else {
        produce(s);
    }
}

static void on_worker_read(struct work_item *item)
{
    struct salvage *s = item->data;
    s->err = salvage_read(salvage_store_row(s->store, s->place)->log, s->from, &s->piece);
    salvage_come_back(s, on_read_back);
}

void salvage_copy(struct salvage *s)
{
    slice_unref(&s->piece.batch);
    s->piece = (struct salvage_piece){0};
    if (s->from >= s->end)
        salvage_leave(s, NULL);
    else if (salvage_is_enough(s))
        salvage_answer(s); /* at the same partition next time */
    else
        salvage_work_elsewhere(s, on_worker_read);
}
