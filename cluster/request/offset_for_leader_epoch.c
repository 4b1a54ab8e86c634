/* OffsetForLeaderEpoch: where an epoch ended, so that a client that had read ahead of a failover
 * can find out (KIP-320). Undefined is only what never was: clients take that for a lost log, and
 * begin by their reset policy. One whose records are all gone ended where the first known one
 * begins: who had read it to its end goes on there. */
#include "base/err.h"
#include "error_code.h"
#include "request/scatter.h"

struct lookup {
    struct scatter_item item; /* first: scatter casts */
    int32_t leader_epoch;     /* asked about */
    int32_t current_epoch;    /* that the client knows, or -1 */
    struct kafka_offset_for_leader_epoch_response_partition *answer;
};

struct epochs {
    struct scatter scatter;
    struct kafka_offset_for_leader_epoch_response response;
};

static int16_t look_up(struct lookup *l)
{
    struct machine *m = l->item.group->machine;
    const struct partition *p = machine_partition(m, l->item.place.number);
    if (p == NULL || p->moved_index != 0 || !machine_is_ready(m))
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    int32_t epoch_here = machine_leader_epoch(m, p);
    if (l->current_epoch >= 0 && l->current_epoch < epoch_here)
        return KAFKA_ERROR_FENCED_LEADER_EPOCH;
    if (l->current_epoch > epoch_here)
        return KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
    if (l->leader_epoch > epoch_here || l->leader_epoch < 0)
        return KAFKA_ERROR_NONE; /* undefined: -1 and -1, as Kafka answers */
    log_partition_epoch_end(p->log, l->leader_epoch, &l->answer->leader_epoch,
                            &l->answer->end_offset);
    if (l->leader_epoch == epoch_here) { /* perhaps without a record yet */
        l->answer->leader_epoch = epoch_here;
        l->answer->end_offset = log_partition_next_offset(p->log);
    }
    return KAFKA_ERROR_NONE;
}

static void run(struct scatter_item *item)
{
    struct lookup *l = (struct lookup *)item;
    l->answer->error_code = look_up(l);
    scatter_item_done(item);
}

static void finish(struct scatter *s)
{
    request_answer(s->request, s->response);
}

static int send_topic(struct epochs *e,
                      const struct kafka_offset_for_leader_epoch_request_topic *from,
                      struct kafka_offset_for_leader_epoch_response_topic *into)
{
    struct request *r = e->scatter.request;
    size_t count = (size_t)from->partitions_count;
    struct lookup *lookups = request_array(r, count, sizeof *lookups);
    into->name = from->name;
    into->partitions_count = from->partitions_count;
    into->partitions = request_array(r, count, sizeof *into->partitions);
    if (count > 0 && (lookups == NULL || into->partitions == NULL))
        return UV_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        kafka_offset_for_leader_epoch_response_partition_init(&into->partitions[i]);
        into->partitions[i].partition_index = from->partitions[i].partition_index;
        into->partitions[i].leader_epoch = -1;
        into->partitions[i].end_offset = -1;
        lookups[i].leader_epoch = from->partitions[i].leader_epoch;
        lookups[i].current_epoch = from->partitions[i].current_leader_epoch;
        lookups[i].answer = &into->partitions[i];
        int16_t error_code = scatter_send(&e->scatter, &lookups[i].item, from->name,
                                          from->partitions[i].partition_index, run);
        if (error_code != KAFKA_ERROR_NONE)
            into->partitions[i].error_code = error_code;
    }
    return 0;
}

void request_handle_offset_for_leader_epoch(struct request *r)
{
    const struct kafka_offset_for_leader_epoch_request *message = r->message;
    struct epochs *e = request_allocate(r, sizeof *e);
    struct kafka_offset_for_leader_epoch_response_topic *topics = request_array(
        r, (size_t)message->topics_count, sizeof *topics);
    if (e == NULL || (topics == NULL && message->topics_count > 0)) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_offset_for_leader_epoch_response_init(&e->response);
    e->response.topics = topics;
    scatter_begin(&e->scatter, r, &e->response, finish);
    for (int32_t i = 0; i < message->topics_count; i++) {
        if (send_topic(e, &message->topics[i], &topics[i]) != 0)
            break;
        e->response.topics_count = i + 1;
    }
    scatter_end(&e->scatter);
}
