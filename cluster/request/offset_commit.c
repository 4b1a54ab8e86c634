/* OffsetCommit: a group's progress, as one entry.
 *
 * What can be refused without the coordinator is refused here, partition by partition; the rest
 * becomes the entry's body on the connection's shard. The coordinator looks whether the member may
 * commit, and proposes; apply decides. One that comes on a connection which its client has given up
 * may have been overtaken: the connection is closed, and whoever still is there asks again. A
 * commit whose fate is not known in time is answered REQUEST_TIMED_OUT: the client does it again,
 * which changes nothing if it was done. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/live_group.h"
#include "consumer/commit_wait.h"
#include "consumer/group_call.h"
#include "protocol/error.h"
#include "state/byte_list.h"

#define VERSION_WITH_INSTANCES 7
#define VERSION_RETENTION_LAST 4

struct offset_commit {
    struct group_call call;
    struct kafka_offset_commit_response response;
    struct byte_list offsets; /* of the body */
    uint32_t offset_count;
    struct byte_list body; /* freed when answered */
    bool is_overtaken;     /* came on a connection that its member has left */
};

static struct kafka_string instance_of(const struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    return r->header.api_version >= VERSION_WITH_INSTANCES ? message->group_instance_id
                                                           : KAFKA_STRING_NULL;
}

/* ---- the answer ---- */

/* Those that were not refused before get the coordinator's code. */
static void finish(struct group_call *call)
{
    struct offset_commit *c = (struct offset_commit *)call;
    for (int32_t t = 0; t < c->response.topics_count; t++)
        for (int32_t p = 0; p < c->response.topics[t].partitions_count; p++) {
            int16_t *error_code = &c->response.topics[t].partitions[p].error_code;
            if (*error_code == KAFKA_ERROR_NONE)
                *error_code = call->error_code;
        }
    free(c->body.data);
    if (c->is_overtaken)
        request_close_connection(call->request, "a commit on a connection that was given up");
    else
        request_answer(call->request, &c->response);
}

/* ---- on the coordinator's shard ---- */

static void on_committed(void *data, int16_t error_code)
{
    group_call_done(data, error_code);
}

static void run(struct group_call *call)
{
    struct offset_commit *c = (struct offset_commit *)call;
    const struct kafka_offset_commit_request *message = call->request->message;
    c->is_overtaken = !group_call_hear(call, message->group_id, message->member_id);
    if (c->is_overtaken) {
        group_call_done(call, KAFKA_ERROR_NOT_COORDINATOR);
        return;
    }
    int16_t error_code = group_check_commit(group_call_groups(call), call->place.number,
                                            message->group_id, message->generation_id,
                                            message->member_id, instance_of(call->request));
    if (error_code != KAFKA_ERROR_NONE)
        group_call_done(call, error_code);
    else
        commit_wait_begin(call->group->coordinator, call->place.number,
                          bytes_of(c->body.data, c->body.size), on_committed, call);
}

/* ---- checks and the body ---- */

/* Kafka refuses the same with the same codes; a negative offset is nobody's progress. */
static int16_t check(const struct request *r, struct kafka_string topic,
                     const struct kafka_offset_commit_request_partition *p,
                     struct broker_place *place)
{
    const struct conf_settings *conf = &r->broker->conf;
    if (topic.size <= 0 || broker_find_partition(r->broker, topic.data, (size_t)topic.size,
                                                 p->partition_index, place) != 0)
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (p->committed_metadata.size > conf->offset_metadata_bytes_max ||
        p->committed_metadata.size > GROUP_TEXT_SIZE_MAX)
        return KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE;
    return p->committed_offset < 0 ? KAFKA_ERROR_OFFSET_OUT_OF_RANGE : KAFKA_ERROR_NONE;
}

static int16_t take_partition(struct offset_commit *c, const struct request *r,
                              struct kafka_string topic,
                              const struct kafka_offset_commit_request_partition *p)
{
    struct broker_place place;
    int16_t error_code = check(r, topic, p, &place);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    struct group_offset offset = {
        .topic = topic,
        .partition = p->partition_index,
        .offset = p->committed_offset,
        .leader_epoch = p->committed_leader_epoch < 0 ? -1 : p->committed_leader_epoch,
        .metadata = p->committed_metadata.size < 0 ? kafka_string_of("") : p->committed_metadata,
    };
    memcpy(offset.topic_id, place.topic_id, sizeof offset.topic_id);
    group_offset_put(&c->offsets, &offset);
    c->offset_count++;
    return KAFKA_ERROR_NONE;
}

