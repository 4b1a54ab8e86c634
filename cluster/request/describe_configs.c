/* DescribeConfigs: a topic's configs in effect and where they come from; of this broker, its
 * settings, read-only: they are in its file; of a consumer group, its policy (group_configs.c).
 *
 * As a config of any broker every node answers what the cluster has agreed on sites
 * (trilog.site.verdict), and which cluster that is (trilog.cluster.id): so routers and clients can
 * ask with what Kafka's clients have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dc-router/policy_report.h"
#include "error_code.h"
#include "request/group_configs.h"
#include "request/text.h"
#include "topic_config.h"

#define RESOURCE_TOPIC  2
#define RESOURCE_BROKER 4
#define RESOURCE_GROUP  32
#define SOURCE_TOPIC    1 /* an override of the topic */
#define SOURCE_STATIC   4 /* the node's configuration */
#define SOURCE_DEFAULT  5 /* of this release */
#define VALUE_SIZE      64

/* Kafka's numbers for types of configs (KIP-569). */
static int8_t type_code(enum topic_config_type type)
{
    static const int8_t codes[] = {
        [TOPIC_CONFIG_BOOLEAN] = 1, [TOPIC_CONFIG_STRING] = 2, [TOPIC_CONFIG_INT] = 3,
        [TOPIC_CONFIG_LONG] = 5,    [TOPIC_CONFIG_DOUBLE] = 6, [TOPIC_CONFIG_LIST] = 7,
    };
    return codes[type];
}

static bool is_wanted(const struct kafka_describe_configs_request_resource *resource,
                      const char *name)
{
    if (resource->configuration_keys_count <= 0)
        return true; /* null, and as Kafka does it none, mean all */
    for (int32_t i = 0; i < resource->configuration_keys_count; i++)
        if (kafka_string_is_text(resource->configuration_keys[i], name))
            return true;
    return false;
}

static void add_synonym(struct request *r, struct kafka_describe_configs_response_config *config,
                        struct kafka_string name, const char *value, int8_t source)
{
    struct kafka_describe_configs_response_synonym *synonym =
        &config->synonyms[config->synonyms_count++];
    kafka_describe_configs_response_synonym_init(synonym);
    synonym->name = name;
    synonym->value = text_copy(r, value);
    synonym->source = source;
}

static void fill_config(struct request *r, unsigned position, const char *override,
                        struct kafka_describe_configs_response_config *config)
{
    const struct kafka_describe_configs_request *message = r->message;
    const struct topic_config_row *row = topic_config_at(position);
    char inherited[VALUE_SIZE];
    topic_config_default(position, &r->broker->conf, inherited, sizeof inherited);
    kafka_describe_configs_response_config_init(config);
    config->name = text_copy(r, row->name);
    config->value = text_copy(r, override != NULL ? override : inherited);
    int8_t inherited_from = topic_config_is_set(position, &r->broker->conf) ? SOURCE_STATIC
                                                                            : SOURCE_DEFAULT;
    config->config_source = override != NULL ? SOURCE_TOPIC : inherited_from;
    config->config_type = type_code(row->type);
    if (message->include_documentation)
        config->documentation = text_copy(r, row->documentation);
    config->synonyms = request_array(r, 2, sizeof *config->synonyms);
    if (!message->include_synonyms || config->synonyms == NULL)
        return;
    if (override != NULL)
        add_synonym(r, config, config->name, override, SOURCE_TOPIC);
    add_synonym(r, config, text_copy(r, row->broker_name), inherited, inherited_from);
}

static void fill_configs(struct request *r,
                         const struct kafka_describe_configs_request_resource *from,
                         const struct metadata_topic *topic,
                         struct kafka_describe_configs_response_resource *into)
{
    into->configs = request_array(r, topic_config_count(), sizeof *into->configs);
    for (unsigned i = 0; i < topic_config_count() && into->configs != NULL; i++) {
        const char *name = topic_config_at(i)->name;
        const char *override = topic == NULL ? NULL : metadata_topic_config(topic, name);
        if (is_wanted(from, name))
            fill_config(r, i, override, &into->configs[into->configs_count++]);
    }
}

static void describe_topic(struct request *r,
                           const struct kafka_describe_configs_request_resource *from,
                           struct kafka_describe_configs_response_resource *into)
{
    struct metadata *m = r->broker->metadata;
    if (!text_is_topic_name(from->resource_name)) {
        into->error_code = KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
        into->error_message = text_copy(r, "The topic's name is not valid.");
        return;
    }
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_name(m, from->resource_name.data,
                                                            (size_t)from->resource_name.size);
    if (t == NULL) {
        into->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        into->error_message = text_copy(r, "The topic does not exist.");
    } else {
        fill_configs(r, from, t, into);
    }
    metadata_read_unlock(m);
}

struct broker_configs {
    struct request *request;
    const struct kafka_describe_configs_request_resource *from;
    struct kafka_describe_configs_response_resource *into;
};

static void add_setting(void *data, const struct conf_description *setting)
{
    static const int8_t types[] = {
        [CONF_KIND_FLAG] = 1, [CONF_KIND_TEXT] = 2, [CONF_KIND_NUMBER] = 5};
    struct broker_configs *b = data;
    const struct kafka_describe_configs_request *message = b->request->message;
    if (!is_wanted(b->from, setting->name))
        return;
    struct kafka_describe_configs_response_config *config =
        &b->into->configs[b->into->configs_count++];
    kafka_describe_configs_response_config_init(config);
    config->name = text_copy(b->request, setting->name);
    config->value = text_copy(b->request, setting->value);
    config->read_only = true;
    config->config_source = setting->is_default ? SOURCE_DEFAULT : SOURCE_STATIC;
    config->config_type = types[setting->kind];
    if (message->include_documentation)
        config->documentation = text_copy(b->request, setting->meaning);
    config->synonyms = request_array(b->request, 1, sizeof *config->synonyms);
    if (message->include_synonyms && config->synonyms != NULL)
        add_synonym(b->request, config, config->name, setting->value, config->config_source);
}

