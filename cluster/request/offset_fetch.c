/* OffsetFetch: a group's committed offsets, after a read index (invariant 15): whatever was
 * acknowledged before the request came is in the answer, also when this coordinator was paused
 * and another one has taken commits meanwhile. It then answers NOT_COORDINATOR. Without
 * transactions every committed offset is stable (require_stable). */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/group_call.h"
#include "protocol/error.h"

#define VERSION_WITH_ERROR  2
#define VERSION_WITH_GROUPS 8
#define ARENA_BYTES_MAX     (8u * CONSUMER_GROUP_BYTES_MAX)

struct group_fetch {
    struct group_call call; /* first: the call is cast */
    struct offset_fetch *fetch;
    struct kafka_offset_fetch_request_group asked;
    struct kafka_offset_fetch_response_group answer;
    struct kafka_arena arena; /* of the answer: groups are looked up on several shards */
};

struct offset_fetch {
    struct request *request;
    struct kafka_offset_fetch_response response;
    unsigned pending;
    int32_t group_count;
    struct group_fetch *groups;
};

/* ---- looking up, on the coordinator's shard ---- */

static void fill(struct kafka_offset_fetch_response_partition *into, int32_t partition,
                 const struct consumer_offset *offset)
{
    kafka_offset_fetch_response_partition_init(into);
    into->partition_index = partition;
    into->committed_offset = offset == NULL ? -1 : offset->committed.offset;
    into->committed_leader_epoch = offset == NULL ? -1 : offset->committed.leader_epoch;
    into->metadata = offset == NULL ? kafka_string_of("") : offset->committed.metadata;
}

/* What the member that asks has itself committed, though a higher offset stays for the others: some
 * clients seek by a commit and then ask where they are. */
static void fill_belief(const struct group_fetch *f, struct kafka_string topic,
                        struct kafka_offset_fetch_response_partition *into)
{
    int64_t offset;
    int32_t leader_epoch;
    struct group_way way = group_call_way(&f->call);
    if (!group_belief(group_call_groups(&f->call), f->asked.group_id, &way, topic,
                      into->partition_index, &offset, &leader_epoch))
        return;
    into->committed_offset = offset;
    into->committed_leader_epoch = leader_epoch;
    into->metadata = kafka_string_of("");
}

/* The table may change before the answer is encoded: its texts are copied. */
static int copy_text(struct group_fetch *f, struct kafka_string *text)
{
    if (text->size <= 0)
        return 0;
    char *copy = kafka_arena_allocate(&f->arena, (size_t)text->size);
    if (copy == NULL)
        return UV_ENOMEM;
    memcpy(copy, text->data, (size_t)text->size);
    text->data = copy;
    return 0;
}

static int begin_topic(struct group_fetch *f, struct kafka_offset_fetch_response_topic *into,
                       struct kafka_string name, size_t count)
{
    kafka_offset_fetch_response_topic_init(into);
    into->name = name;
    if (count > 0)
        into->partitions = kafka_arena_array(&f->arena, count, sizeof *into->partitions);
    return count > 0 && into->partitions == NULL ? UV_ENOMEM : copy_text(f, &into->name);
}

static int look_up_topic(struct group_fetch *f, const struct consumer_table *table,
                         const struct kafka_offset_fetch_request_topic *from,
                         struct kafka_offset_fetch_response_topic *into)
{
    int err = begin_topic(f, into, from->name, (size_t)from->partition_indexes_count);
    for (int32_t i = 0; i < from->partition_indexes_count && err == 0; i++) {
        struct consumer_offset offset;
        bool is_known = table != NULL && consumer_table_offset(table, f->asked.group_id, from->name,
                                                               from->partition_indexes[i], &offset);
        fill(&into->partitions[i], from->partition_indexes[i], is_known ? &offset : NULL);
        if (table != NULL)
            fill_belief(f, from->name, &into->partitions[i]);
        err = copy_text(f, &into->partitions[i].metadata);
        into->partitions_count = i + 1;
    }
    return err;
}

/* `table` NULL: for an answer that is an error. */
static int look_up_asked(struct group_fetch *f, const struct consumer_table *table)
{
    int32_t count = f->asked.topics_count;
    if (count == 0)
        return 0;
    f->answer.topics = kafka_arena_array(&f->arena, (size_t)count, sizeof *f->answer.topics);
    int err = f->answer.topics == NULL ? UV_ENOMEM : 0;
    for (int32_t i = 0; i < count && err == 0; i++) {
        err = look_up_topic(f, table, &f->asked.topics[i], &f->answer.topics[i]);
        f->answer.topics_count = i + 1;
    }
    return err;
}

struct gathering {
    struct consumer_offset *offsets;
    size_t count;
};

static void gather(void *data, const struct consumer_offset *offset)
{
    struct gathering *g = data;
    g->offsets[g->count++] = *offset;
}

