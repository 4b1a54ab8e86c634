/* Answers that refuse a request as a whole, in each API's own shape: what it names is answered with
 * the error, each by each, as a node would. */
#include "dc-router/policy_report.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "router/permit.h"

#define RESOURCE_TOPIC           2
#define RESOURCE_BROKER          4
#define RESOURCE_GROUP           32
#define DELETE_TOPICS_BY_ID      6
#define OFFSET_FETCH_WITH_ERROR  2
#define OFFSET_FETCH_WITH_GROUPS 8

static void fail(struct client_request *r)
{
    client_request_end_client(r, "its answer needs too much memory");
}

/* Answers with as many `list` entries as the request has in `from`; in `fill`, `item` is one of the
 * request and `into` its answer. */
#define ANSWER_LIST(r, api, from, entry, list, fill)                                               \
    do {                                                                                           \
        const struct kafka_##api##_request *asked = (r)->message;                                  \
        struct kafka_##api##_response response;                                                    \
        kafka_##api##_response_init(&response);                                                    \
        response.list = client_request_allocate((r), ((size_t)asked->from##_count + 1) *           \
                                                         sizeof *response.list);                   \
        if (response.list == NULL) {                                                               \
            fail(r);                                                                               \
            return;                                                                                \
        }                                                                                          \
        for (int32_t i = 0; i < asked->from##_count; i++) {                                        \
            struct kafka_##api##_response_##entry *into = &response.list[i];                       \
            kafka_##api##_response_##entry##_init(into);                                           \
            into->error_code = error_code;                                                         \
            fill;                                                                                  \
        }                                                                                          \
        response.list##_count = asked->from##_count;                                               \
        client_request_answer((r), &response);                                                     \
    } while (0)

#define ANSWER_ERROR(r, api)                                                                       \
    do {                                                                                           \
        struct kafka_##api##_response response;                                                    \
        kafka_##api##_response_init(&response);                                                    \
        response.error_code = error_code;                                                          \
        client_request_answer((r), &response);                                                     \
    } while (0)

/* Answers with an error for each partition of each topic in the request; `index` is that of the one
 * at `p` of `topic`'s list `from`. `response` is begun by the caller. */
#define ANSWER_PARTITIONS(r, response, api, from, index)                                           \
    do {                                                                                           \
        const struct kafka_##api##_request *asked = (r)->message;                                  \
        int32_t count = asked->topics_count > 0 ? asked->topics_count : 0;                         \
        (response).topics = client_request_allocate((r), ((size_t)count + 1) *                     \
                                                             sizeof *(response).topics);           \
        bool is_whole = (response).topics != NULL;                                                 \
        for (int32_t t = 0; is_whole && t < count; t++) {                                          \
            const struct kafka_##api##_request_topic *topic = &asked->topics[t];                   \
            struct kafka_##api##_response_topic *into = &(response).topics[t];                     \
            kafka_##api##_response_topic_init(into);                                               \
            into->name = topic->name;                                                              \
            into->partitions_count = topic->from##_count;                                          \
            into->partitions = client_request_allocate((r), ((size_t)topic->from##_count + 1) *    \
                                                                sizeof *into->partitions);         \
            is_whole = into->partitions != NULL;                                                   \
            for (int32_t p = 0; is_whole && p < topic->from##_count; p++) {                        \
                kafka_##api##_response_partition_init(&into->partitions[p]);                       \
                into->partitions[p].partition_index = (index);                                     \
                into->partitions[p].error_code = error_code;                                       \
            }                                                                                      \
        }                                                                                          \
        (response).topics_count = count;                                                           \
        if (is_whole)                                                                              \
            client_request_answer((r), &(response));                                               \
        else                                                                                       \
            fail(r);                                                                               \
    } while (0)

/* ---- topics and configs ---- */

static void refuse_create_topics(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, create_topics, topics, topic, topics, into->name = asked->topics[i].name);
}

static void refuse_delete_topics(struct client_request *r, int16_t error_code)
{
    if (r->header.api_version < DELETE_TOPICS_BY_ID)
        ANSWER_LIST(r, delete_topics, topic_names, topic, topics,
                    into->name = asked->topic_names[i]);
    else
        ANSWER_LIST(
            r, delete_topics, topics, topic, topics,
            (into->name = asked->topics[i].name, into->topic_id = asked->topics[i].topic_id));
}

static void refuse_create_partitions(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, create_partitions, topics, topic, topics, into->name = asked->topics[i].name);
}

static void refuse_describe_configs(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, describe_configs, resources, resource, resources,
                (into->resource_type = asked->resources[i].resource_type,
                 into->resource_name = asked->resources[i].resource_name));
}

