/* DeleteRecords: moves a partition's log start, as an entry, so that every replica does. */
#include <string.h>

#include "base/err.h"
#include "error_code.h"
#include "request/scatter.h"

#define TO_THE_END (-1)

struct deletion {
    struct scatter_item item; /* first: scatter casts */
    int64_t offset;           /* new log start, or TO_THE_END */
    struct kafka_delete_records_response_partition *answer;
    struct machine_request machine;
};

struct delete_records {
    struct scatter scatter;
    struct kafka_delete_records_response response;
};

static void done(struct deletion *d, int16_t error_code)
{
    d->answer->error_code = error_code;
    scatter_item_done(&d->item);
}

static void on_applied(struct machine_request *req, int status)
{
    struct deletion *d = req->data;
    if (status == 0 && req->result.error == 0)
        d->answer->low_watermark = req->result.log_start_offset;
    done(d, error_code_of(status != 0 ? status : req->result.error));
}

static int propose(struct deletion *d, int64_t offset)
{
    struct log_start_advance advance = {.reason = LOG_START_DELETE_RECORDS, .start_offset = offset};
    struct buffer *owner = buffer_create(LOG_START_ADVANCE_SIZE);
    if (owner == NULL)
        return UV_ENOMEM;
    size_t size = log_start_advance_encode(&advance, owner->data);
    d->machine.data = d;
    d->machine.submit.head.kind = ENTRY_LOG_START;
    d->machine.submit.head.partition_number = d->item.place.number;
    d->machine.submit.body = (struct slice){.owner = owner, .bytes = bytes_of(owner->data, size)};
    int err = machine_submit(d->item.group->machine, &d->machine, on_applied);
    buffer_unref(owner);
    return err;
}

static void run(struct scatter_item *item)
{
    struct deletion *d = (struct deletion *)item;
    const struct partition *p = machine_partition(item->group->machine, item->place.number);
    if (item->place.is_internal) { /* what the coordinator goes by */
        done(d, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION);
        return;
    }
    if (!item->place.is_deleted) { /* as Kafka: what is compacted only has no beginning to move */
        done(d, KAFKA_ERROR_POLICY_VIOLATION);
        return;
    }
    if (p == NULL || p->moved_index != 0 || !machine_is_ready(item->group->machine)) {
        done(d, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
        return;
    }
    int64_t next_offset = log_partition_next_offset(p->log);
    int64_t offset = d->offset == TO_THE_END ? next_offset : d->offset;
    if (offset < 0 || offset > next_offset) {
        done(d, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
        return;
    }
    int err = propose(d, offset);
    if (err != 0)
        done(d, error_code_of(err));
}

static void finish(struct scatter *s)
{
    request_answer(s->request, s->response);
}

static int send_topic(struct delete_records *dr,
                      const struct kafka_delete_records_request_topic *from,
                      struct kafka_delete_records_response_topic *into)
{
    struct request *r = dr->scatter.request;
    size_t count = (size_t)from->partitions_count;
    struct deletion *deletions = request_array(r, count, sizeof *deletions);
    into->name = from->name;
    into->partitions_count = from->partitions_count;
    into->partitions = request_array(r, count, sizeof *into->partitions);
    if (count > 0 && (deletions == NULL || into->partitions == NULL))
        return UV_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        kafka_delete_records_response_partition_init(&into->partitions[i]);
        into->partitions[i].partition_index = from->partitions[i].partition_index;
        into->partitions[i].low_watermark = -1;
        deletions[i].offset = from->partitions[i].offset;
        deletions[i].answer = &into->partitions[i];
        int16_t error_code = scatter_send(&dr->scatter, &deletions[i].item, from->name,
                                          from->partitions[i].partition_index, run);
        if (error_code != KAFKA_ERROR_NONE)
            into->partitions[i].error_code = error_code;
    }
    return 0;
}

void request_handle_delete_records(struct request *r)
{
    const struct kafka_delete_records_request *message = r->message;
    struct delete_records *dr = request_allocate(r, sizeof *dr);
    struct kafka_delete_records_response_topic *topics = request_array(
        r, (size_t)message->topics_count, sizeof *topics);
    if (dr == NULL || (topics == NULL && message->topics_count > 0)) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_delete_records_response_init(&dr->response);
    dr->response.topics = topics;
    scatter_begin(&dr->scatter, r, &dr->response, finish);
    for (int32_t i = 0; i < message->topics_count; i++) {
        if (send_topic(dr, &message->topics[i], &topics[i]) != 0)
            break;
        dr->response.topics_count = i + 1;
    }
    scatter_end(&dr->scatter);
}
