/* OffsetCommit: a group's progress, as one entry.
 *
 * What can be refused without the coordinator is refused here, partition by partition; the rest
 * gets its leader epochs and becomes the entry's body on the connection's shard. The coordinator
 * looks whether the member may commit, and proposes; apply decides, offset by offset, what goes
 * down and what does not (consumer/table_commit.c). A commit on a connection which its client has
 * given up may have been overtaken: the connection is closed, and whoever still is there asks
 * again (consumer/live_connection.c). One whose fate is not known in time is answered
 * REQUEST_TIMED_OUT: the client does it again, which changes nothing if it was done. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "cluster/live_group.h"
#include "consumer/commit_wait.h"
#include "consumer/group_call.h"
#include "protocol/error.h"
#include "request/commit_epoch.h"
#include "request/group_policy.h"
#include "request/text.h"
#include "server/client_shard.h"
#include "state/byte_list.h"

#define VERSION_WITH_INSTANCES 7
#define VERSION_RETENTION_LAST 4

struct offset_commit {
    struct group_call call; /* first: the call is cast */
    struct kafka_offset_commit_response response;
    struct commit_epochs epochs;
    struct commit_part *parts; /* what was not refused at once */
    uint32_t part_count;
    struct commit_result *results; /* of the parts, when the call had no error */
    uint64_t metadata_version;     /* of before the topics were looked up */
    struct byte_list body;         /* freed when answered */
    bool is_overtaken;             /* came on a connection that its member has left */
};

static struct kafka_string instance_of(const struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    return r->header.api_version >= VERSION_WITH_INSTANCES ? message->group_instance_id
                                                           : KAFKA_STRING_NULL;
}

/* ---- the answer ---- */

/* For people: once when it begins, not once a commit. */
static void tell(const struct offset_commit *c, const struct commit_part *part,
                 const struct commit_result *result)
{
    static const char *const names[] = {
        [COMMIT_REWIND] = "offset_rewound",
        [COMMIT_OUTSIDE] = "offset_lowered_outside",
        [COMMIT_KEPT] = "offset_kept",
        [COMMIT_DENIED] = "offset_commit_denied",
    };
    const struct request *r = c->call.request;
    const struct kafka_offset_commit_request *message = r->message;
    char group[TEXT_EVENT_SIZE], topic[TEXT_EVENT_SIZE], member[TEXT_EVENT_SIZE],
        client[TEXT_EVENT_SIZE];
    uint64_t left_out;
    if (!result->is_news || part->offset.offset >= result->before ||
        !event_pace_allows(&r->clients->commit_pace, clock_now_ms(&r->broker->clock), &left_out))
        return;
    event_info(names[result->outcome],
               "consumer_group=%s topic=%s partition=%d stored=%lld asked=%lld generation=%d "
               "member=%s client_id=%s client=%s left_out=%llu",
               text_for_event(group, message->group_id), text_for_event(topic, part->offset.topic),
               (int)part->offset.partition, (long long)result->before,
               (long long)part->offset.offset, (int)message->generation_id,
               text_for_event(member, message->member_id),
               text_for_event(client, group_client_id(r)), r->context.address,
               (unsigned long long)left_out);
}

static void answer_part(struct offset_commit *c, uint32_t at)
{
    struct request_count *count = &c->call.request->clients->count;
    const struct commit_result *result = &c->results[at];
    *c->parts[at].error_code = c->call.error_code;
    request_count_error(count, REQUEST_COUNT_OFFSET_COMMIT, c->call.error_code);
    if (c->call.error_code != KAFKA_ERROR_NONE)
        return;
    request_count_commit(count, result->outcome);
    tell(c, &c->parts[at], result);
    if (result->outcome == COMMIT_DENIED)
        *c->parts[at].error_code = KAFKA_ERROR_POLICY_VIOLATION;
}

static void finish(struct group_call *call)
{
    struct offset_commit *c = (struct offset_commit *)call;
    for (uint32_t i = 0; i < c->part_count; i++)
        answer_part(c, i);
    free(c->body.data);
    if (c->is_overtaken)
        request_close_connection(call->request, "a commit on a connection that was given up");
    else
        request_answer(call->request, &c->response);
}

/* ---- on the coordinator's shard ---- */

/* What the member believes, though a higher offset stays. */
static void remember(const struct offset_commit *c, const struct commit_part *part,
                     const struct commit_result *result)
{
    const struct kafka_offset_commit_request *message = c->call.request->message;
    struct group_set *groups = group_call_groups(&c->call);
    if (result->outcome == COMMIT_KEPT)
        group_believe(groups, message->group_id, message->member_id, &part->offset);
    else if (message->generation_id >= 0)
        group_believe_stored(groups, message->group_id, message->member_id, part->offset.topic,
                             part->offset.partition);
}