static void refuse_alter_configs(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, alter_configs, resources, resource, resources,
                (into->resource_type = asked->resources[i].resource_type,
                 into->resource_name = asked->resources[i].resource_name));
}

static void refuse_incremental(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, incremental_alter_configs, resources, resource, resources,
                (into->resource_type = asked->resources[i].resource_type,
                 into->resource_name = asked->resources[i].resource_name));
}

/* Before there was an error for all, each partition had one. */
static void refuse_elect_leaders(struct client_request *r, int16_t error_code)
{
    struct kafka_elect_leaders_response response;
    kafka_elect_leaders_response_init(&response);
    response.error_code = error_code;
    ANSWER_PARTITIONS(r, response, elect_leaders, partitions, topic->partitions[p]);
}

/* ---- groups ---- */

static void refuse_commit(struct client_request *r, int16_t error_code)
{
    struct kafka_offset_commit_response response;
    kafka_offset_commit_response_init(&response);
    ANSWER_PARTITIONS(r, response, offset_commit, partitions, topic->partitions[p].partition_index);
}

/* Before there was an error for all, each partition had one. */
static void refuse_old_offset_fetch(struct client_request *r, int16_t error_code)
{
    struct kafka_offset_fetch_response response;
    kafka_offset_fetch_response_init(&response);
    ANSWER_PARTITIONS(r, response, offset_fetch, partition_indexes, topic->partition_indexes[p]);
}

static void refuse_offset_fetch(struct client_request *r, int16_t error_code)
{
    if (r->header.api_version < OFFSET_FETCH_WITH_ERROR)
        refuse_old_offset_fetch(r, error_code);
    else if (r->header.api_version < OFFSET_FETCH_WITH_GROUPS)
        ANSWER_ERROR(r, offset_fetch);
    else
        ANSWER_LIST(r, offset_fetch, groups, group, groups,
                    into->group_id = asked->groups[i].group_id);
}

static void refuse_describe_groups(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, describe_groups, groups, group, groups, into->group_id = asked->groups[i]);
}

static void refuse_delete_groups(struct client_request *r, int16_t error_code)
{
    ANSWER_LIST(r, delete_groups, group_names, group, groups,
                into->group_id = asked->group_names[i]);
}

/* ---- those with one error ---- */

#define REFUSE_ONE(api)                                                                            \
    static void refuse_##api(struct client_request *r, int16_t error_code)                         \
    {                                                                                              \
        ANSWER_ERROR(r, api);                                                                      \
    }
REFUSE_ONE(init_producer_id)
REFUSE_ONE(describe_log_dirs)
REFUSE_ONE(list_partition_reassignments)
REFUSE_ONE(list_groups)
REFUSE_ONE(join_group)
REFUSE_ONE(sync_group)
REFUSE_ONE(heartbeat)
REFUSE_ONE(leave_group)
REFUSE_ONE(offset_delete)

/* ---- all ---- */

static const struct {
    int16_t key;
    void (*refuse)(struct client_request *r, int16_t error_code);
} refusals[] = {
    {KAFKA_API_OFFSET_COMMIT, refuse_commit},
    {KAFKA_API_OFFSET_FETCH, refuse_offset_fetch},
    {KAFKA_API_JOIN_GROUP, refuse_join_group},
    {KAFKA_API_HEARTBEAT, refuse_heartbeat},
    {KAFKA_API_LEAVE_GROUP, refuse_leave_group},
    {KAFKA_API_SYNC_GROUP, refuse_sync_group},
    {KAFKA_API_DESCRIBE_GROUPS, refuse_describe_groups},
    {KAFKA_API_LIST_GROUPS, refuse_list_groups},
    {KAFKA_API_CREATE_TOPICS, refuse_create_topics},
    {KAFKA_API_DELETE_TOPICS, refuse_delete_topics},
    {KAFKA_API_INIT_PRODUCER_ID, refuse_init_producer_id},
    {KAFKA_API_DESCRIBE_CONFIGS, refuse_describe_configs},
    {KAFKA_API_ALTER_CONFIGS, refuse_alter_configs},
    {KAFKA_API_DESCRIBE_LOG_DIRS, refuse_describe_log_dirs},
    {KAFKA_API_CREATE_PARTITIONS, refuse_create_partitions},
    {KAFKA_API_DELETE_GROUPS, refuse_delete_groups},
    {KAFKA_API_ELECT_LEADERS, refuse_elect_leaders},
    {KAFKA_API_INCREMENTAL_ALTER_CONFIGS, refuse_incremental},
    {KAFKA_API_LIST_PARTITION_REASSIGNMENTS, refuse_list_partition_reassignments},
    {KAFKA_API_OFFSET_DELETE, refuse_offset_delete},
};

