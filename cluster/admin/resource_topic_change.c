/* POST /v1/topics/create, …/delete, …/config: planned, or done.
 *
 * The node asks itself what Kafka's tools would ask it (CreateTopics, DeleteTopics,
 * IncrementalAlterConfigs): so names, limits and configs are checked in one place, and a plan of
 * the first and the last is their own "validate only". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "admin/ask.h"
#include "admin/route.h"
#include "base/err.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "topic_config.h"

#define CREATE_VERSION   7
#define DELETE_VERSION   5
#define CONFIG_VERSION   1
#define RESOURCE_TOPIC   2
#define OPERATION_SET    0
#define OPERATION_DELETE 1
#define GROUP_0_MS_MAX   10000 /* for its word */
#define PARTITIONS_LIMIT 1000000

struct topic_change {
    struct admin_call *call;
    bool is_plan;
    const char *topic; /* borrowed from the call's body */
    json_t *answer;    /* owned */
};

/* ---- the body and the answer ---- */

static void free_change(struct topic_change *c)
{
    json_decref(c->answer);
    free(c);
}

static void on_abandoned(struct admin_call *call)
{
    ask_cancel(call->admin, call->data);
    free_change(call->data);
}

/* NULL when the call was refused. */
static struct topic_change *begin(struct admin_call *call, const char *const *allowed, size_t count)
{
    bool is_plan = false;
    const char *topic;
    if (!call_allows_fields(call, allowed, count) || !call_field_text(call, "topic", &topic) ||
        !call_field_flag(call, "plan", &is_plan))
        return NULL;
    struct topic_change *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->call = call;
        c->is_plan = is_plan;
        c->topic = topic;
        c->answer = json_pack("{s:b, s:s}", "begun", is_plan ? 0 : 1, "topic", topic);
    }
    if (c == NULL || c->answer == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        free(c);
        return NULL;
    }
    call->data = c;
    call->on_abandoned = on_abandoned;
    return c;
}

static void finish(struct topic_change *c, int16_t error_code, struct kafka_string text)
{
    char message[400] = "";
    if (text.size > 0)
        snprintf(message, sizeof message, "%.*s", (int)text.size, text.data);
    if (error_code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION)
        call_refuse(c->call, MHD_HTTP_NOT_FOUND, "not_found", "there is no topic '%.249s'",
                    c->topic);
    else if (error_code != KAFKA_ERROR_NONE)
        call_refuse_kafka(c->call, error_code, message);
    else
        call_answer_json(c->call, MHD_HTTP_OK, json_incref(c->answer));
    free_change(c);
}

/* False, and refused, when there is no sound answer. */
static bool is_answered(struct topic_change *c, int status, bool has_result)
{
    if (status == 0 && has_result)
        return true;
    if (status == ERR_CLOSED)
        call_refuse(c->call, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                    "this node takes no client's connection now; nothing was done");
    else
        call_refuse_err(c->call, ERR_TIMEOUT, "group 0 gave no answer in time");
    free_change(c);
    return false;
}

static void ask_own(struct topic_change *c, enum kafka_api_key api, int16_t version,
                    const void *message, ask_cb cb)
{
    struct admin_call *call = c->call;
    struct ask_question question = {.node_id = (uint32_t)call->broker->conf.node_id,
                                    .api = api,
                                    .version = version,
                                    .message = message,
                                    .client_id = "trilog-admin",
                                    .timeout_ms = ASK_CHANGE_MS_MAX,
                                    .owner = c};
    int err = ask_send(call->admin, call->broker, &question, cb, c);
    if (err == 0)
        return;
    call_refuse_err(call, err, ask_trouble(err));
    free_change(c);
}

static bool refuse_field(struct admin_call *call, const char *what)
{
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "%s", what);
    return false;
}

/* ---- create ---- */

static void on_created(void *data, int status, const void *answer)
{
    struct topic_change *c = data;
    const struct kafka_create_topics_response *response = answer;
    if (!is_answered(c, status, status == 0 && response->topics_count == 1))
        return;
    const struct kafka_create_topics_response_topic *t = &response->topics[0];
    json_object_set_new(c->answer, "partitions", json_integer(t->num_partitions));
    json_object_set_new(c->answer, "replication_factor", json_integer(t->replication_factor));
    finish(c, t->error_code, t->error_message);
}