/* As this node knows it: lowercase hex of docs/verdict_format.md; "" while none is agreed. */
static void add_verdict(struct broker_configs *b)
{
    char text[2 * ROUTER_VERDICT_SIZE_MAX + 1] = "";
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    struct metadata *m = b->request->broker->metadata;
    struct conf_description setting = {
        .name = ROUTER_VERDICT_CONFIG,
        .value = text,
        .meaning = "Which sites are to be used, as the cluster has agreed.",
        .kind = CONF_KIND_TEXT};
    metadata_read_lock(m);
    int size = metadata_verdict(m) == NULL
                   ? 0
                   : router_verdict_encode(metadata_verdict(m), bytes, sizeof bytes);
    metadata_read_unlock(m);
    for (int i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    add_setting(b, &setting);
}

/* Whose verdict that is: one that is formed anew counts its verdicts from 1 again. */
static void add_cluster_id(struct broker_configs *b)
{
    char text[ROUTER_CLUSTER_ID_SIZE];
    struct bytes id = kafka_string_bytes(text_cluster_id(b->request));
    snprintf(text, sizeof text, "%.*s", (int)id.size, (const char *)id.data);
    add_setting(b, &(struct conf_description){.name = ROUTER_CLUSTER_CONFIG,
                                              .value = text,
                                              .meaning = "The cluster's id, as Metadata tells it.",
                                              .kind = CONF_KIND_TEXT});
}

static bool is_told_of_all(const struct kafka_describe_configs_request_resource *from)
{
    return from->configuration_keys_count == 1 &&
           (is_wanted(from, ROUTER_VERDICT_CONFIG) || is_wanted(from, ROUTER_CLUSTER_CONFIG));
}

/* Of its settings, too, a node answers for itself only; clients ask each node for its own. */
static void describe_broker(struct request *r,
                            const struct kafka_describe_configs_request_resource *from,
                            struct kafka_describe_configs_response_resource *into)
{
    char own[16];
    snprintf(own, sizeof own, "%lld", (long long)r->broker->conf.node_id);
    if (from->resource_name.size == 0)
        return; /* what was set for all brokers while running: nothing can be */
    bool is_own = kafka_string_is_text(from->resource_name, own);
    if (!is_own && !is_told_of_all(from)) {
        into->error_code = KAFKA_ERROR_INVALID_REQUEST;
        into->error_message = text_copy(r, "A node describes its own settings only.");
        return;
    }
    struct broker_configs b = {.request = r, .from = from, .into = into};
    into->configs = request_array(r, CONF_ID_COUNT + 2, sizeof *into->configs);
    if (into->configs != NULL && is_own)
        conf_describe(&r->broker->conf, add_setting, &b);
    if (into->configs == NULL)
        return;
    add_verdict(&b);
    add_cluster_id(&b);
}

/* ---- all of a request ---- */

struct describe_configs {
    struct request *request;
    unsigned pending; /* groups under way, and one while they are handed out */
    struct kafka_describe_configs_response response;
};

static void one_less(struct describe_configs *d)
{
    if (--d->pending == 0)
        request_answer(d->request, &d->response);
}

static void on_group(struct group_configs *group)
{
    one_less(group->data);
}

static void describe_group(struct describe_configs *d,
                           const struct kafka_describe_configs_request_resource *from,
                           struct kafka_describe_configs_response_resource *into)
{
    struct group_configs *group = request_allocate(d->request, sizeof *group);
    if (group == NULL) {
        into->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
        return;
    }
    *group = (struct group_configs){
        .request = d->request, .from = from, .into = into, .done = on_group, .data = d};
    d->pending++;
    group_configs_begin(group);
}

static void describe(struct describe_configs *d,
                     const struct kafka_describe_configs_request_resource *from,
                     struct kafka_describe_configs_response_resource *into)
{
    struct request *r = d->request;
    kafka_describe_configs_response_resource_init(into);
    into->resource_type = from->resource_type;
    into->resource_name = from->resource_name;
    if (from->resource_type == RESOURCE_TOPIC) {
        describe_topic(r, from, into);
    } else if (from->resource_type == RESOURCE_BROKER) {
        describe_broker(r, from, into);
    } else if (from->resource_type == RESOURCE_GROUP) {
        describe_group(d, from, into);
    } else {
        into->error_code = KAFKA_ERROR_INVALID_REQUEST;
        into->error_message = text_copy(r, "Only topics, brokers and groups have configs here.");
    }
}

void request_handle_describe_configs(struct request *r)
{
    const struct kafka_describe_configs_request *message = r->message;
    size_t count = (size_t)message->resources_count;
    r->arena.limit_bytes += (count < 1000 ? count : 1000) *
                            32768; /* small questions, long answers */
    struct describe_configs *d = request_allocate(r, sizeof *d);
    struct kafka_describe_configs_response_resource *resources = request_array(r, count,
                                                                               sizeof *resources);
    if (d == NULL || resources == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    *d = (struct describe_configs){.request = r, .pending = 1};
    kafka_describe_configs_response_init(&d->response);
    d->response.resources = resources;
    d->response.resources_count = message->resources_count;
    for (size_t i = 0; i < count; i++)
        describe(d, &message->resources[i], &resources[i]);
    one_less(d);
}
