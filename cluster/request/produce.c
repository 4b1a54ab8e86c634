/* Produce: record batches into partitions (KIP-98).
 *
 * Each partition's batch is checked here, on the connection's shard, and goes to its raft group
 * as one entry, in the buffer it was received in. The answer leaves when all of them are applied,
 * that is durable on a majority, or when the request's own timeout has passed; what is still
 * under way then finishes unseen. acks=1 waits for the commit too; acks=0 is answered nothing, and
 * where it failed the connection closes, so that the client looks at the metadata again. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "error_code.h"
#include "produce_path.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "request.h"
#include "server/client_shard.h"

#define MAGIC_POSITION  16                      /* of message sets and record batches alike */
#define PARTITIONS_MAX  METADATA_PARTITIONS_MAX /* of one request: no cluster has more */
#define NO_TRANSACTIONS "Transactions are not supported."

struct produce_item {
    struct produce_part part; /* what the group works on */
    struct produce *produce;
    struct kafka_produce_response_partition *answer; /* valid until the request is answered */
    struct work_item item;                           /* to the group's shard and back */
    bool is_handed_out;                              /* and not back */
};

struct produce {
    struct request *request;                /* NULL once answered */
    struct shard *shard;                    /* the connection's */
    struct kafka_produce_response response; /* its arrays are in the request's arena */
    struct request_deadline deadline;
    unsigned pending;    /* parts that are with their groups, and one for handing out */
    unsigned item_count; /* used of `items` */
    struct produce_item items[];
};

/* ---- answering, on the connection's shard ---- */

/* Some of its partitions have; they are counted. */
static bool has_failed(const struct produce *p)
{
    bool is_any = false;
    for (int32_t t = 0; t < p->response.topics_count; t++)
        for (int32_t i = 0; i < p->response.topics[t].partitions_count; i++) {
            int16_t error_code = p->response.topics[t].partitions[i].error_code;
            request_count_error(&p->request->clients->count, REQUEST_COUNT_PRODUCE, error_code);
            is_any |= error_code != KAFKA_ERROR_NONE;
        }
    return is_any;
}

static void answer(struct produce *p)
{
    struct request *r = p->request;
    const struct kafka_produce_request *message = r->message;
    bool is_failure = has_failed(p);
    request_deadline_stop(&p->deadline);
    p->request = NULL;
    if (message->acks != 0)
        request_answer(r, &p->response);
    else if (is_failure)
        request_close_connection(r, "a batch that wants no answer was not taken");
    else
        request_answer_nothing(r);
}

static void one_less(struct produce *p)
{
    if (--p->pending > 0)
        return;
    if (p->request != NULL)
        answer(p);
    free(p);
}

static void take_result(struct produce_item *item)
{
    struct produce *p = item->produce;
    item->is_handed_out = false;
    if (p->request != NULL) {
        item->answer->error_code = item->part.error_code;
        item->answer->base_offset = item->part.base_offset;
        item->answer->log_append_time_ms = item->part.log_append_time_ms;
        item->answer->log_start_offset = item->part.log_start_offset;
        if (item->part.error_code == KAFKA_ERROR_NONE)
            request_count_produced(&p->request->clients->count, item->part.record_count,
                                   item->part.batch_size);
    }
    one_less(p);
}

static void on_back(struct work_item *work)
{
    take_result(work->data);
}

/* Parts not done keep the code they began with: REQUEST_TIMED_OUT. */
static void on_timeout(struct request_deadline *deadline)
{
    struct produce *p = deadline->data;
    answer(p);
    for (unsigned i = 0; i < p->item_count; i++)
        if (p->items[i].is_handed_out)
            produce_part_give_up(&p->items[i].part);
}

/* ---- on the group's shard ---- */

static void on_part_done(struct produce_part *part)
{
    struct produce_item *item = part->data;
    if (item->produce->shard == part->group->shard)
        take_result(item);
    else
        shard_post(item->produce->shard, &item->item, on_back);
}

static void on_there(struct work_item *work)
{
    struct produce_item *item = work->data;
    produce_part_begin(&item->part);
}

/* ---- checks ---- */

/* Clients show the sentence to the one who wrote the program (KIP-467). */
static int16_t refuse(const char **why, int16_t error_code, const char *sentence)
{
    *why = sentence;
    return error_code;
}

