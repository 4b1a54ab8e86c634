/* OffsetDelete: forgets committed offsets of topics that the group does not read now (KIP-496). */
#include <stdlib.h>

#include "base/err.h"
#include "cluster/live_group.h"
#include "consumer/commit_wait.h"
#include "consumer/group_call.h"
#include "consumer/subscription.h"
#include "protocol/error.h"
#include "state/byte_list.h"

struct offset_delete {
    struct group_call call; /* first: the call is cast */
    struct kafka_offset_delete_response response;
    struct group_actor actor; /* for the history */
    struct byte_list removals;
    uint32_t removal_count;
};

/* ---- on the coordinator's shard ---- */

static void refuse_topic(struct kafka_offset_delete_response_topic *topic)
{
    for (int32_t i = 0; i < topic->partitions_count; i++)
        if (topic->partitions[i].error_code == KAFKA_ERROR_NONE)
            topic->partitions[i].error_code = KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
}

/* What may be removed, as the entry wants it. */
static void collect(struct offset_delete *o)
{
    for (int32_t t = 0; t < o->response.topics_count; t++)
        for (int32_t p = 0; p < o->response.topics[t].partitions_count; p++) {
            struct group_removal removal = {
                .topic = o->response.topics[t].name,
                .partition = o->response.topics[t].partitions[p].partition_index,
                .committed_at_ms_max = INT64_MAX,
            };
            if (o->response.topics[t].partitions[p].error_code != KAFKA_ERROR_NONE)
                continue;
            group_removal_put(&o->removals, &removal);
            o->removal_count++;
        }
}

static int16_t check(struct offset_delete *o)
{
    const struct kafka_offset_delete_request *message = o->call.request->message;
    const struct live_group *g = group_set_find(group_call_groups(&o->call), message->group_id);
    struct consumer_group known;
    struct group_description group;
    if (g == NULL)
        return consumer_table_group(group_call_table(&o->call), message->group_id, &known)
                   ? KAFKA_ERROR_NONE
                   : KAFKA_ERROR_GROUP_ID_NOT_FOUND;
    live_group_describe(g, &group);
    if (group.state == GROUP_EMPTY)
        return KAFKA_ERROR_NONE;
    if (!kafka_string_is_text(group.protocol_type, "consumer"))
        return KAFKA_ERROR_NON_EMPTY_GROUP; /* what it reads is not for us to know */
    for (int32_t t = 0; t < o->response.topics_count; t++)
        if (subscription_has_topic(g, o->response.topics[t].name))
            refuse_topic(&o->response.topics[t]);
    return KAFKA_ERROR_NONE;
}

static void on_deleted(void *data, int16_t error_code, struct bytes detail)
{
    (void)detail;
    group_call_done(data, error_code);
}

static void propose(struct offset_delete *o)
{
    const struct kafka_offset_delete_request *message = o->call.request->message;
    struct byte_list body = {0};
    group_offsets_delete_put(&body, message->group_id, GROUP_OFFSET_ASKED, &o->actor,
                             o->removal_count);
    byte_list_put(&body, o->removals.data, o->removals.size);
    if (body.is_failed || o->removals.is_failed)
        group_call_done(&o->call, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    else
        commit_wait_begin(o->call.group->coordinator, o->call.place.number,
                          bytes_of(body.data, body.size), on_deleted, &o->call);
    free(body.data);
}

static void run(struct group_call *call)
{
    struct offset_delete *o = (struct offset_delete *)call;
    struct byte_list *removals = &o->removals;
    int16_t error_code = check(o);
    if (error_code == KAFKA_ERROR_NONE)
        collect(o);
    if (error_code != KAFKA_ERROR_NONE || o->removal_count == 0) {
        free(removals->data);
        *removals = (struct byte_list){0};
        group_call_done(call, error_code);
        return;
    }
    uint8_t *data = removals->data;
    propose(o); /* copies what it needs; the request may be gone after it */
    free(data);
}

/* ---- on the connection's shard ---- */

static void finish(struct group_call *call)
{
    struct offset_delete *o = (struct offset_delete *)call;
    o->response.error_code = call->error_code;
    if (call->error_code != KAFKA_ERROR_NONE)
        o->response.topics_count = 0;
    request_answer(call->request, &o->response);
}

static int take_topic(struct request *r, const struct kafka_offset_delete_request_topic *from,
                      struct kafka_offset_delete_response_topic *into)
{
    struct broker_place place;
    kafka_offset_delete_response_topic_init(into);
    into->name = from->name;
    into->partitions = request_array(r, (size_t)from->partitions_count, sizeof *into->partitions);
    if (into->partitions == NULL)
        return UV_ENOMEM;
    into->partitions_count = from->partitions_count;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        int32_t partition = from->partitions[i].partition_index;
        bool is_known = from->name.size > 0 &&
                        broker_find_partition(r->broker, from->name.data, (size_t)from->name.size,
                                              partition, &place) == 0;
        into->partitions[i].partition_index = partition;
        into->partitions[i].error_code = is_known ? KAFKA_ERROR_NONE
                                                  : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return 0;
}

static struct offset_delete *create(struct request *r)
{
    const struct kafka_offset_delete_request *message = r->message;
    struct offset_delete *o = request_allocate(r, sizeof *o);
    if (o == NULL)
        return NULL;
    kafka_offset_delete_response_init(&o->response);
    o->actor = group_actor_of(r);
    o->response.topics = request_array(r, (size_t)message->topics_count,
                                       sizeof *o->response.topics);
    if (o->response.topics == NULL)
        return NULL;
    o->response.topics_count = message->topics_count;
    for (int32_t i = 0; i < message->topics_count; i++)
        if (take_topic(r, &message->topics[i], &o->response.topics[i]) != 0)
            return NULL;
    return o;
}

void request_handle_offset_delete(struct request *r)
{
    const struct kafka_offset_delete_request *message = r->message;
    struct offset_delete *o = create(r);
    if (o == NULL)
        request_close_connection(r, "its answer needs too much memory");
    else
        group_call_send_member(&o->call, r, message->group_id, run, finish);
}
