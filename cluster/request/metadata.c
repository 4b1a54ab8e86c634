/* Metadata: brokers, topics, leaders and replicas, from this node's own copy of group 0 and what
 * it hears of leaders. Unknown topics that are asked for by name are created first where that is
 * enabled. */
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "consumer/group_place.h"
#include "error_code.h"
#include "membership/level.h"
#include "request/change_list.h"
#include "request/operations.h"
#include "request/text.h"
#include "site/try.h"

#define VERSION_BY_ID          12 /* before, ids are only told */
#define AUTO_CREATE_TIMEOUT_MS 5000

struct metadata_work {
    struct change_list list; /* topics being created */
    struct kafka_metadata_response response;
    struct request_deadline pause; /* while a leader is being elected */
    int32_t room;                  /* of response.topics */
    bool is_short;                 /* the arena is at its limit */
};

/* ---- brokers ---- */

static void fill_brokers(struct metadata_work *w)
{
    struct request *r = w->list.request;
    const struct metadata *m = r->broker->metadata;
    unsigned count = metadata_node_count(m);
    w->response.brokers = request_array(r, count, sizeof *w->response.brokers);
    w->is_short = w->response.brokers == NULL;
    for (unsigned i = 0; i < count && w->response.brokers != NULL; i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        if (node->host[0] == '\0' || node->state == METADATA_NODE_GONE)
            continue; /* not here yet, or no more */
        if (node->node_id != (uint32_t)r->broker->conf.node_id &&
            !repl_node_is_alive(r->broker->node, node->node_id))
            continue;
        struct kafka_metadata_response_broker *broker =
            &w->response.brokers[w->response.brokers_count++];
        kafka_metadata_response_broker_init(broker);
        broker->node_id = (int32_t)node->node_id;
        broker->host = text_copy(r, node->host);
        broker->port = node->port;
        broker->rack = text_copy(r, node->site);
    }
}

/* A leader whose broker is not shown would confuse clients: then nobody is known. */
static int32_t shown_leader(struct metadata_work *w, uint32_t group_id, uint64_t *term)
{
    uint32_t leader = broker_group_leader(w->list.request->broker, group_id, term);
    for (int32_t i = 0; i < w->response.brokers_count; i++)
        if (w->response.brokers[i].node_id == (int32_t)leader)
            return (int32_t)leader;
    return -1;
}

/* ---- topics ---- */

/* Kafka's tools take the first replica for the preferred leader. */
static void put_first(uint32_t *node_ids, unsigned count, uint32_t preferred)
{
    for (unsigned i = 1; i < count; i++) {
        if (node_ids[i] != preferred)
            continue;
        memmove(node_ids + 1, node_ids, i * sizeof *node_ids);
        node_ids[0] = preferred;
    }
}

/* Where the group votes now, as its leader tells: first where its leader belongs, then in the order
 * of where it is to vote; then its learners that are to stay so. */
static unsigned replicas_of(struct broker *b, const struct metadata_group *group, uint32_t into[64])
{
    uint64_t voters, learners;
    unsigned count = 0;
    level_members(b, group->group_id, &voters, &learners);
    for (unsigned i = 0; i < group->node_count; i++)
        if (voters == 0 || level_mask_has(voters, group->node_ids[i]) ||
            (!metadata_group_votes(group, group->node_ids[i]) &&
             level_mask_has(learners, group->node_ids[i])))
            into[count++] = group->node_ids[i];
    for (uint32_t id = 1; id < 64; id++)
        if (level_mask_has(voters, id) && !metadata_group_has(group, id))
            into[count++] = id;
    put_first(into, count, metadata_leader_of(b->metadata, group));
    return count;
}

static void fill_replicas(struct metadata_work *w, uint32_t group_id,
                          struct kafka_metadata_response_partition *p)
{
    struct request *r = w->list.request;
    const struct metadata_group *group = metadata_group_by_id(r->broker->metadata, group_id);
    uint32_t node_ids[64];
    unsigned count = group == NULL ? 0 : replicas_of(r->broker, group, node_ids);
    p->replica_nodes = request_array(r, count, sizeof(int32_t));
    p->isr_nodes = request_array(r, count, sizeof(int32_t));
    p->offline_replicas = request_array(r, count, sizeof(int32_t));
    if (p->replica_nodes == NULL || p->isr_nodes == NULL || p->offline_replicas == NULL) {
        w->is_short = true;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t node_id = node_ids[i];
        p->replica_nodes[p->replica_nodes_count++] = (int32_t)node_id;
        if (level_is_in_sync(r->broker, group_id, node_id))
            p->isr_nodes[p->isr_nodes_count++] = (int32_t)node_id;
        if (node_id != (uint32_t)r->broker->conf.node_id &&
            !repl_node_is_alive(r->broker->node, node_id))
            p->offline_replicas[p->offline_replicas_count++] = (int32_t)node_id;
    }
}

