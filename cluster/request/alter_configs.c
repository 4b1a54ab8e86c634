/* AlterConfigs: what a resource's overrides are to be, all of them (KIP-133). Clients of before
 * IncrementalAlterConfigs know nothing else, kafkajs among them.
 *
 * It becomes the incremental request that comes to the same: set what is named, delete the
 * overrides that are not. Which there are is looked up here; one that somebody else sets at this
 * moment may stay, as it would with Kafka had that come a little later. */
#include "request/alter_configs.h"

#include <string.h>

#include "error_code.h"
#include "request/text.h"

#define RESOURCE_TOPIC       2
#define OPERATION_SET        0
#define OPERATION_DELETE     1
#define TRANSLATED_BYTES_MAX 8192 /* of a resource: the overrides that go, by their names */

static bool is_named(const struct kafka_alter_configs_request_resource *from, const char *name)
{
    for (int32_t i = 0; i < from->configs_count; i++)
        if (kafka_string_is_text(from->configs[i].name, name))
            return true;
    return false;
}

/* Those of a topic that are not named. `into` has room for as many as a topic may have. */
static int32_t delete_others(struct request *r,
                             const struct kafka_alter_configs_request_resource *from,
                             struct kafka_incremental_alter_configs_request_config *into)
{
    struct metadata *m = r->broker->metadata;
    struct kafka_string name = from->resource_name;
    int32_t count = 0;
    if (from->resource_type != RESOURCE_TOPIC || name.size <= 0)
        return 0;
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_name(m, name.data, (size_t)name.size);
    for (unsigned i = 0; t != NULL && i < t->config_count; i++) {
        if (is_named(from, t->configs[i].name))
            continue;
        into[count].name = text_copy(r, t->configs[i].name);
        into[count].config_operation = OPERATION_DELETE;
        into[count++].value = KAFKA_STRING_NULL;
    }
    metadata_read_unlock(m);
    return count;
}

static int translate(struct request *r, const struct kafka_alter_configs_request_resource *from,
                     struct kafka_incremental_alter_configs_request_resource *into)
{
    size_t room = (size_t)from->configs_count + METADATA_CONFIGS_MAX;
    into->resource_type = from->resource_type;
    into->resource_name = from->resource_name;
    into->configs = request_array(r, room, sizeof *into->configs);
    if (into->configs == NULL)
        return UV_ENOMEM;
    for (int32_t i = 0; i < from->configs_count; i++) {
        into->configs[i].name = from->configs[i].name;
        into->configs[i].config_operation = OPERATION_SET;
        into->configs[i].value = from->configs[i].value;
    }
    into->configs_count = from->configs_count +
                          delete_others(r, from, into->configs + from->configs_count);
    return 0;
}

static void answer(struct change_list *list)
{
    struct request *r = list->request;
    const struct kafka_incremental_alter_configs_response *done = list->response;
    struct kafka_alter_configs_response response;
    kafka_alter_configs_response_init(&response);
    response.resources = request_array(r, (size_t)done->resources_count,
                                       sizeof *response.resources);
    if (response.resources == NULL && done->resources_count > 0) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    response.resources_count = done->resources_count;
    for (int32_t i = 0; i < done->resources_count; i++)
        response.resources[i] = (struct kafka_alter_configs_response_resource){
            .error_code = done->resources[i].error_code,
            .error_message = done->resources[i].error_message,
            .resource_type = done->resources[i].resource_type,
            .resource_name = done->resources[i].resource_name,
        };
    request_answer(r, &response);
}

void request_handle_alter_configs(struct request *r)
{
    const struct kafka_alter_configs_request *message = r->message;
    size_t count = (size_t)message->resources_count;
    if (count > ALTER_RESOURCES_MAX) {
        request_close_connection(r, "it names more resources than one request may");
        return;
    }
    r->arena.limit_bytes += count * TRANSLATED_BYTES_MAX;
    struct kafka_incremental_alter_configs_request *same = request_allocate(r, sizeof *same);
    struct kafka_incremental_alter_configs_request_resource *resources = request_array(
        r, count, sizeof *resources);
    bool is_short = same == NULL || (resources == NULL && count > 0);
    for (size_t i = 0; i < count && !is_short; i++)
        is_short = translate(r, &message->resources[i], &resources[i]) != 0;
    if (is_short) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    same->resources = resources;
    same->resources_count = message->resources_count;
    same->validate_only = message->validate_only;
    alter_configs_begin(r, same, answer);
}