static int take_topic(struct offset_commit *c, struct request *r,
                      const struct kafka_offset_commit_request_topic *from,
                      struct kafka_offset_commit_response_topic *into)
{
    kafka_offset_commit_response_topic_init(into);
    into->name = from->name;
    into->partitions = request_array(r, (size_t)from->partitions_count, sizeof *into->partitions);
    if (into->partitions == NULL)
        return UV_ENOMEM;
    into->partitions_count = from->partitions_count;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        into->partitions[i].partition_index = from->partitions[i].partition_index;
        into->partitions[i].error_code = take_partition(c, r, from->name, &from->partitions[i]);
    }
    return 0;
}

static int take_topics(struct offset_commit *c, struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    c->response.topics = request_array(r, (size_t)message->topics_count,
                                       sizeof *c->response.topics);
    if (c->response.topics == NULL)
        return UV_ENOMEM;
    c->response.topics_count = message->topics_count;
    for (int32_t i = 0; i < message->topics_count; i++)
        if (take_topic(c, r, &message->topics[i], &c->response.topics[i]) != 0)
            return UV_ENOMEM;
    return c->offsets.is_failed ? UV_ENOMEM : 0;
}

static int64_t expiry(const struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    int64_t now_ms = clock_wall_ms(&r->broker->clock);
    if (r->header.api_version > VERSION_RETENTION_LAST || message->retention_time_ms < 0 ||
        message->retention_time_ms > INT64_MAX - now_ms)
        return -1;
    return now_ms + message->retention_time_ms;
}

static void make_body(struct offset_commit *c, struct request *r, uint64_t metadata_version)
{
    const struct kafka_offset_commit_request *message = r->message;
    struct group_commit commit = {
        .generation = message->generation_id < 0 ? -1 : message->generation_id,
        .member_id = message->member_id,
        .instance_id = instance_of(r),
        .client_id = group_client_id(r),
        .client_host = group_client_host(r),
        .metadata_version = metadata_version,
        .expire_at_ms = expiry(r),
        .offset_count = c->offset_count,
    };
    group_commit_put(&c->body, message->group_id, &commit);
    byte_list_put(&c->body, c->offsets.data, c->offsets.size);
}

static bool are_texts_allowed(const struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    return message->group_id.size <= CONSUMER_GROUP_ID_SIZE_MAX &&
           message->member_id.size <= GROUP_TEXT_SIZE_MAX &&
           instance_of(r).size <= GROUP_TEXT_SIZE_MAX;
}

static uint64_t metadata_seen(struct broker *b)
{
    metadata_read_lock(b->metadata);
    uint64_t version = metadata_version(b->metadata);
    metadata_read_unlock(b->metadata);
    return version;
}

static void answer_with(struct offset_commit *c, struct request *r, int16_t error_code)
{
    c->call.request = r;
    c->call.error_code = error_code;
    finish(&c->call);
}

void request_handle_offset_commit(struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    struct offset_commit *c = request_allocate(r, sizeof *c);
    uint64_t version = metadata_seen(r->broker); /* before the topics are looked up */
    if (c != NULL)
        kafka_offset_commit_response_init(&c->response);
    if (c == NULL || take_topics(c, r) != 0) {
        if (c != NULL)
            free(c->offsets.data);
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    if (c->offset_count > 0 && are_texts_allowed(r))
        make_body(c, r, version);
    free(c->offsets.data);
    if (c->offset_count == 0)
        answer_with(c, r, KAFKA_ERROR_NONE); /* all were refused, or there were none */
    else if (!are_texts_allowed(r))
        answer_with(c, r, KAFKA_ERROR_INVALID_GROUP_ID);
    else if (c->body.is_failed)
        answer_with(c, r, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    else if (c->body.size > GROUP_ENTRY_BYTES_MAX)
        answer_with(c, r, KAFKA_ERROR_INVALID_COMMIT_OFFSET_SIZE);
    else
        group_call_send(&c->call, r, message->group_id, run, finish);
}