static void fill_partition(struct metadata_work *w, const struct metadata_partition *place,
                           int32_t index, struct kafka_metadata_response_partition *p)
{
    uint64_t term = 0;
    kafka_metadata_response_partition_init(p);
    p->partition_index = index;
    p->leader_id = shown_leader(w, place->group_id, &term);
    p->leader_epoch = p->leader_id < 0 ? -1 : place->epoch_base + (int32_t)term;
    p->error_code = p->leader_id < 0 ? KAFKA_ERROR_LEADER_NOT_AVAILABLE : KAFKA_ERROR_NONE;
    fill_replicas(w, place->group_id, p);
}

static struct kafka_metadata_response_topic *next_topic(struct metadata_work *w)
{
    if (w->response.topics == NULL || w->response.topics_count == w->room) {
        w->is_short = true;
        return NULL;
    }
    struct kafka_metadata_response_topic *into = &w->response.topics[w->response.topics_count++];
    kafka_metadata_response_topic_init(into);
    const struct kafka_metadata_request *message = w->list.request->message;
    into->topic_authorized_operations = message->include_topic_authorized_operations
                                            ? OPERATIONS_ON_TOPIC
                                            : OPERATIONS_NOT_ASKED;
    return into;
}

static void fill_topic(void *data, const struct metadata_topic *t)
{
    struct metadata_work *w = data;
    struct kafka_metadata_response_topic *into = next_topic(w);
    if (into == NULL)
        return;
    into->name = text_copy(w->list.request, t->name);
    memcpy(into->topic_id.bytes, t->id, sizeof t->id);
    into->is_internal = t->is_internal || site_is_canarys(t->name, strlen(t->name));
    into->partitions = request_array(w->list.request, (size_t)t->partition_count,
                                     sizeof *into->partitions);
    if (into->partitions == NULL) {
        w->is_short = true;
        return;
    }
    into->partitions_count = t->partition_count;
    for (int32_t i = 0; i < t->partition_count; i++)
        fill_partition(w, &t->partitions[i], i, &into->partitions[i]);
}

/* Who asks for all topics is not told of the canary's: a consumer of all that there is would read
 * it. */
static void fill_users_topic(void *data, const struct metadata_topic *t)
{
    if (!site_is_canarys(t->name, strlen(t->name)))
        fill_topic(data, t);
}

static bool is_by_id(const struct kafka_metadata_request_topic *asked)
{
    static const uint8_t no_id[16];
    return memcmp(asked->topic_id.bytes, no_id, sizeof no_id) != 0;
}

static const struct metadata_topic *find(const struct metadata *m,
                                         const struct kafka_metadata_request_topic *asked)
{
    if (is_by_id(asked))
        return metadata_topic_by_id(m, asked->topic_id.bytes);
    if (kafka_string_is_null(asked->name))
        return NULL;
    return metadata_topic_by_name(m, asked->name.data, (size_t)asked->name.size);
}

static int16_t error_of_unknown(const struct request *r,
                                const struct kafka_metadata_request_topic *asked)
{
    if (is_by_id(asked) && r->header.api_version >= VERSION_BY_ID)
        return KAFKA_ERROR_UNKNOWN_TOPIC_ID;
    if (is_by_id(asked) || kafka_string_is_null(asked->name))
        return KAFKA_ERROR_INVALID_REQUEST;
    return text_is_topic_name(asked->name) ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                                           : KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
}

static void fill_unknown(struct metadata_work *w, const struct kafka_metadata_request_topic *asked)
{
    struct request *r = w->list.request;
    struct kafka_metadata_response_topic *into = next_topic(w);
    if (into == NULL)
        return;
    into->topic_id = asked->topic_id;
    into->error_code = error_of_unknown(r, asked);
    if (into->error_code == KAFKA_ERROR_UNKNOWN_TOPIC_ID)
        into->name = KAFKA_STRING_NULL;
    else
        into->name = kafka_string_is_null(asked->name) ? kafka_string_of("") : asked->name;
}

/* ---- the request ---- */

static bool wants_all(const struct request *r)
{
    const struct kafka_metadata_request *message = r->message;
    return message->topics_count < 0 || (message->topics_count == 0 && r->header.api_version == 0);
}

static void fill(struct metadata_work *w)
{
    struct request *r = w->list.request;
    const struct kafka_metadata_request *message = r->message;
    struct metadata *m = r->broker->metadata;
    kafka_metadata_response_init(&w->response);
    w->response.cluster_authorized_operations = message->include_cluster_authorized_operations
                                                    ? OPERATIONS_ON_CLUSTER
                                                    : OPERATIONS_NOT_ASKED;
    w->response.cluster_id = text_cluster_id(r);
    metadata_read_lock(m);
    fill_brokers(w);
    w->room = wants_all(r) ? (int32_t)metadata_topic_count(m) : message->topics_count;
    w->response.topics = request_array(r, (size_t)w->room, sizeof *w->response.topics);
    w->response.controller_id = shown_leader(w, 0, NULL);
    if (wants_all(r))
        metadata_each_topic(m, fill_users_topic, w);
    for (int32_t i = 0; !wants_all(r) && i < message->topics_count; i++) {
        const struct metadata_topic *t = find(m, &message->topics[i]);
        if (t != NULL && (!is_by_id(&message->topics[i]) || r->header.api_version >= VERSION_BY_ID))
            fill_topic(w, t);
        else
            fill_unknown(w, &message->topics[i]);
    }
    metadata_read_unlock(m);
}