static int16_t check_header(const struct kafka_record_batch *batch, int16_t version,
                            const struct broker_place *place, const char **why)
{
    if (kafka_record_batch_is_transactional(batch)) /* final for every client */
        return refuse(why, KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, NO_TRANSACTIONS);
    if (kafka_record_batch_compression(batch) == KAFKA_COMPRESSION_ZSTD && version < 7)
        return refuse(why, KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE,
                      "zstd wants Produce 7 or newer."); /* KIP-110 */
    if ((int64_t)batch->bytes.size > place->max_message_bytes)
        return refuse(why, KAFKA_ERROR_MESSAGE_TOO_LARGE,
                      "The batch is larger than max.message.bytes of its topic.");
    if (kafka_record_batch_check_produced(batch) != 0 || batch->base_offset != 0)
        return refuse(why, KAFKA_ERROR_INVALID_RECORD,
                      "The batch's header is not one that a producer may send: offsets from 0 on, "
                      "as many as records, no control batch, a whole producer identity or none.");
    if (kafka_record_batch_is_log_append_time(batch))
        return refuse(why, KAFKA_ERROR_INVALID_TIMESTAMP,
                      "Only the broker says LogAppendTime of a batch.");
    return KAFKA_ERROR_NONE;
}

/* What is compressed is the clients' own affair: nothing is decompressed here. A record without key
 * that comes so to a compacted topic goes with its first compaction. */
static int16_t check_records(const struct kafka_record_batch *batch, bool needs_keys,
                             const char **why)
{
    static const char damaged[] = "The batch's records are not what its header says.";
    struct kafka_record_iterator it;
    struct kafka_record record;
    int has_more = 1;
    if (kafka_record_batch_compression(batch) != KAFKA_COMPRESSION_NONE)
        return KAFKA_ERROR_NONE;
    if (kafka_record_iterator_init(&it, batch) != 0)
        return refuse(why, KAFKA_ERROR_INVALID_RECORD, damaged);
    while (has_more == 1) {
        has_more = kafka_record_next(&it, &record);
        if (has_more == 1 && needs_keys && record.key.data == NULL)
            return refuse(why, KAFKA_ERROR_INVALID_RECORD,
                          "Compacted topic cannot accept message without key.");
    }
    return has_more == 0 ? KAFKA_ERROR_NONE : refuse(why, KAFKA_ERROR_INVALID_RECORD, damaged);
}

/* Exactly one sound batch, as producers send since Produce 3. */
static int16_t check_batch(struct bytes records, int16_t version, const struct broker_place *place,
                           struct kafka_record_batch *batch, const char **why)
{
    *why = "Each partition is sent exactly one sound record batch of version 2.";
    if (records.data == NULL || records.size == 0)
        return KAFKA_ERROR_INVALID_RECORD;
    int size = kafka_record_batch_decode(records, batch);
    if (size == ERR_VERSION) /* message sets of old, or bytes that say so */
        return records.data[MAGIC_POSITION] < 2 ? KAFKA_ERROR_INVALID_RECORD
                                                : KAFKA_ERROR_CORRUPT_MESSAGE;
    if (size == ERR_INVALID)
        return KAFKA_ERROR_INVALID_RECORD;
    if (size < 0)
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    if ((size_t)size != records.size)
        return KAFKA_ERROR_INVALID_RECORD;
    if (kafka_record_batch_check_crc(batch) != 0)
        return KAFKA_ERROR_CORRUPT_MESSAGE;
    *why = NULL;
    int16_t error_code = check_header(batch, version, place, why);
    return error_code != KAFKA_ERROR_NONE ? error_code
                                          : check_records(batch, place->is_compacted, why);
}

static int16_t prepare(struct request *r, struct kafka_string topic, int32_t partition,
                       struct bytes records, struct produce_part *part, const char **why)
{
    struct kafka_record_batch batch;
    if (topic.size <= 0 || broker_find_partition(r->broker, topic.data, (size_t)topic.size,
                                                 partition, &part->place) != 0)
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (part->place.is_internal)
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION; /* only the coordinator writes there */
    int16_t error_code = check_batch(records, r->header.api_version, &part->place, &batch, why);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    if (part->place.is_log_append_time) /* nobody else sees these bytes yet */
        kafka_record_batch_set_append_time((uint8_t *)(uintptr_t)batch.bytes.data, &batch,
                                           clock_wall_ms(&r->broker->clock));
    part->group = broker_group(r->broker, part->place.group_id);
    if (part->group == NULL)
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    part->batch = (struct slice){.owner = buffer_ref(r->frame.owner), .bytes = batch.bytes};
    part->batch_crc = batch.crc;
    part->record_count = (uint32_t)batch.record_count;
    part->batch_size = batch.bytes.size;
    return KAFKA_ERROR_NONE;
}

