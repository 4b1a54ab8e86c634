#include "router/site_verdict.h"

#include <stdio.h>

#include "base/event.h"
#include "dc-router/policy_report.h"
#include "protocol/messages.h"
#include "router/own_request.h"
#include "router/router.h"

#define ASK_EVERY_MS    500
#define CONFIGS_VERSION 1
#define RESOURCE_BROKER 4

/* ---- reading ---- */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes; 0: none are there, or it is no hex. */
static size_t from_hex(struct kafka_string text, uint8_t *into, size_t size)
{
    size_t count = text.size <= 0 ? 0 : (size_t)text.size / 2;
    if (text.size % 2 != 0 || count > size)
        return 0;
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        into[i] = (uint8_t)(high * 16 + low);
    }
    return count;
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

static bool read_verdict(const struct kafka_describe_configs_response *m,
                         struct router_verdict *verdict, char cluster_id[ROUTER_CLUSTER_ID_SIZE])
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    struct bytes id = kafka_string_bytes(value_of(m, ROUTER_CLUSTER_CONFIG));
    size_t size = from_hex(value_of(m, ROUTER_VERDICT_CONFIG), bytes, sizeof bytes);
    snprintf(cluster_id, ROUTER_CLUSTER_ID_SIZE, "%.*s", (int)id.size, (const char *)id.data);
    return size > 0 && router_verdict_decode(bytes_of(bytes, size), verdict) == 0;
}

bool site_verdict_lets_read(const struct router_verdict *verdict, const char *site)
{
    unsigned i = router_verdict_find(verdict, site);
    return i == ROUTER_NO_SITE ||
           (verdict->sites[i].health != ROUTER_LEFT && verdict->sites[i].drain != ROUTER_DRAINED);
}

/* ---- asking ---- */

static bool is_told(const struct router_verdict *before, const struct router_standing *now)
{
    unsigned at = router_verdict_find(before, now->site.name);
    return at != ROUTER_NO_SITE && before->sites[at].health == now->health &&
           before->sites[at].drain == now->drain;
}

/* Of each site that stands otherwise than before. */
static void tell(const struct router_verdict *before, const struct router_verdict *verdict)
{
    char text[ROUTER_STANDING_TEXT_SIZE];
    for (unsigned i = 0; i < verdict->site_count; i++) {
        if (is_told(before, &verdict->sites[i]))
            continue;
        router_standing_text(&verdict->sites[i], text, sizeof text);
        event_info("site_verdict", "epoch=%llu of_site=%s reason=\"%s\"",
                   (unsigned long long)verdict->epoch, verdict->sites[i].site.name, text);
    }
}

static void take(struct router_shard *s, const struct router_verdict *verdict,
                 const char *cluster_id)
{
    struct site_verdict *known = &s->site_verdict;
    if (!router_verdict_is_news(&s->view.verdict, known->cluster_id, verdict, cluster_id))
        return;
    if (known->cluster_id[0] != '\0' && strcmp(known->cluster_id, cluster_id) != 0)
        event_warn("other_cluster", "from=%s to=%s reason=\"nodes tell another cluster's id\"",
                   known->cluster_id, cluster_id);
    tell(&s->view.verdict, verdict);
    bytes_copy_text(known->cluster_id, sizeof known->cluster_id, cluster_id);
    s->view.verdict = *verdict;
    view_publish(s);
}

static void on_told(struct upstream_call *call, int status, struct slice answer)
{
    struct router_shard *s = call->data;
    struct router_verdict verdict;
    char cluster_id[ROUTER_CLUSTER_ID_SIZE];
    struct own_answer own;
    s->site_verdict.is_asking = false;
    if (status != 0 ||
        own_answer_read(&own, KAFKA_API_DESCRIBE_CONFIGS, CONFIGS_VERSION, answer) != 0)
        return;
    if (read_verdict(own.message, &verdict, cluster_id))
        take(s, &verdict, cluster_id);
    own_answer_close(&own);
}

static int ask(struct router_shard *s, struct router_node *n)
{
    char id[16];
    struct kafka_string names[] = {kafka_string_of(ROUTER_VERDICT_CONFIG),
                                   kafka_string_of(ROUTER_CLUSTER_CONFIG)};
    struct kafka_describe_configs_request m;
    struct kafka_describe_configs_request_resource resource;
    snprintf(id, sizeof id, "%d", n->id);
    kafka_describe_configs_request_init(&m);
    kafka_describe_configs_request_resource_init(&resource);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = kafka_string_of(id);
    resource.configuration_keys = names;
    resource.configuration_keys_count = 2;
    m.resources = &resource;
    m.resources_count = 1;
    s->site_verdict.call.data = s;
    return own_request_send(n, &s->site_verdict.call, KAFKA_API_DESCRIBE_CONFIGS, CONFIGS_VERSION,
                            &m, on_told);
}

void site_verdict_tick(struct router_shard *s, uint64_t now_ms)
{
    struct site_verdict *v = &s->site_verdict;
    if (v->is_asking || now_ms - v->asked_ms < ASK_EVERY_MS)
        return;
    struct router_node *n = node_pool_any(s, v->turn++);
    v->asked_ms = now_ms;
    if (n != NULL && n->id >= 0)
        v->is_asking = ask(s, n) == 0;
}
