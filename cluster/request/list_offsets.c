/* ListOffsets: earliest, latest, largest timestamp, or the first offset from a time on.
 *
 * Answered by the leader after a read index (invariant 15): "latest" includes everything that was
 * acknowledged anywhere before the request came, also when this node was paused meanwhile. */
#include "base/err.h"
#include "error_code.h"
#include "request/scatter.h"

#define TIMESTAMP_LATEST   (-1)
#define TIMESTAMP_EARLIEST (-2)
#define TIMESTAMP_MAX      (-3) /* KIP-734 */
#define VERSION_WITH_MAX   7

struct lookup {
    struct scatter_item item; /* first: scatter casts */
    int64_t timestamp;        /* asked for */
    int32_t leader_epoch;     /* that the client knows, or -1 */
    int64_t timestamp_least;  /* that the version of the request knows */
    struct kafka_list_offsets_response_partition *answer;
    struct repl_read read;
    struct log_time_lookup time;
};

struct list_offsets {
    struct scatter scatter;
    struct kafka_list_offsets_response response;
};

static void done(struct lookup *l, int16_t error_code)
{
    l->answer->error_code = error_code;
    if (l->answer->offset < 0)
        l->answer->leader_epoch = -1; /* of no record */
    scatter_item_done(&l->item);
}

static void answer_time(struct lookup *l)
{
    l->answer->offset = l->time.offset;
    l->answer->timestamp = l->time.found_timestamp_ms;
}

static void on_time(struct log_time_lookup *time, int status)
{
    struct lookup *l = time->data;
    if (status == 0)
        answer_time(l);
    done(l, error_code_of(status));
}

static void find_time(struct lookup *l, struct partition *p)
{
    l->time.data = l;
    l->time.timestamp_ms = l->timestamp;
    l->time.readers = work_pool_work(l->item.group->broker->readers);
    l->time.home = shard_work(l->item.group->shard);
    int status = log_partition_find_time(p->log, &l->time, on_time);
    if (status == 0)
        return;
    if (status == 1)
        answer_time(l);
    done(l, error_code_of(status == 1 ? 0 : status));
}

static void look_up(struct lookup *l, struct partition *p)
{
    l->answer->leader_epoch = machine_leader_epoch(l->item.group->machine, p);
    l->answer->timestamp = -1;
    switch (l->timestamp) {
    case TIMESTAMP_LATEST:
        l->answer->offset = log_partition_next_offset(p->log);
        break;
    case TIMESTAMP_EARLIEST:
        l->answer->offset = log_partition_start_offset(p->log);
        break;
    case TIMESTAMP_MAX:
        l->answer->timestamp = log_partition_max_timestamp(p->log, &l->answer->offset);
        if (l->answer->timestamp < 0)
            l->answer->offset = -1;
        break;
    default:
        find_time(l, p);
        return;
    }
    done(l, KAFKA_ERROR_NONE);
}

static int16_t check(struct lookup *l, struct partition *p)
{
    if (p == NULL || p->moved_index != 0 || !machine_is_ready(l->item.group->machine))
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    int32_t epoch_here = machine_leader_epoch(l->item.group->machine, p);
    if (l->leader_epoch >= 0 && l->leader_epoch != epoch_here)
        return l->leader_epoch < epoch_here ? KAFKA_ERROR_FENCED_LEADER_EPOCH
                                            : KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    return l->timestamp < l->timestamp_least ? KAFKA_ERROR_UNSUPPORTED_VERSION : KAFKA_ERROR_NONE;
}

static void on_fresh(struct repl_read *read, int status)
{
    struct lookup *l = read->data;
    struct partition *p = machine_partition(l->item.group->machine, l->item.place.number);
    int16_t error_code = status != 0 ? error_code_of(status) : check(l, p);
    if (error_code != KAFKA_ERROR_NONE)
        done(l, error_code);
    else
        look_up(l, p);
}

static void run(struct scatter_item *item)
{
    struct lookup *l = (struct lookup *)item;
    l->read.data = l;
    int err = repl_group_read(item->group->raft, &l->read, on_fresh);
    if (err != 0)
        done(l, error_code_of(err));
}

static void finish(struct scatter *s)
{
    request_answer(s->request, s->response);
}

static int send_topic(struct list_offsets *lo, const struct kafka_list_offsets_request_topic *from,
                      struct kafka_list_offsets_response_topic *into)
{
    struct request *r = lo->scatter.request;
    size_t count = (size_t)from->partitions_count;
    struct lookup *lookups = request_array(r, count, sizeof *lookups);
    into->name = from->name;
    into->partitions_count = from->partitions_count;
    into->partitions = request_array(r, count, sizeof *into->partitions);
    if (count > 0 && (lookups == NULL || into->partitions == NULL))
        return UV_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct kafka_list_offsets_response_partition *answer = &into->partitions[i];
        kafka_list_offsets_response_partition_init(answer);
        answer->partition_index = from->partitions[i].partition_index;
        answer->offset = answer->timestamp = answer->leader_epoch = -1;
        lookups[i].timestamp = from->partitions[i].timestamp;
        lookups[i].timestamp_least = r->header.api_version >= VERSION_WITH_MAX ? TIMESTAMP_MAX
                                                                               : TIMESTAMP_EARLIEST;
        lookups[i].leader_epoch = from->partitions[i].current_leader_epoch;
        lookups[i].answer = answer;
        int16_t error_code = scatter_send(&lo->scatter, &lookups[i].item, from->name,
                                          from->partitions[i].partition_index, run);
        if (error_code != KAFKA_ERROR_NONE)
            answer->error_code = error_code;
    }
    return 0;
}

void request_handle_list_offsets(struct request *r)
{
    const struct kafka_list_offsets_request *message = r->message;
    struct list_offsets *lo = request_allocate(r, sizeof *lo);
    struct kafka_list_offsets_response_topic *topics = request_array(
        r, (size_t)message->topics_count, sizeof *topics);
    if (lo == NULL || (topics == NULL && message->topics_count > 0)) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_list_offsets_response_init(&lo->response);
    lo->response.topics = topics;
    scatter_begin(&lo->scatter, r, &lo->response, finish);
    for (int32_t i = 0; i < message->topics_count; i++)
        if (send_topic(lo, &message->topics[i], &topics[i]) == 0)
            lo->response.topics_count = i + 1;
        else
            break; /* what fits is answered; clients treat the rest as failed */
    scatter_end(&lo->scatter);
}