/* ---- elections ---- */

static bool is_topic_electing(const struct request *r, const struct metadata_topic *t)
{
    for (int32_t i = 0; t != NULL && i < t->partition_count; i++)
        if (broker_group_is_electing(r->broker, t->partitions[i].group_id))
            return true;
    return false;
}

static bool is_any_electing(const struct request *r)
{
    const struct kafka_metadata_request *message = r->message;
    const struct metadata *m = r->broker->metadata;
    bool is_any = false;
    for (uint32_t id = 0; wants_all(r) && !is_any && id < r->broker->group_count; id++)
        is_any = broker_group_is_electing(r->broker, id);
    metadata_read_lock(r->broker->metadata);
    for (int32_t i = 0; !wants_all(r) && !is_any && i < message->topics_count; i++)
        is_any = is_topic_electing(r, find(m, &message->topics[i]));
    metadata_read_unlock(r->broker->metadata);
    return is_any;
}

static void answer(struct change_list *list)
{
    struct metadata_work *w = list->response;
    fill(w);
    if (w->is_short)
        request_close_connection(list->request, "its answer needs too much memory");
    else
        request_answer(list->request, &w->response);
}

static void answer_when_elected(struct change_list *list);

static void on_pause_over(struct request_deadline *pause)
{
    answer_when_elected(pause->data);
}

/* A client that has just lost its leader asks at once, before there is another. "Nobody leads"
 * would send it into its own pause, of a second in librdkafka; an election takes a tenth of that.
 */
static void answer_when_elected(struct change_list *list)
{
    struct metadata_work *w = list->response;
    struct request *r = list->request;
    if (!is_any_electing(r)) {
        answer(list);
        return;
    }
    w->pause.data = list;
    request_deadline_start(r, &w->pause, clock_now_ms(&r->broker->clock) + BROKER_ELECTION_PAUSE_MS,
                           on_pause_over);
}

static bool should_create(struct request *r, const struct kafka_metadata_request_topic *asked)
{
    if (is_by_id(asked) || !text_is_topic_name(asked->name))
        return false;
    metadata_read_lock(r->broker->metadata);
    bool is_known = find(r->broker->metadata, asked) != NULL;
    metadata_read_unlock(r->broker->metadata);
    return !is_known;
}

/* A failure shows as an unknown topic in the answer; clients ask again. */
static void create(struct metadata_work *w, const struct kafka_metadata_request_topic *asked)
{
    struct request *r = w->list.request;
    struct change_item *item = request_allocate(r, sizeof *item);
    struct random random;
    struct metadata_change change = {
        .kind = METADATA_TOPIC_CREATE,
        .name = text_terminated(r, asked->name),
        .partition_count = (int32_t)r->broker->conf.num_partitions,
        .replication_factor = (int16_t)r->broker->conf.default_replication_factor,
        .is_internal = kafka_string_is_text(asked->name, OFFSETS_TOPIC),
    };
    if (change.is_internal)
        change.partition_count = (int32_t)r->broker->conf.offsets_topic_num_partitions;
    if (change.is_internal)
        group_place_configure(&change);
    if (item == NULL || change.name == NULL)
        return;
    random_init_system(&random);
    for (int i = 0; i < 2; i++) {
        uint64_t half = random_u64(&random);
        memcpy(change.id + 8 * i, &half, sizeof half);
    }
    change_list_send(&w->list, item, &change, AUTO_CREATE_TIMEOUT_MS, NULL);
}

/* Answers get their memory from the request's arena, whose limit goes by the request's size; a
 * full listing is small as a request and large as an answer. */
static void raise_arena_limit(struct request *r)
{
    struct metadata *m = r->broker->metadata;
    metadata_read_lock(m);
    size_t topics = metadata_topic_count(m);
    size_t partitions = 0;
    for (unsigned i = 0; i < metadata_group_count(m); i++)
        partitions += metadata_group_at(m, i)->partition_count;
    metadata_read_unlock(m);
    r->arena.limit_bytes += topics * (METADATA_TOPIC_NAME_MAX + 128) + partitions * 384;
}

void request_handle_metadata(struct request *r)
{
    const struct kafka_metadata_request *message = r->message;
    struct metadata_work *w = request_allocate(r, sizeof *w);
    if (w == NULL) {
        request_close_connection(r, "out of memory");
        return;
    }
    raise_arena_limit(r);
    change_list_begin(&w->list, r, w, answer_when_elected);
    bool may_create = r->broker->conf.auto_create_topics_enable &&
                      (message->allow_auto_topic_creation || r->header.api_version < 4);
    for (int32_t i = 0; may_create && i < message->topics_count; i++)
        if (should_create(r, &message->topics[i]))
            create(w, &message->topics[i]);
    change_list_end(&w->list);
}
