/* Hexadecimal digits, for a config's value is text (docs/verdict_format.md). */
#include "dc-router/verdict_told.h"

#include <stdio.h>

#include "dc-router/policy_report.h"

#define RESOURCE_BROKER 4

/* Each by its name alone: so any broker tells it of any other one. In one question, so that one
 * node tells both. */
void router_verdict_ask(struct router_verdict_question *q, int32_t broker_id)
{
    snprintf(q->broker, sizeof q->broker, "%d", broker_id);
    q->names[0] = kafka_string_of(ROUTER_VERDICT_CONFIG);
    q->names[1] = kafka_string_of(ROUTER_CLUSTER_CONFIG);
    for (int i = 0; i < 2; i++) {
        kafka_describe_configs_request_resource_init(&q->resources[i]);
        q->resources[i].resource_type = RESOURCE_BROKER;
        q->resources[i].resource_name = kafka_string_of(q->broker);
        q->resources[i].configuration_keys = &q->names[i];
        q->resources[i].configuration_keys_count = 1;
    }
    kafka_describe_configs_request_init(&q->message);
    q->message.resources = q->resources;
    q->message.resources_count = 2;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(struct kafka_string text, uint8_t *into, size_t size)
{
    size_t count = text.size <= 0 ? 0 : (size_t)text.size / 2;
    if (count == 0 || text.size % 2 != 0 || count > size)
        return count == 0 ? ERR_NOT_FOUND : ERR_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_MALFORMED;
        into[i] = (uint8_t)(high * 16 + low);
    }
    return (int)count;
}

/* Null where nobody tells it. */
static struct kafka_string value_of(const struct kafka_describe_configs_response *m,
                                    const char *name)
{
    for (int32_t i = 0; i < m->resources_count; i++)
        for (int32_t k = 0; k < m->resources[i].configs_count; k++)
            if (kafka_string_is_text(m->resources[i].configs[k].name, name))
                return m->resources[i].configs[k].value;
    return KAFKA_STRING_NULL;
}

int router_verdict_read(const struct kafka_describe_configs_response *answer,
                        struct router_verdict *verdict, char cluster_id[ROUTER_CLUSTER_ID_SIZE])
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    struct bytes id = kafka_string_bytes(value_of(answer, ROUTER_CLUSTER_CONFIG));
    snprintf(cluster_id, ROUTER_CLUSTER_ID_SIZE, "%.*s", (int)id.size,
             id.size > 0 ? (const char *)id.data : "");
    int size = from_hex(value_of(answer, ROUTER_VERDICT_CONFIG), bytes, sizeof bytes);
    return size < 0 ? size : router_verdict_decode(bytes_of(bytes, (size_t)size), verdict);
}
