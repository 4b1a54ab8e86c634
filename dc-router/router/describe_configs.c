/* DescribeConfigs: a client that sees this router as a broker may ask for a broker's configs: it is
 * told the router's settings, read-only, for they are in its file. What the cluster tells of all
 * its brokers (trilog.site.verdict and trilog.cluster.id, each asked by its name alone), topics and
 * groups is a node's to say. */
#include <stdio.h>
#include <string.h>

#include "dc-router/policy_report.h"
#include "protocol/messages.h"
#include "router/away.h"
#include "router/handlers.h"
#include "router/own_request.h"
#include "router/permit.h"
#include "router/router.h"

#define RESOURCE_BROKER 4
#define SOURCE_STATIC   4
#define SOURCE_DEFAULT  5
#define SOON_MS_MAX     10000

typedef struct kafka_describe_configs_request_resource asked_resource;
typedef struct kafka_describe_configs_response_resource told_resource;

static bool is_of_all_brokers(const asked_resource *asked)
{
    return asked->configuration_keys_count == 1 &&
           (kafka_string_is_text(asked->configuration_keys[0], ROUTER_VERDICT_CONFIG) ||
            kafka_string_is_text(asked->configuration_keys[0], ROUTER_CLUSTER_CONFIG));
}

static bool is_of_router(const struct client_request *r, const asked_resource *asked)
{
    char own[16];
    snprintf(own, sizeof own, "%lld", (long long)r->shard->settings->router_id);
    return asked->resource_type == RESOURCE_BROKER &&
           kafka_string_is_text(asked->resource_name, own) && !is_of_all_brokers(asked);
}

/* ---- the router's settings ---- */

struct telling {
    struct client_request *request;
    const asked_resource *asked;
    told_resource *told;
};

static struct kafka_string copied(struct client_request *r, const char *text)
{
    size_t size = strlen(text);
    char *copy = client_request_allocate(r, size + 1);
    if (copy == NULL)
        return KAFKA_STRING_NULL;
    memcpy(copy, text, size + 1);
    return (struct kafka_string){.data = copy, .size = (int32_t)size};
}

static bool is_wanted(const asked_resource *asked, const char *name)
{
    for (int32_t i = 0; i < asked->configuration_keys_count; i++)
        if (kafka_string_is_text(asked->configuration_keys[i], name))
            return true;
    return asked->configuration_keys_count <= 0; /* null, and as Kafka does it none, mean all */
}

static void tell_setting(void *data, const struct conf_description *setting)
{
    static const int8_t types[] = {
        [CONF_KIND_FLAG] = 1, [CONF_KIND_TEXT] = 2, [CONF_KIND_NUMBER] = 5};
    struct telling *t = data;
    const struct kafka_describe_configs_request *message = t->request->message;
    if (!is_wanted(t->asked, setting->name))
        return;
    struct kafka_describe_configs_response_config *config =
        &t->told->configs[t->told->configs_count++];
    kafka_describe_configs_response_config_init(config);
    config->name = copied(t->request, setting->name);
    config->value = copied(t->request, setting->value);
    config->read_only = true;
    config->config_source = setting->is_default ? SOURCE_DEFAULT : SOURCE_STATIC;
    config->config_type = types[setting->kind];
    if (message->include_documentation)
        config->documentation = copied(t->request, setting->meaning);
}

static bool tell_router(struct client_request *r, const asked_resource *asked, told_resource *told)
{
    struct telling t = {.request = r, .asked = asked, .told = told};
    kafka_describe_configs_response_resource_init(told);
    told->resource_type = asked->resource_type;
    told->resource_name = asked->resource_name;
    told->configs = client_request_allocate(r, ROUTER_SETTING_COUNT * sizeof *told->configs);
    if (told->configs == NULL)
        return false;
    router_conf_describe(r->shard->settings, tell_setting, &t);
    for (int32_t i = 0; i < told->configs_count; i++)
        if (kafka_string_is_null(told->configs[i].name) ||
            kafka_string_is_null(told->configs[i].value))
            return false; /* memory was at its end */
    return true;
}

/* ---- the answer ---- */

/* What a node has told of the others stands where it was asked for. */
static bool put_together(struct client_request *r, const told_resource *others, int32_t other_count,
                         struct kafka_describe_configs_response *into)
{
    const struct kafka_describe_configs_request *m = r->message;
    int32_t used = 0;
    into->resources = client_request_allocate(r, ((size_t)m->resources_count + 1) *
                                                     sizeof *into->resources);
    into->resources_count = m->resources_count;
    for (int32_t i = 0; into->resources != NULL && i < m->resources_count; i++) {
        if (is_of_router(r, &m->resources[i])) {
            if (!tell_router(r, &m->resources[i], &into->resources[i]))
                return false;
        } else if (used < other_count) {
            into->resources[i] = others[used++];
        } else {
            return false; /* the node has left some out */
        }
    }
    return into->resources != NULL;
}

static void answer(struct client_request *r, const told_resource *others, int32_t other_count)
{
    struct kafka_describe_configs_response response;
    kafka_describe_configs_response_init(&response);
    if (put_together(r, others, other_count, &response))
        client_request_answer(r, &response);
    else
        client_request_end_client(r, "its answer can't be put together");
}

static bool on_answer(struct away *a, struct slice answer_bytes)
{
    struct client_request *r = a->request;
    struct own_answer own;
    if (own_answer_read(&own, KAFKA_API_DESCRIBE_CONFIGS, r->header.api_version, answer_bytes) !=
        0) {
        client_request_end_client(r, "a node's answer is malformed");
        return false;
    }
    const struct kafka_describe_configs_response *told = own.message;
    answer(r, told->resources, told->resources_count);
    own_answer_close(&own);
    return false;
}

void handle_describe_configs(struct client_request *r)
{
    const struct kafka_describe_configs_request *m = r->message;
    struct kafka_describe_configs_request others = *m;
    if (refuse_anywhere(r))
        return;
    others.resources = client_request_allocate(r, ((size_t)m->resources_count + 1) *
                                                      sizeof *others.resources);
    others.resources_count = 0;
    for (int32_t i = 0; others.resources != NULL && i < m->resources_count; i++)
        if (!is_of_router(r, &m->resources[i]))
            others.resources[others.resources_count++] = m->resources[i];
    if (others.resources != NULL && others.resources_count == m->resources_count)
        ask_anywhere(r, SOON_MS_MAX, NULL);
    else if (others.resources != NULL && others.resources_count == 0)
        answer(r, NULL, 0);
    else if (others.resources != NULL && client_request_ask_instead(r, &others) == 0)
        ask_anywhere(r, SOON_MS_MAX, on_answer);
    else
        client_request_end_client(r, "its answer needs too much memory");
}
