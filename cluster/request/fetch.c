/* Fetch: record batches out of partitions, with long polling; what a fetch asks for and what it is
 * answered. How it reads and waits is in fetch_rounds.c.
 *
 * Fetch sessions (KIP-227) are refused with session id 0; clients then send whole fetches. One
 * that goes on with a session has none to go on with; one that ends or begins one is whole. */
#include "request/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "error_code.h"
#include "server/client_shard.h"

#define PARTITIONS_MAX METADATA_PARTITIONS_MAX /* of one request: no cluster has more */

#define SESSION_EPOCH_BEGIN 0
#define SESSION_EPOCH_END   (-1)

/* ---- answering ---- */

static void fill_answer(struct fetch_item *item)
{
    struct kafka_fetch_response_partition *answer = item->answer;
    if (item->is_refused)
        return;
    answer->error_code = item->part.error_code;
    if (answer->error_code == KAFKA_ERROR_NONE) { /* an error tells nothing of the partition */
        answer->high_watermark = item->part.high_watermark;
        answer->last_stable_offset = item->part.high_watermark;
        answer->log_start_offset = item->part.log_start_offset;
    }
    answer->preferred_read_replica = item->part.preferred_replica;
    answer->records = (struct kafka_slices){.items = item->part.slices,
                                            .count = (int32_t)item->part.slice_count};
}

static void free_fetch(struct fetch *f)
{
    fetch_free_read(f);
    for (unsigned i = 0; i < f->item_count; i++)
        fetch_part_drop(&f->items[i].part);
    free(f);
}

void fetch_answer(struct fetch *f)
{
    request_deadline_stop(&f->deadline);
    f->request->fetched_bytes = f->counted_bytes; /* until the client has them */
    for (unsigned i = 0; i < f->item_count; i++) {
        fill_answer(&f->items[i]);
        request_count_error(&f->request->clients->count, REQUEST_COUNT_FETCH,
                            f->items[i].answer->error_code);
    }
    request_answer(f->request, &f->response);
    free_fetch(f);
}

/* ---- until when ---- */

static void on_abandoned(struct request *r)
{
    fetch_end_soon(r->parked);
}

/* ---- the request ---- */

static void prepare(struct fetch *f, struct kafka_string topic,
                    const struct kafka_fetch_request_partition *from,
                    struct kafka_fetch_response_partition *into)
{
    struct fetch_item *item = &f->items[f->item_count++];
    kafka_fetch_response_partition_init(into);
    into->partition_index = from->partition_index;
    into->high_watermark = -1;
    if (((const struct kafka_fetch_request *)f->request->message)->isolation_level == 0)
        into->aborted_transactions_count = -1; /* null: not looked for */
    item->fetch = f;
    item->answer = into;
    item->part.offset = from->fetch_offset;
    item->part.leader_epoch = from->current_leader_epoch;
    item->part.size_bytes_max = from->partition_max_bytes > 0 ? (size_t)from->partition_max_bytes
                                                              : 0;
    item->part.may_follow = f->request->header.api_version >= 11;
    item->part.rack = f->rack;
    if (topic.size <= 0 || broker_find_partition(f->broker, topic.data, (size_t)topic.size,
                                                 from->partition_index, &item->part.place) != 0) {
        item->is_refused = true;
        into->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        item->part.group = broker_group(f->broker, item->part.place.group_id);
        item->is_refused = item->part.group == NULL;
        into->error_code = item->is_refused ? KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER : 0;
    }
    f->has_error |= item->is_refused;
}

static int prepare_topic(struct fetch *f, const struct kafka_fetch_request_topic *from,
                         struct kafka_fetch_response_topic *into)
{
    into->name = from->name;
    into->partitions_count = from->partitions_count;
    into->partitions = request_array(f->request, (size_t)from->partitions_count,
                                     sizeof *into->partitions);
    if (into->partitions == NULL && from->partitions_count > 0)
        return UV_ENOMEM;
    for (int32_t i = 0; i < from->partitions_count; i++)
        prepare(f, from->name, &from->partitions[i], &into->partitions[i]);
    return 0;
}

static struct fetch *create_fetch(struct request *r)
{
    const struct kafka_fetch_request *message = r->message;
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)message->topics[i].partitions_count;
    if (count > PARTITIONS_MAX)
        return NULL;
    struct fetch *f = calloc(1, sizeof *f + count * sizeof f->items[0]);
    if (f == NULL)
        return NULL;
    f->request = r;
    r->parked = f;
    request_count_bytes(r, sizeof *f + count * sizeof f->items[0]);
    r->on_abandoned = on_abandoned;
    f->broker = r->broker;
    f->visit.data = f->wake.data = f->deadline.data = f;
    f->bytes_min = message->min_bytes > 0 ? (size_t)message->min_bytes : 0;
    if (message->rack_id.size > 0 && (size_t)message->rack_id.size < sizeof f->rack)
        memcpy(f->rack, message->rack_id.data, (size_t)message->rack_id.size);
    kafka_fetch_response_init(&f->response);
    f->response.topics_count = message->topics_count;
    f->response.topics = request_array(r, (size_t)message->topics_count,
                                       sizeof *f->response.topics);
    if (f->response.topics == NULL && message->topics_count > 0) {
        free(f);
        return NULL;
    }
    return f;
}

static void refuse_session(struct request *r)
{
    struct kafka_fetch_response response;
    kafka_fetch_response_init(&response);
    response.error_code = KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    request_answer(r, &response);
}

void request_handle_fetch(struct request *r)
{
    const struct kafka_fetch_request *message = r->message;
    if (message->session_epoch != SESSION_EPOCH_BEGIN &&
        message->session_epoch != SESSION_EPOCH_END) {
        refuse_session(r);
        return;
    }
    struct fetch *f = create_fetch(r);
    if (f == NULL) {
        request_close_connection(r, "out of memory, or more partitions than there can be");
        return;
    }
    for (int32_t i = 0; i < message->topics_count; i++)
        if (prepare_topic(f, &message->topics[i], &f->response.topics[i]) != 0) {
            request_close_connection(r, "out of memory");
            free_fetch(f);
            return;
        }
    uint64_t wait_ms = message->max_wait_ms > 0 ? (uint64_t)message->max_wait_ms : 0;
    f->late_at_ms = r->received_ms + wait_ms;
    if (wait_ms == 0)
        f->is_late = true;
    else
        request_deadline_start(r, &f->deadline, f->late_at_ms, fetch_on_time);
    fetch_begin_round(f);
}