void refuse_request(struct client_request *r, int16_t error_code)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].key == r->header.api->key) {
            refusals[i].refuse(r, error_code);
            return;
        }
    client_request_end_client(r, "it is not allowed");
}

/* ---- what goes to any node ---- */

/* The error for the first of its topics that is refused, or none: one refuses all of them. */
static int16_t trouble_with_topics(struct client_request *r)
{
    const struct kafka_create_topics_request *create = r->message;
    const struct kafka_delete_topics_request *delete = r->message;
    const struct kafka_create_partitions_request *partitions = r->message;
    const struct kafka_elect_leaders_request *elect = r->message;
    bool may = true;
    switch (r->header.api->key) {
    case KAFKA_API_CREATE_TOPICS:
        for (int32_t i = 0; may && i < create->topics_count; i++)
            may = permit_topic(r, create->topics[i].name);
        break;
    case KAFKA_API_DELETE_TOPICS:
        for (int32_t i = 0; may && i < delete->topics_count; i++)
            may = permit_topic(r, delete->topics[i].name);
        for (int32_t i = 0; may && i < delete->topic_names_count; i++)
            may = permit_topic(r, delete->topic_names[i]);
        break;
    case KAFKA_API_CREATE_PARTITIONS:
        for (int32_t i = 0; may && i < partitions->topics_count; i++)
            may = permit_topic(r, partitions->topics[i].name);
        break;
    case KAFKA_API_ELECT_LEADERS: /* null: those of all, which is no topic's own */
        for (int32_t i = 0; may && i < elect->topics_count; i++)
            may = permit_topic(r, elect->topics[i].name);
        break;
    default:
        break;
    }
    return may ? KAFKA_ERROR_NONE : KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

static int16_t trouble_with_resource(struct client_request *r, int8_t type,
                                     struct kafka_string name)
{
    if (type == RESOURCE_TOPIC && !permit_topic(r, name))
        return KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED;
    if (type == RESOURCE_GROUP && !permit_group(r, name))
        return KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED;
    return KAFKA_ERROR_NONE;
}

#define TROUBLE_WITH_RESOURCES(api, error_code)                                                    \
    for (int32_t i = 0; (error_code) == KAFKA_ERROR_NONE && i < (api)->resources_count; i++)       \
        (error_code) = trouble_with_resource(r, (api)->resources[i].resource_type,                 \
                                             (api)->resources[i].resource_name);

static int16_t trouble_with_configs(struct client_request *r)
{
    const struct kafka_describe_configs_request *describe = r->message;
    const struct kafka_alter_configs_request *alter = r->message;
    const struct kafka_incremental_alter_configs_request *incremental = r->message;
    int16_t key = r->header.api->key, error_code = KAFKA_ERROR_NONE;
    if (key == KAFKA_API_DESCRIBE_CONFIGS)
        TROUBLE_WITH_RESOURCES(describe, error_code)
    else if (key == KAFKA_API_ALTER_CONFIGS)
        TROUBLE_WITH_RESOURCES(alter, error_code)
    else if (key == KAFKA_API_INCREMENTAL_ALTER_CONFIGS)
        TROUBLE_WITH_RESOURCES(incremental, error_code)
    return error_code;
}

/* What a client found of the sites, as libtrilog tells it: that changes nothing. */
static bool is_site_report(const struct client_request *r)
{
    const struct kafka_incremental_alter_configs_request *m = r->message;
    return r->header.api->key == KAFKA_API_INCREMENTAL_ALTER_CONFIGS && m->resources_count == 1 &&
           m->resources[0].resource_type == RESOURCE_BROKER && m->resources[0].configs_count == 1 &&
           kafka_string_is_text(m->resources[0].configs[0].name, ROUTER_REPORT_CONFIG);
}

static bool is_change(const struct client_request *r)
{
    int16_t key = r->header.api->key;
    if (is_site_report(r))
        return false;
    return key == KAFKA_API_CREATE_TOPICS || key == KAFKA_API_DELETE_TOPICS ||
           key == KAFKA_API_CREATE_PARTITIONS || key == KAFKA_API_ALTER_CONFIGS ||
           key == KAFKA_API_INCREMENTAL_ALTER_CONFIGS || key == KAFKA_API_ELECT_LEADERS;
}

bool refuse_anywhere(struct client_request *r)
{
    bool may = is_change(r) ? permit_admin(r) : permit_any(r);
    int16_t error_code = may ? KAFKA_ERROR_NONE : KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    if (error_code == KAFKA_ERROR_NONE)
        error_code = trouble_with_topics(r);
    if (error_code == KAFKA_ERROR_NONE)
        error_code = trouble_with_configs(r);
    if (error_code != KAFKA_ERROR_NONE)
        refuse_request(r, error_code);
    return error_code != KAFKA_ERROR_NONE;
}