static bool optional_number(struct admin_call *call, const char *name, int64_t most, int64_t *value)
{
    return json_object_get(call->json, name) == NULL ||
           call_field_number(call, name, 1, most, value);
}

/* Names and values of an object of texts; as many as it has, but no more than `room`. */
static bool read_texts(struct admin_call *call, const char *field, struct kafka_string *names,
                       struct kafka_string *values, int32_t room, int32_t *count)
{
    json_t *object = json_object_get(call->json, field), *value;
    const char *name;
    if (object != NULL && !json_is_object(object))
        return refuse_field(call, "'configs' and 'set' must be objects of names and texts");
    json_object_foreach(object, name, value)
    {
        if (!json_is_string(value))
            return refuse_field(call, "a config's value must be text, also where it is a number");
        if (*count == room)
            return refuse_field(call, "a topic has at most 64 configs");
        names[*count] = kafka_string_of(name);
        values[(*count)++] = kafka_string_of(json_string_value(value));
    }
    return true;
}

static bool read_creation(struct admin_call *call, struct kafka_create_topics_request_topic *t)
{
    struct kafka_string names[METADATA_CONFIGS_MAX], values[METADATA_CONFIGS_MAX];
    int64_t partitions = -1, replicas = -1;
    int32_t count = 0;
    if (!optional_number(call, "partitions", PARTITIONS_LIMIT, &partitions) ||
        !optional_number(call, "replication_factor", INT16_MAX, &replicas) ||
        !read_texts(call, "configs", names, values, METADATA_CONFIGS_MAX, &count))
        return false;
    t->num_partitions = (int32_t)partitions;
    t->replication_factor = (int16_t)replicas;
    t->configs_count = count;
    for (int32_t i = 0; i < count; i++) {
        t->configs[i].name = names[i];
        t->configs[i].value = values[i];
    }
    return true;
}

void resource_topic_create(struct admin_call *call)
{
    static const char *const allowed[] = {"topic", "partitions", "replication_factor", "configs",
                                          "plan"};
    struct kafka_create_topics_request_config configs[METADATA_CONFIGS_MAX] = {0};
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request message;
    struct topic_change *c = begin(call, allowed, 5);
    if (c == NULL)
        return;
    kafka_create_topics_request_init(&message);
    kafka_create_topics_request_topic_init(&topic);
    topic.name = kafka_string_of(c->topic);
    topic.configs = configs;
    if (!read_creation(call, &topic)) {
        free_change(c);
        return;
    }
    message.topics = &topic;
    message.topics_count = 1;
    message.timeout_ms = GROUP_0_MS_MAX;
    message.validate_only = c->is_plan;
    ask_own(c, KAFKA_API_CREATE_TOPICS, CREATE_VERSION, &message, on_created);
}

/* ---- delete ---- */

static void on_deleted(void *data, int status, const void *answer)
{
    struct topic_change *c = data;
    const struct kafka_delete_topics_response *response = answer;
    if (is_answered(c, status, status == 0 && response->topics_count == 1))
        finish(c, response->topics[0].error_code, response->topics[0].error_message);
}

/* What the node would refuse, for plans; *partitions go with the topic. */
static int16_t check_deletion(struct broker *b, const char *topic, int32_t *partitions)
{
    int16_t error_code = KAFKA_ERROR_NONE;
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = metadata_topic_by_name(b->metadata, topic, strlen(topic));
    *partitions = t == NULL ? 0 : t->partition_count;
    if (t == NULL)
        error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (t->is_internal)
        error_code = KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    metadata_read_unlock(b->metadata);
    return error_code;
}

void resource_topic_delete(struct admin_call *call)
{
    static const char *const allowed[] = {"topic", "plan"};
    struct kafka_delete_topics_request message;
    struct topic_change *c = begin(call, allowed, 2);
    if (c == NULL)
        return;
    struct kafka_string name = kafka_string_of(c->topic);
    int32_t count;
    int16_t error_code = check_deletion(call->broker, c->topic, &count);
    json_object_set_new(c->answer, "partitions", json_integer(count));
    if (error_code != KAFKA_ERROR_NONE || c->is_plan) {
        finish(c, error_code, kafka_string_of("an internal topic can't be deleted"));
        return;
    }
    kafka_delete_topics_request_init(&message);
    message.topic_names = &name;
    message.topic_names_count = 1;
    message.timeout_ms = GROUP_0_MS_MAX;
    ask_own(c, KAFKA_API_DELETE_TOPICS, DELETE_VERSION, &message, on_deleted);
}