static int by_topic(const void *a, const void *b)
{
    const struct group_offset *left = &((const struct consumer_offset *)a)->committed;
    const struct group_offset *right = &((const struct consumer_offset *)b)->committed;
    int32_t shorter = left->topic.size < right->topic.size ? left->topic.size : right->topic.size;
    int order = memcmp(left->topic.data, right->topic.data, (size_t)shorter);
    if (order == 0)
        order = (left->topic.size > right->topic.size) - (left->topic.size < right->topic.size);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* The offsets of one topic, which begin at `offsets`; returns how many, or an error. */
static int answer_topic(struct group_fetch *f, const struct consumer_offset *offsets, size_t left)
{
    struct kafka_offset_fetch_response_topic *into = &f->answer.topics[f->answer.topics_count++];
    struct kafka_string name = offsets[0].committed.topic;
    size_t count = 0;
    while (count < left && kafka_string_is_equal(offsets[count].committed.topic, name))
        count++;
    int err = begin_topic(f, into, name, count);
    for (size_t i = 0; i < count && err == 0; i++) {
        fill(&into->partitions[i], offsets[i].committed.partition, &offsets[i]);
        err = copy_text(f, &into->partitions[i].metadata);
        into->partitions_count++;
    }
    return err != 0 ? err : (int)count;
}

static int look_up_all(struct group_fetch *f, const struct consumer_table *table)
{
    struct consumer_group group;
    struct gathering g = {0};
    if (!consumer_table_group(table, f->asked.group_id, &group) || group.offset_count == 0)
        return 0;
    g.offsets = kafka_arena_array(&f->arena, group.offset_count, sizeof *g.offsets);
    f->answer.topics = kafka_arena_array(&f->arena, group.offset_count, sizeof *f->answer.topics);
    if (g.offsets == NULL || f->answer.topics == NULL)
        return UV_ENOMEM;
    consumer_table_each_offset(table, f->asked.group_id, gather, &g);
    qsort(g.offsets, g.count, sizeof *g.offsets, by_topic);
    for (size_t at = 0; at < g.count;) {
        int count = answer_topic(f, g.offsets + at, g.count - at);
        if (count < 0)
            return count;
        at += (size_t)count;
    }
    return 0;
}

static void run(struct group_call *call)
{
    struct group_fetch *f = (struct group_fetch *)call;
    const struct consumer_table *table = group_call_table(call);
    int err = f->asked.topics_count < 0 ? look_up_all(f, table) : look_up_asked(f, table);
    group_call_done(call, err == 0 ? KAFKA_ERROR_NONE : KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
}

/* ---- answering ---- */

/* An error is said for the group; before it could be, in each partition that was asked for. */
static void answer_error(struct group_fetch *f, int16_t error_code)
{
    f->answer.error_code = error_code;
    f->answer.topics_count = 0;
    if (f->call.request->header.api_version >= VERSION_WITH_ERROR || f->asked.topics_count < 0 ||
        look_up_asked(f, NULL) != 0)
        return;
    for (int32_t t = 0; t < f->answer.topics_count; t++)
        for (int32_t p = 0; p < f->answer.topics[t].partitions_count; p++)
            f->answer.topics[t].partitions[p].error_code = error_code;
}

static void answer(struct offset_fetch *o)
{
    struct kafka_offset_fetch_response *response = &o->response;
    if (o->request->header.api_version >= VERSION_WITH_GROUPS) {
        for (int32_t i = 0; i < o->group_count; i++)
            response->groups[i] = o->groups[i].answer;
        response->groups_count = o->group_count;
    } else {
        response->error_code = o->groups[0].answer.error_code;
        response->topics = o->groups[0].answer.topics;
        response->topics_count = o->groups[0].answer.topics_count;
    }
    request_answer(o->request, response);
    for (int32_t i = 0; i < o->group_count; i++)
        kafka_arena_close(&o->groups[i].arena);
}

static void one_less(struct offset_fetch *o)
{
    if (--o->pending == 0)
        answer(o);
}

static void finish(struct group_call *call)
{
    struct group_fetch *f = (struct group_fetch *)call;
    if (call->error_code != KAFKA_ERROR_NONE)
        answer_error(f, call->error_code);
    one_less(f->fetch);
}

/* ---- handing out ---- */

static struct offset_fetch *create(struct request *r)
{
    const struct kafka_offset_fetch_request *message = r->message;
    bool has_groups = r->header.api_version >= VERSION_WITH_GROUPS;
    struct offset_fetch *o = request_allocate(r, sizeof *o);
    if (o == NULL)
        return NULL;
    o->request = r;
    o->group_count = has_groups ? message->groups_count : 1;
    o->groups = request_array(r, (size_t)o->group_count, sizeof *o->groups);
    kafka_offset_fetch_response_init(&o->response);
    o->response.groups = request_array(r, (size_t)o->group_count, sizeof *o->response.groups);
    if (o->groups == NULL || o->response.groups == NULL)
        return NULL;
    for (int32_t i = 0; i < o->group_count; i++) {
        struct kafka_offset_fetch_request_group single = {
            .group_id = message->group_id,
            .topics = message->topics,
            .topics_count = message->topics_count,
        };
        o->groups[i].asked = has_groups ? message->groups[i] : single;
    }
    return o;
}

void request_handle_offset_fetch(struct request *r)
{
    struct offset_fetch *o = create(r);
    if (o == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    o->pending = 1; /* until all are handed out */
    for (int32_t i = 0; i < o->group_count; i++) {
        struct group_fetch *f = &o->groups[i];
        f->fetch = o;
        kafka_arena_init(&f->arena, ARENA_BYTES_MAX);
        kafka_offset_fetch_response_group_init(&f->answer);
        f->answer.group_id = f->asked.group_id;
        o->pending++;
        group_call_send_fresh(&f->call, r, f->asked.group_id, run, finish);
    }
    one_less(o);
}
