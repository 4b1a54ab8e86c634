/* What nodes say of batches, and what follows for each: answered, or held and sent again. */
#include "base/err.h"
#include "protocol/error.h"
#include "router/produce_parts.h"
#include "router/router.h"

#define BATCH_MAGIC_AT    16
#define BATCH_PRODUCER_AT 43
#define BATCH_HEAD_BYTES  61

bool produce_is_idempotent(struct bytes records)
{
    return records.size >= BATCH_HEAD_BYTES && records.data[BATCH_MAGIC_AT] == 2 &&
           (int64_t)bytes_get_be64(records.data + BATCH_PRODUCER_AT) >= 0;
}

void produce_end_item(struct produce *p, unsigned i, int16_t error_code)
{
    p->items[i].is_done = true;
    p->done_count++;
    produce_answer_to(p, i)->error_code = error_code;
    produce_line_leave(&p->items[i]);
}

int32_t produce_leader_id(const struct produce *p, unsigned i)
{
    return cluster_map_leader(p->request->shard, p->message->topics[p->items[i].topic].name,
                              produce_asked(p, i)->partition_index);
}

enum verdict { FINAL, SURELY_NOT_WRITTEN, UNKNOWN_FATE };

static enum verdict judge(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_ERROR_LEADER_NOT_AVAILABLE:
    case KAFKA_ERROR_KAFKA_STORAGE_ERROR:
        return SURELY_NOT_WRITTEN;
    case KAFKA_ERROR_REQUEST_TIMED_OUT:
        return UNKNOWN_FATE;
    default:
        return FINAL;
    }
}

void produce_settle(struct produce *p, unsigned i, int16_t error_code)
{
    struct produce_item *item = &p->items[i];
    enum verdict verdict = judge(error_code);
    bool is_late = router_now_ms(p->request->shard) >= p->deadline_ms;
    item->is_away = false;
    bool is_behind = error_code == KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && item->has_overtaken;
    if (is_behind)
        verdict = SURELY_NOT_WRITTEN;
    item->may_be_written |= verdict == UNKNOWN_FATE;
    if (verdict == SURELY_NOT_WRITTEN && item->may_be_written)
        error_code = KAFKA_ERROR_REQUEST_TIMED_OUT; /* not by this try, perhaps by another */
    if (verdict == UNKNOWN_FATE && !produce_is_idempotent(produce_asked(p, i)->records))
        verdict = FINAL;
    item->error_code = error_code;
    if (verdict != FINAL && !is_late) {
        produce_line_hold(item);
        item->is_refused = !is_behind && produce_leader_id(p, i) == item->node_id;
        if (item->is_refused)
            cluster_map_want(p->request->shard, p->message->topics[item->topic].name);
        return;
    }
    if (error_code == KAFKA_ERROR_NONE)
        produce_line_accept(item);
    produce_end_item(p, i, error_code);
}

static bool is_asked(const struct produce *p, unsigned i, struct kafka_string topic,
                     int32_t partition)
{
    return p->items[i].is_away && produce_asked(p, i)->partition_index == partition &&
           kafka_string_is_equal(p->message->topics[p->items[i].topic].name, topic);
}

/* `turn` is where the last one was found: answers come in the order of questions. */
static void take_partition(struct produce *p, const struct produce_part *part, unsigned *turn,
                           struct kafka_string topic,
                           const struct kafka_produce_response_partition *from)
{
    for (unsigned k = 0; k < part->count; k++) {
        unsigned i = part->items[*turn];
        *turn = (*turn + 1) % part->count;
        if (!is_asked(p, i, topic, from->partition_index))
            continue;
        produce_settle(p, i, from->error_code);
        if (!p->items[i].is_done)
            return;
        struct kafka_produce_response_partition *into = produce_answer_to(p, i);
        into->error_code = from->error_code;
        into->base_offset = from->base_offset;
        into->log_append_time_ms = from->log_append_time_ms;
        into->log_start_offset = from->log_start_offset;
        return;
    }
}

void produce_take_answer(struct produce *p, const struct produce_part *part, struct slice answer)
{
    struct own_answer own;
    unsigned turn = 0;
    if (own_answer_read(&own, KAFKA_API_PRODUCE, p->request->header.api_version, answer) != 0)
        return;
    const struct kafka_produce_response *m = own.message;
    for (int32_t t = 0; t < m->topics_count; t++)
        for (int32_t i = 0; i < m->topics[t].partitions_count; i++)
            take_partition(p, part, &turn, m->topics[t].name, &m->topics[t].partitions[i]);
    own_answer_close(&own);
}

void produce_settle_rest(struct produce *p, const struct produce_part *part, int status)
{
    int16_t error_code = KAFKA_ERROR_REQUEST_TIMED_OUT;
    if (status == UV_ENOTCONN)
        error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    else if (status == ERR_INVALID)
        error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    else if (p->message->acks == 0)
        error_code = KAFKA_ERROR_NONE;
    for (unsigned k = 0; k < part->count; k++)
        if (p->items[part->items[k]].is_away)
            produce_settle(p, part->items[k], error_code);
}
