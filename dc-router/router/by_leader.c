/* What each partition's leader answers for itself: ListOffsets, OffsetForLeaderEpoch,
 * DeleteRecords.
 *
 * The three messages have one shape, topics of partitions with an index, in question and answer;
 * the table says where what lies. A request is cut by leader, and the answers are put together in
 * the order of the question. What has no leader is answered so: the client asks for metadata and
 * again. */
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "protocol/error.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/permit.h"
#include "router/router.h"

#define PART_BYTES_MAX    (64u << 20)
#define DELETE_MS_MORE    5000 /* than its own timeout */
#define LEADERLESS_MS_MAX 1000 /* that a request waits for leaders to be known */

/* As all three have it, in question and answer. */
struct topic {
    struct kafka_string name;
    void *partitions;
    int32_t partitions_count;
};

struct shape {
    int16_t key;
    size_t topics, topics_count;  /* in the question */
    size_t partition_size, index; /* a partition of it */
    size_t answer_size, answer_topics, answer_topics_count;
    size_t answer_partition_size, answer_index, answer_error;
    void (*init_partition)(void *partition); /* of the answer */
};

#define SHAPE(KEY, name)                                                                           \
    {                                                                                              \
        .key = KEY, .topics = offsetof(struct kafka_##name##_request, topics),                     \
        .topics_count = offsetof(struct kafka_##name##_request, topics_count),                     \
        .partition_size = sizeof(struct kafka_##name##_request_partition),                         \
        .index = offsetof(struct kafka_##name##_request_partition, partition_index),               \
        .answer_size = sizeof(struct kafka_##name##_response),                                     \
        .answer_topics = offsetof(struct kafka_##name##_response, topics),                         \
        .answer_topics_count = offsetof(struct kafka_##name##_response, topics_count),             \
        .answer_partition_size = sizeof(struct kafka_##name##_response_partition),                 \
        .answer_index = offsetof(struct kafka_##name##_response_partition, partition_index),       \
        .answer_error = offsetof(struct kafka_##name##_response_partition, error_code),            \
        .init_partition = init_##name,                                                             \
    }
#define INIT(name)                                                                                 \
    static void init_##name(void *partition)                                                       \
    {                                                                                              \
        kafka_##name##_response_partition_init(partition);                                         \
    }                                                                                              \
    _Static_assert(sizeof(struct topic) == sizeof(struct kafka_##name##_request_topic) &&          \
                       sizeof(struct topic) == sizeof(struct kafka_##name##_response_topic) &&     \
                       offsetof(struct topic, partitions) ==                                       \
                           offsetof(struct kafka_##name##_request_topic, partitions) &&            \
                       offsetof(struct topic, partitions) ==                                       \
                           offsetof(struct kafka_##name##_response_topic, partitions) &&           \
                       offsetof(struct topic, partitions_count) ==                                 \
                           offsetof(struct kafka_##name##_response_topic, partitions_count),       \
                   "all three have it so");
INIT(list_offsets)
INIT(offset_for_leader_epoch)
INIT(delete_records)

static const struct shape shapes[] = {
    SHAPE(KAFKA_API_LIST_OFFSETS, list_offsets),
    SHAPE(KAFKA_API_OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch),
    SHAPE(KAFKA_API_DELETE_RECORDS, delete_records),
};

struct place {
    int32_t topic, partition; /* in the question */
    struct router_node *node; /* its leader, or NULL */
    bool is_sent;
    bool is_refused; /* it is not asked for anywhere */
};

struct cut {
    struct client_request *request;
    const struct shape *shape;
    struct topic *asked, *answered; /* as many as the question has */
    int32_t topic_count;
    struct place *places;
    unsigned place_count, pending;
    void *message; /* the answer */
    struct map_waiter waiter;
};

struct cut_part {
    struct cut *cut;
    struct router_node *node;
    struct upstream_call call;
    struct lane_call lane_call;
    struct kafka_writer writer;
};

/* ---- fields by their place ---- */

static int32_t number_at(const void *base, size_t offset)
{
    int32_t value;
    memcpy(&value, (const char *)base + offset, sizeof value);
    return value;
}

static struct topic *topics_at(const void *message, size_t offset)
{
    void *topics;
    memcpy(&topics, (const char *)message + offset, sizeof topics);
    return topics;
}

static void *partition_at(const struct topic *t, int32_t i, size_t size)
{
    return (char *)t->partitions + (size_t)i * size;
}

static int32_t asked_index(const struct cut *c, const struct place *place)
{
    return number_at(
        partition_at(&c->asked[place->topic], place->partition, c->shape->partition_size),
        c->shape->index);
}

static void *answer_of(const struct cut *c, const struct place *place)
{
    return partition_at(&c->answered[place->topic], place->partition,
                        c->shape->answer_partition_size);
}

static void set_error(const struct cut *c, const struct place *place, int16_t error_code)
{
    memcpy((char *)answer_of(c, place) + c->shape->answer_error, &error_code, sizeof error_code);
}

/* ---- answers ---- */

static void one_less(struct cut *c)
{
    if (--c->pending == 0)
        client_request_answer(c->request, c->message);
}

static void take_partition(struct cut *c, struct kafka_string topic, const void *from)
{
    int32_t index = number_at(from, c->shape->answer_index);
    for (unsigned i = 0; i < c->place_count; i++) {
        struct place *place = &c->places[i];
        if (asked_index(c, place) != index ||
            !kafka_string_is_equal(c->asked[place->topic].name, topic))
            continue;
        memcpy(answer_of(c, place), from, c->shape->answer_partition_size); /* numbers only */
        return;
    }
}

static bool take_answer(struct cut *c, struct slice answer)
{
    const struct client_request *r = c->request;
    struct own_answer own;
    if (own_answer_read(&own, (enum kafka_api_key)r->header.api->key, r->header.api_version,
                        answer) != 0)
        return false;
    const struct topic *topics = topics_at(own.message, c->shape->answer_topics);
    int32_t count = number_at(own.message, c->shape->answer_topics_count);
    for (int32_t t = 0; t < count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++)
            take_partition(c, topics[t].name,
                           partition_at(&topics[t], p, c->shape->answer_partition_size));
    own_answer_close(&own);
    return true;
}

/* Its partitions keep "no leader". */
static void want_topics_of(const struct cut_part *part)
{
    const struct cut *c = part->cut;
    int32_t topic = -1;
    for (unsigned i = 0; i < c->place_count; i++) {
        if (c->places[i].node != part->node || c->places[i].topic == topic)
            continue;
        topic = c->places[i].topic;
        cluster_map_want(c->request->shard, c->asked[topic].name);
    }
}

static void take_back(struct cut_part *part, int status, struct slice answer)
{
    struct cut *c = part->cut;
    struct client_request *r = c->request;
    if (status != 0 || !take_answer(c, answer))
        want_topics_of(part);
    kafka_writer_close(&part->writer);
    one_less(c);
    client_request_release(r);
}

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    take_back(call->data, status, answer);
}

static void on_lane_back(struct lane_call *call, int status, struct slice answer)
{
    take_back(call->data, status, answer);
}

/* ---- questions ---- */

static bool copy_topic(struct cut *c, const struct router_node *n, int32_t t, struct topic *into)
{
    size_t size = c->shape->partition_size;
    *into = (struct topic){.name = c->asked[t].name};
    into->partitions = client_request_allocate(c->request,
                                               ((size_t)c->asked[t].partitions_count + 1) * size);
    for (unsigned i = 0; i < c->place_count && into->partitions != NULL; i++)
        if (c->places[i].topic == t && c->places[i].node == n)
            memcpy(partition_at(into, into->partitions_count++, size),
                   partition_at(&c->asked[t], c->places[i].partition, size), size);
    return into->partitions != NULL;
}

static int encode(struct cut *c, const struct router_node *n, struct kafka_writer *w)
{
    struct client_request *r = c->request;
    const struct kafka_message_type *type = &r->header.api->request;
    void *message = client_request_allocate(r, type->size);
    struct topic *topics = client_request_allocate(r,
                                                   ((size_t)c->topic_count + 1) * sizeof *topics);
    int32_t count = 0;
    if (message == NULL || topics == NULL)
        return UV_ENOMEM;
    for (int32_t t = 0; t < c->topic_count; t++) {
        if (!copy_topic(c, n, t, &topics[count]))
            return UV_ENOMEM;
        count += topics[count].partitions_count > 0;
    }
    memcpy(message, r->message, type->size);
    memcpy((char *)message + c->shape->topics, &topics, sizeof topics);
    memcpy((char *)message + c->shape->topics_count, &count, sizeof count);
    kafka_request_header_encode(w, &r->header);
    int err = type->encode(w, r->header.api_version, message);
    return err != 0 ? err : kafka_writer_finish(w);
}

/* Records are deleted at all replicas: that may take a while. */
static int ask(struct cut_part *part, struct router_node *n)
{
    const struct client_request *r = part->cut->request;
    struct kafka_slices inner = own_request_content(&part->writer);
    if (r->header.api->key != KAFKA_API_DELETE_RECORDS)
        return router_node_send(n, &part->call, &r->client->identity, inner, on_back);
    int32_t ms = ((const struct kafka_delete_records_request *)r->message)->timeout_ms;
    part->lane_call.give_up_ms = router_now_ms(r->shard) + (uint64_t)(ms > 0 ? ms : 0) +
                                 DELETE_MS_MORE;
    return router_node_send_lane(n, &part->lane_call, &r->client->identity, inner, on_lane_back);
}

static void send_part(struct cut *c, struct router_node *n)
{
    struct client_request *r = c->request;
    struct cut_part *part = client_request_allocate(r, sizeof *part);
    if (part == NULL)
        return;
    part->cut = c;
    part->node = n;
    part->call.data = part->lane_call.data = part;
    kafka_writer_init(&part->writer, PART_BYTES_MAX);
    int err = encode(c, n, &part->writer);
    if (err == 0)
        err = ask(part, n);
    if (err != 0) {
        kafka_writer_close(&part->writer);
        return;
    }
    c->pending++;
    client_request_claim(r);
}

static void send_all(struct cut *c)
{
    for (unsigned i = 0; i < c->place_count; i++) {
        struct router_node *n = c->places[i].is_sent ? NULL : c->places[i].node;
        if (n == NULL)
            continue;
        for (unsigned k = i; k < c->place_count; k++)
            c->places[k].is_sent |= c->places[k].node == n;
        send_part(c, n);
    }
}

/* ---- beginning ---- */

static bool build(struct cut *c)
{
    struct client_request *r = c->request;
    size_t places = 0;
    c->asked = topics_at(r->message, c->shape->topics);
    c->topic_count = number_at(r->message, c->shape->topics_count);
    for (int32_t t = 0; t < c->topic_count; t++)
        places += (size_t)c->asked[t].partitions_count;
    c->message = client_request_allocate(r, c->shape->answer_size);
    c->answered = client_request_allocate(r, ((size_t)c->topic_count + 1) * sizeof *c->answered);
    c->places = client_request_allocate(r, (places + 1) * sizeof *c->places);
    if (c->message == NULL || c->answered == NULL || c->places == NULL)
        return false;
    for (int32_t t = 0; t < c->topic_count; t++) {
        size_t count = (size_t)c->asked[t].partitions_count;
        bool may = permit_topic(r, c->asked[t].name) &&
                   (c->shape->key != KAFKA_API_DELETE_RECORDS || permit_admin(r));
        c->answered[t] = (struct topic){.name = c->asked[t].name,
                                        .partitions_count = (int32_t)count};
        c->answered[t].partitions = client_request_allocate(r, (count + 1) *
                                                                   c->shape->answer_partition_size);
        if (c->answered[t].partitions == NULL)
            return false;
        for (int32_t p = 0; p < (int32_t)count; p++) {
            struct place *place = &c->places[c->place_count++];
            *place = (struct place){.topic = t, .partition = p, .is_refused = !may};
            c->shape->init_partition(answer_of(c, place));
            if (!may)
                set_error(c, place, KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
            int32_t index = asked_index(c, place);
            memcpy((char *)answer_of(c, place) + c->shape->answer_index, &index, sizeof index);
        }
    }
    memcpy((char *)c->message + c->shape->answer_topics, &c->answered, sizeof c->answered);
    memcpy((char *)c->message + c->shape->answer_topics_count, &c->topic_count,
           sizeof c->topic_count);
    return true;
}

/* False: some are not known yet. */
static bool find_leaders(struct cut *c)
{
    struct router_shard *s = c->request->shard;
    bool is_complete = true;
    for (unsigned i = 0; i < c->place_count; i++) {
        struct place *place = &c->places[i];
        if (place->is_refused)
            continue;
        int32_t id = cluster_map_leader(s, c->asked[place->topic].name, asked_index(c, place));
        struct router_node *n = node_pool_find(s, id);
        place->node = n != NULL && router_node_is_up(n) ? n : NULL;
        set_error(c, place,
                  id == MAP_NO_SUCH ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                    : KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
        is_complete = is_complete && (place->node != NULL || id == MAP_NO_SUCH);
    }
    return is_complete;
}

static void begin(struct cut *c)
{
    c->pending = 1;
    send_all(c);
    one_less(c);
}

static void on_told(struct map_waiter *w)
{
    struct cut *c = w->data;
    struct client_request *r = c->request;
    uint64_t waited_ms = router_now_ms(r->shard) - r->received_ms;
    if (!find_leaders(c) && waited_ms < LEADERLESS_MS_MAX && !client_request_is_abandoned(r)) {
        cluster_map_wait(r->shard, w, on_told);
        return;
    }
    begin(c);
    client_request_release(r);
}

void handle_by_leader(struct client_request *r)
{
    struct cut *c = client_request_allocate(r, sizeof *c);
    for (size_t i = 0; c != NULL && i < sizeof shapes / sizeof shapes[0]; i++)
        if (shapes[i].key == r->header.api->key)
            c->shape = &shapes[i];
    if (c != NULL)
        c->request = r;
    if (c == NULL || !build(c)) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    if (find_leaders(c)) {
        begin(c);
        return;
    }
    client_request_claim(r);
    c->waiter.data = c;
    cluster_map_wait(r->shard, &c->waiter, on_told);
}
