/* A site fails where each of its nodes does that is known: who has several has them so that one may
 * be lost. What nodes' probes know is all there is to it (node_health.c), so its stages are
 * connect and answer; whether records are committed and read, canaries find out.
 *
 * What is told is as it is now, whatever was told before: so one that is lost is followed by the
 * next, and only the word that all is well again is kept until some node has answered it. */
#include "router/site_report.h"

#include <stdio.h>
#include <string.h>

#include "dc-router/policy_report.h"
#include "protocol/messages.h"
#include "router/own_request.h"
#include "router/router.h"

#define TELL_EVERY_MS   500
#define CONFIGS_VERSION 1
#define RESOURCE_BROKER 4
#define OPERATION_SET   0

/* ---- what is found ---- */

enum router_stage site_report_stage(const struct router_shard *s, const char *site)
{
    enum router_stage furthest = ROUTER_STAGE_COUNT;
    for (const struct router_node *n = s->pool.nodes; n != NULL; n = n->next) {
        enum router_stage stage = router_node_stage(n);
        if (n->id < 0 || stage == ROUTER_STAGE_COUNT || strcmp(n->site, site) != 0)
            continue;
        if (stage == ROUTER_STAGE_NONE)
            return ROUTER_STAGE_NONE;
        if (furthest == ROUTER_STAGE_COUNT || stage > furthest)
            furthest = stage;
    }
    return furthest;
}

/* What is to be told. */
struct telling {
    struct router_told told[ROUTER_REPORTS_MAX];
    unsigned count;
    uint32_t failing, clearing; /* as in struct site_report, once it is sent */
};

static void add(struct telling *t, const char *from, const char *to, enum router_stage stage)
{
    struct router_told *told = &t->told[t->count++];
    *told = (struct router_told){.stage = stage};
    bytes_copy_text(told->from, sizeof told->from, from);
    bytes_copy_text(told->to, sizeof told->to, to);
}

static void collect(const struct router_shard *s, struct telling *t)
{
    const struct router_verdict *v = &s->view.verdict;
    *t = (struct telling){0};
    for (unsigned i = 0; i < v->site_count; i++) {
        const char *site = v->sites[i].site.name;
        enum router_stage stage = site_report_stage(s, site);
        uint32_t bit = UINT32_C(1) << i, was_failing = s->site_report.failing & bit;
        bool is_failing = stage != ROUTER_STAGE_NONE && stage != ROUTER_STAGE_COUNT;
        bool is_clearing = was_failing != 0 && stage == ROUTER_STAGE_NONE;
        if (!is_failing && !is_clearing)
            continue;
        t->failing |= bit;
        t->clearing |= is_clearing ? bit : 0;
        add(t, s->settings->site, site, stage);
    }
}

/* ---- telling ---- */

static bool is_taken(const struct kafka_incremental_alter_configs_response *m)
{
    return m->resources_count == 1 && m->resources[0].error_code == 0;
}

/* The node has heard of it, if it liked it or not: of what is well again nothing more is said. */
static void take_answer(struct router_shard *s,
                        const struct kafka_incremental_alter_configs_response *m)
{
    s->counts.reports[is_taken(m) ? REPORT_TAKEN : REPORT_REFUSED]++;
    s->site_report.failing &= ~s->site_report.clearing;
}

static void on_told(struct upstream_call *call, int status, struct slice answer)
{
    struct router_shard *s = call->data;
    struct own_answer own;
    s->site_report.is_telling = false;
    if (status != 0 ||
        own_answer_read(&own, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, CONFIGS_VERSION, answer) != 0) {
        s->counts.reports[REPORT_LOST]++;
        return;
    }
    take_answer(s, own.message);
    own_answer_close(&own);
}

static int tell(struct router_shard *s, struct router_node *n, const char *text)
{
    char id[16];
    struct kafka_incremental_alter_configs_request m;
    struct kafka_incremental_alter_configs_request_resource resource;
    struct kafka_incremental_alter_configs_request_config config;
    snprintf(id, sizeof id, "%d", n->id);
    kafka_incremental_alter_configs_request_init(&m);
    kafka_incremental_alter_configs_request_resource_init(&resource);
    kafka_incremental_alter_configs_request_config_init(&config);
    config.name = kafka_string_of(ROUTER_REPORT_CONFIG);
    config.config_operation = OPERATION_SET;
    config.value = kafka_string_of(text);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = kafka_string_of(id);
    resource.configs = &config;
    resource.configs_count = 1;
    m.resources = &resource;
    m.resources_count = 1;
    s->site_report.call.data = s;
    return own_request_send(n, &s->site_report.call, KAFKA_API_INCREMENTAL_ALTER_CONFIGS,
                            CONFIGS_VERSION, &m, on_told);
}

void site_report_tick(struct router_shard *s, uint64_t now_ms)
{
    struct telling telling;
    char text[ROUTER_REPORT_SIZE_MAX + 1];
    struct site_report *report = &s->site_report;
    if (report->is_telling || now_ms - report->told_ms < TELL_EVERY_MS ||
        router_verdict_find(&s->view.verdict, s->settings->site) == ROUTER_NO_SITE)
        return;
    collect(s, &telling);
    struct router_node *n = telling.count == 0 ? NULL : node_pool_any(s, report->turn++);
    if (n == NULL || n->id < 0 ||
        router_report_write(telling.told, telling.count, text, sizeof text) < 0)
        return;
    report->told_ms = now_ms;
    report->is_telling = tell(s, n, text) == 0;
    if (report->is_telling) {
        report->failing = telling.failing;
        report->clearing = telling.clearing;
    }
}