static void on_committed(void *data, int16_t error_code, struct bytes detail)
{
    struct offset_commit *c = data;
    for (uint32_t i = 0; i < c->part_count; i++)
        if (commit_detail_read(detail, i, &c->results[i]))
            remember(c, &c->parts[i], &c->results[i]);
    group_call_done(&c->call, error_code);
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

struct known_topic {
    uint8_t id[16];
    int32_t partition_count; /* 0: there is no such topic */
};

/* Once for all its partitions. */
static struct known_topic look_up(struct broker *b, struct kafka_string name)
{
    struct known_topic known = {.partition_count = 0};
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = name.size <= 0 ? NULL
                                                    : metadata_topic_by_name(b->metadata, name.data,
                                                                             (size_t)name.size);
    if (t != NULL) {
        memcpy(known.id, t->id, sizeof known.id);
        known.partition_count = t->partition_count;
    }
    metadata_read_unlock(b->metadata);
    return known;
}

/* Kafka refuses the same with the same codes. */
static int16_t check(const struct request *r, const struct known_topic *known,
                     const struct kafka_offset_commit_request_partition *p)
{
    const struct conf_settings *conf = &r->broker->conf;
    if (p->partition_index < 0 || p->partition_index >= known->partition_count)
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (p->committed_metadata.size > conf->offset_metadata_bytes_max ||
        p->committed_metadata.size > GROUP_TEXT_SIZE_MAX)
        return KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE;
    return KAFKA_ERROR_NONE;
}

static int16_t take_partition(struct offset_commit *c, const struct request *r,
                              struct kafka_string topic, const struct known_topic *known,
                              const struct kafka_offset_commit_request_partition *p,
                              int16_t *code_answered)
{
    int16_t error_code = check(r, known, p);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    struct commit_part *part = &c->parts[c->part_count++];
    bool is_progress = p->committed_offset >= 0; /* kafkajs begins anew by -1 or -2 */
    part->offset = (struct group_offset){
        .topic = topic,
        .partition = p->partition_index,
        .offset = is_progress ? p->committed_offset : -1,
        .leader_epoch = p->committed_leader_epoch < 0 || !is_progress ? -1
                                                                      : p->committed_leader_epoch,
        .metadata = p->committed_metadata.size < 0 ? kafka_string_of("") : p->committed_metadata,
    };
    memcpy(part->offset.topic_id, known->id, sizeof part->offset.topic_id);
    part->error_code = code_answered;
    return KAFKA_ERROR_NONE;
}

static int take_topic(struct offset_commit *c, struct request *r,
                      const struct kafka_offset_commit_request_topic *from,
                      struct kafka_offset_commit_response_topic *into)
{
    struct known_topic known = look_up(r->broker, from->name);
    kafka_offset_commit_response_topic_init(into);
    into->name = from->name;
    into->partitions = request_array(r, (size_t)from->partitions_count, sizeof *into->partitions);
    if (into->partitions == NULL)
        return UV_ENOMEM;
    into->partitions_count = from->partitions_count;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        into->partitions[i].partition_index = from->partitions[i].partition_index;
        into->partitions[i].error_code = take_partition(
            c, r, from->name, &known, &from->partitions[i], &into->partitions[i].error_code);
    }
    return 0;
}

static size_t partition_count(const struct kafka_offset_commit_request *message)
{
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)message->topics[i].partitions_count;
    return count;
}

static int take_topics(struct offset_commit *c, struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    size_t count = partition_count(message);
    c->response.topics = request_array(r, (size_t)message->topics_count,
                                       sizeof *c->response.topics);
    c->parts = request_array(r, count, sizeof *c->parts);
    c->results = request_array(r, count, sizeof *c->results);
    if (c->response.topics == NULL || c->parts == NULL || c->results == NULL)
        return UV_ENOMEM;
    c->response.topics_count = message->topics_count;
    for (int32_t i = 0; i < message->topics_count; i++)
        if (take_topic(c, r, &message->topics[i], &c->response.topics[i]) != 0)
            return UV_ENOMEM;
    return 0;
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

static void make_body(struct offset_commit *c, struct request *r)
{
    const struct kafka_offset_commit_request *message = r->message;
    struct group_commit commit = {
        .generation = message->generation_id < 0 ? -1 : message->generation_id,
        .member_id = message->member_id,
        .instance_id = instance_of(r),
        .client_id = group_client_id(r),
        .client_host = group_client_host(r),
        .metadata_version = c->metadata_version,
        .expire_at_ms = expiry(r),
        .policy = group_policy_of_setting(r->broker->conf.commit_policy),
        .offset_count = c->part_count,
    };
    group_commit_put(&c->body, message->group_id, &commit);
    for (uint32_t i = 0; i < c->part_count; i++)
        group_offset_put(&c->body, &c->parts[i].offset);
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

static void on_epochs(struct commit_epochs *e)
{
    struct offset_commit *c = e->data;
    struct request *r = e->request;
    const struct kafka_offset_commit_request *message = r->message;
    request_settle(r);
    make_body(c, r);
    if (c->body.is_failed)
        answer_with(c, r, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    else if (c->body.size > GROUP_ENTRY_BYTES_MAX)
        answer_with(c, r, KAFKA_ERROR_INVALID_COMMIT_OFFSET_SIZE);
    else
        group_call_send(&c->call, r, message->group_id, run, finish);
}

void request_handle_offset_commit(struct request *r)
{
    struct offset_commit *c = request_allocate(r, sizeof *c);
    uint64_t version = metadata_seen(r->broker); /* before the topics are looked up */
    if (c != NULL)
        kafka_offset_commit_response_init(&c->response);
    if (c == NULL || take_topics(c, r) != 0) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    c->metadata_version = version;
    c->epochs = (struct commit_epochs){
        .data = c, .request = r, .parts = c->parts, .count = c->part_count};
    if (c->part_count == 0) {
        answer_with(c, r, KAFKA_ERROR_NONE); /* all were refused, or there were none */
    } else if (!are_texts_allowed(r)) {
        answer_with(c, r, KAFKA_ERROR_INVALID_GROUP_ID);
    } else {
        request_unsettle(r); /* the next commit of its connection must not come before it */
        commit_epochs_begin(&c->epochs, on_epochs);
    }
}