/* ---- handing out ---- */

static void hand_out(struct produce *p, struct produce_item *item)
{
    p->pending++;
    item->is_handed_out = true;
    item->part.data = item;
    item->part.done = on_part_done;
    item->produce = p;
    item->item.data = item;
    if (p->shard == item->part.group->shard)
        produce_part_begin(&item->part);
    else
        broker_group_post(item->part.group, &item->item, on_there);
}

static void begin_partition(struct produce *p, struct kafka_string topic,
                            const struct kafka_produce_request_partition *from,
                            struct kafka_produce_response_partition *into)
{
    const struct kafka_produce_request *message = p->request->message;
    struct produce_item *item = &p->items[p->item_count++];
    kafka_produce_response_partition_init(into);
    into->partition_index = from->partition_index;
    into->base_offset = -1;
    const char *why = NULL;
    into->error_code = prepare(p->request, topic, from->partition_index, from->records, &item->part,
                               &why);
    if (why != NULL)
        into->error_message = kafka_string_of(why);
    if (into->error_code != KAFKA_ERROR_NONE)
        return;
    item->answer = into;
    item->part.wants_sites = message->acks == -1;
    item->part.base_offset = item->part.log_append_time_ms = item->part.log_start_offset = -1;
    into->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT; /* until it is done */
}

static int begin_topic(struct produce *p, const struct kafka_produce_request_topic *from,
                       struct kafka_produce_response_topic *into)
{
    into->name = from->name;
    into->partitions_count = from->partitions_count;
    into->partitions = request_array(p->request, (size_t)from->partitions_count,
                                     sizeof *into->partitions);
    if (into->partitions == NULL && from->partitions_count > 0)
        return UV_ENOMEM;
    for (int32_t i = 0; i < from->partitions_count; i++)
        begin_partition(p, from->name, &from->partitions[i], &into->partitions[i]);
    return 0;
}

static struct produce *create_produce(struct request *r)
{
    const struct kafka_produce_request *message = r->message;
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)message->topics[i].partitions_count;
    if (count > PARTITIONS_MAX)
        return NULL;
    struct produce *p = calloc(1, sizeof *p + count * sizeof p->items[0]);
    if (p == NULL)
        return NULL;
    p->request = r;
    p->shard = r->shard;
    kafka_produce_response_init(&p->response);
    p->response.topics_count = message->topics_count;
    p->response.topics = request_array(r, (size_t)message->topics_count,
                                       sizeof *p->response.topics);
    if (p->response.topics == NULL && message->topics_count > 0) {
        free(p);
        return NULL;
    }
    return p;
}

static void drop(struct produce *p)
{
    for (unsigned i = 0; i < p->item_count; i++)
        slice_unref(&p->items[i].part.batch);
    request_close_connection(p->request, "out of memory");
    free(p);
}

static void refuse_all(struct produce *p, int16_t error_code)
{
    for (unsigned i = 0; i < p->item_count; i++)
        slice_unref(&p->items[i].part.batch);
    for (int32_t t = 0; t < p->response.topics_count; t++)
        for (int32_t i = 0; i < p->response.topics[t].partitions_count; i++)
            p->response.topics[t].partitions[i].error_code = error_code;
    answer(p);
    free(p);
}

void request_handle_produce(struct request *r)
{
    const struct kafka_produce_request *message = r->message;
    struct produce *p = create_produce(r);
    if (p == NULL) {
        request_close_connection(r, "out of memory, or more partitions than there can be");
        return;
    }
    for (int32_t i = 0; i < message->topics_count; i++)
        if (begin_topic(p, &message->topics[i], &p->response.topics[i]) != 0) {
            drop(p);
            return;
        }
    if (message->acks < -1 || message->acks > 1) {
        refuse_all(p, KAFKA_ERROR_INVALID_REQUIRED_ACKS);
        return;
    }
    if (!kafka_string_is_null(message->transactional_id)) {
        refuse_all(p, KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        return;
    }
    uint64_t timeout_ms = message->timeout_ms > 0 ? (uint64_t)message->timeout_ms : 0;
    p->pending = 1; /* until all are handed out */
    p->deadline.data = p;
    request_deadline_start(r, &p->deadline, r->received_ms + timeout_ms, on_timeout);
    for (unsigned i = 0; i < p->item_count; i++)
        if (p->items[i].part.batch.owner != NULL)
            hand_out(p, &p->items[i]);
    one_less(p);
}