/* ---- config ---- */

static void on_altered(void *data, int status, const void *answer)
{
    struct topic_change *c = data;
    const struct kafka_incremental_alter_configs_response *response = answer;
    if (is_answered(c, status, status == 0 && response->resources_count == 1))
        finish(c, response->resources[0].error_code, response->resources[0].error_message);
}

static bool read_removed(struct admin_call *call, struct kafka_string *names, int32_t room,
                         int32_t *count)
{
    json_t *list = json_object_get(call->json, "remove"), *name;
    size_t position;
    if (list != NULL && !json_is_array(list))
        return refuse_field(call, "'remove' must be a list of names of configs");
    json_array_foreach(list, position, name)
    {
        if (!json_is_string(name) || json_string_length(name) == 0)
            return refuse_field(call, "'remove' must be a list of names of configs");
        if (*count == room)
            return refuse_field(call, "a topic has at most 64 configs");
        names[(*count)++] = kafka_string_of(json_string_value(name));
    }
    return true;
}

/* What is in effect now, and would be. `value` NULL: what the topic then inherits. */
static json_t *change_json(struct broker *b, const char *topic, const char *name, const char *value)
{
    char inherited[64] = "";
    topic_config_default_of(name, &b->conf, inherited, sizeof inherited);
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = metadata_topic_by_name(b->metadata, topic, strlen(topic));
    const char *override = t == NULL ? NULL : metadata_topic_config(t, name);
    json_t *json = json_pack("{s:s, s:s, s:s}", "name", name, "old",
                             override != NULL ? override : inherited, "new",
                             value != NULL ? value : inherited);
    metadata_read_unlock(b->metadata);
    return json;
}

static bool read_changes(struct topic_change *c,
                         struct kafka_incremental_alter_configs_request_resource *resource)
{
    struct kafka_string names[2 * METADATA_CONFIGS_MAX], values[2 * METADATA_CONFIGS_MAX];
    int32_t set_count = 0;
    if (!read_texts(c->call, "set", names, values, METADATA_CONFIGS_MAX, &set_count))
        return false;
    int32_t count = set_count;
    if (!read_removed(c->call, names, 2 * METADATA_CONFIGS_MAX, &count))
        return false;
    if (count == 0)
        return refuse_field(c->call, "'set' or 'remove' must name a config");
    json_t *changes = json_array();
    for (int32_t i = 0; i < count; i++) {
        struct kafka_incremental_alter_configs_request_config *config = &resource->configs[i];
        bool is_set = i < set_count;
        config->name = names[i];
        config->config_operation = is_set ? OPERATION_SET : OPERATION_DELETE;
        config->value = is_set ? values[i] : KAFKA_STRING_NULL;
        json_array_append_new(changes, change_json(c->call->broker, c->topic, names[i].data,
                                                   is_set ? values[i].data : NULL));
    }
    resource->configs_count = count;
    json_object_set_new(c->answer, "changes", changes);
    return true;
}

void resource_topic_config(struct admin_call *call)
{
    static const char *const allowed[] = {"topic", "set", "remove", "plan"};
    struct kafka_incremental_alter_configs_request_config configs[2 * METADATA_CONFIGS_MAX] = {0};
    struct kafka_incremental_alter_configs_request_resource resource;
    struct kafka_incremental_alter_configs_request message;
    struct topic_change *c = begin(call, allowed, 4);
    if (c == NULL)
        return;
    kafka_incremental_alter_configs_request_init(&message);
    kafka_incremental_alter_configs_request_resource_init(&resource);
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = kafka_string_of(c->topic);
    resource.configs = configs;
    if (!read_changes(c, &resource)) {
        free_change(c);
        return;
    }
    message.resources = &resource;
    message.resources_count = 1;
    message.validate_only = c->is_plan;
    ask_own(c, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, CONFIG_VERSION, &message, on_altered);
}
