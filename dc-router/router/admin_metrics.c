/* GET /metrics: Prometheus' text format. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/machine.h"
#include "base/metric_text.h"
#include "protocol/api_key.h"
#include "router/admin_parts.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void whole(struct metric_text *t, const char *name, enum metric_type type, const char *help,
                  uint64_t value)
{
    metric_family(t, name, type, help);
    metric_whole(t, "", value, 0);
}

static void add_process(struct metric_text *t, const struct router_admin *a,
                        const struct kept_settings *kept, const struct router_survey *all)
{
    char number[24], shard[16];
    uint64_t up_ms = clock_now_ms(&a->clock) - router_process_started_ms(a->process);
    snprintf(number, sizeof number, "%lld", (long long)kept->values.router_id);
    metric_family(t, "trilog_router_info", METRIC_GAUGE, "Who this router is; always 1");
    metric_whole(t, "", 1, 3, "site", kept->values.site, "router", number, "environment",
                 kept->values.environment);
    metric_family(t, "trilog_router_uptime_seconds", METRIC_GAUGE, "Since the process began");
    metric_sample(t, "", (double)up_ms / 1000, 0);
    whole(t, "trilog_router_resident_memory_bytes", METRIC_GAUGE, "Memory that the process has",
          machine_resident_bytes());
    whole(t, "trilog_router_settings_number", METRIC_GAUGE,
          "Settings that all shards have taken: 1 at the start, one more with each reload",
          all->settings_number);
    metric_family(t, "trilog_router_shard_up", METRIC_GAUGE, "1 where the thread answers in time");
    for (unsigned i = 0; i < all->shard_count; i++) {
        snprintf(shard, sizeof shard, "%u", i);
        metric_whole(t, "", all->is_up[i], 1, "shard", shard);
    }
}

static void add_clients(struct metric_text *t, const struct router_survey *all)
{
    whole(t, "trilog_router_connections", METRIC_GAUGE, "Client connections", all->clients);
    whole(t, "trilog_router_connections_total", METRIC_COUNTER, "Client connections taken",
          all->counts.connections);
    whole(t, "trilog_router_request_bytes_total", METRIC_COUNTER, "Requests of clients",
          all->counts.request_bytes);
    whole(t, "trilog_router_answer_bytes_total", METRIC_COUNTER, "Answers to clients",
          all->counts.answer_bytes);
    whole(t, "trilog_router_bytes_under_way", METRIC_GAUGE,
          "Requests at nodes or held, and answers on their way", all->held_bytes);
    metric_family(t, "trilog_router_requests_total", METRIC_COUNTER, "Requests of clients, by API");
    for (size_t i = 0; i < kafka_api_count; i++)
        if (kafka_apis[i].key < COUNTS_APIS_MAX && all->counts.requests[kafka_apis[i].key] > 0)
            metric_whole(t, "", all->counts.requests[kafka_apis[i].key], 1, "api",
                         kafka_apis[i].name);
}

static void add_failover(struct metric_text *t, const struct router_survey *all)
{
    whole(t, "trilog_router_held_requests", METRIC_GAUGE,
          "Produce requests that wait for a leader, or had to and are under way again",
          all->counts.held_now);
    whole(t, "trilog_router_held_requests_total", METRIC_COUNTER,
          "Produce requests that had to wait for a leader", all->counts.held);
    whole(t, "trilog_router_resent_requests_total", METRIC_COUNTER,
          "Produce requests sent to a leader once more", all->counts.resent);
    metric_family(t, "trilog_router_errors_total", METRIC_COUNTER,
                  "What went wrong with clients' connections and batches here, by kind");
    for (unsigned i = 0; i < TROUBLE_COUNT; i++)
        metric_whole(t, "", all->counts.troubles[i], 1, "kind", trouble_name((enum trouble)i));
}

static void add_reports(struct metric_text *t, const struct router_survey *all)
{
    static const char *const outcomes[REPORT_OUTCOMES] = {
        [REPORT_TAKEN] = "taken", [REPORT_REFUSED] = "refused", [REPORT_LOST] = "lost"};
    metric_family(t, "trilog_router_site_reports_total", METRIC_COUNTER,
                  "Told to the cluster of sites that don't answer this router, by outcome");
    for (unsigned i = 0; i < REPORT_OUTCOMES; i++)
        metric_whole(t, "", all->counts.reports[i], 1, "outcome", outcomes[i]);
}

static void name_node(const struct board_node *n, char name[24], char address[300])
{
    snprintf(name, 24, "%d", n->id);
    snprintf(address, 300, "%s:%u", n->host, n->port);
}

static void add_nodes(struct metric_text *t, const struct router_survey *all)
{
    char name[24], address[300];
    metric_family(t, "trilog_router_node_up", METRIC_GAUGE, "1 where the node answers this router");
    for (unsigned i = 0; i < all->node_count; i++) {
        name_node(&all->nodes[i], name, address);
        metric_whole(t, "", all->nodes[i].is_up, 3, "node", name, "site", all->nodes[i].site,
                     "address", address);
    }
    metric_family(t, "trilog_router_node_connections", METRIC_GAUGE, "Connections to the node");
    for (unsigned i = 0; i < all->node_count; i++) {
        name_node(&all->nodes[i], name, address);
        metric_whole(t, "", all->nodes[i].connections, 2, "node", name, "address", address);
    }
    metric_family(t, "trilog_router_node_requests", METRIC_GAUGE, "Requests under way at the node");
    for (unsigned i = 0; i < all->node_count; i++) {
        name_node(&all->nodes[i], name, address);
        metric_whole(t, "", all->nodes[i].calls, 2, "node", name, "address", address);
    }
}

/* Only those of this site are looked at. */
static void add_routers(struct metric_text *t, const struct router_settings *c,
                        const struct router_survey *all)
{
    char number[24];
    metric_family(t, "trilog_router_peer_up", METRIC_GAUGE,
                  "1 where another router of this site answers, and clients are told of it");
    for (unsigned i = 0; i < c->routers.count; i++) {
        const struct conf_router *r = &c->routers.entries[i];
        if (strcmp(r->site, c->site) != 0)
            continue;
        snprintf(number, sizeof number, "%u", r->router_id);
        metric_whole(t, "", view_has_live(&all->view, r->router_id), 1, "router", number);
    }
}

static void add_backlogs(struct metric_text *t, const struct view *v)
{
    metric_family(t, "trilog_router_backlog_records", METRIC_GAUGE,
                  "Records of the topic that the group has not committed, where it has a limit");
    for (unsigned i = 0; i < v->backlog_count; i++)
        if (v->backlogs[i].is_known)
            metric_whole(t, "", (uint64_t)v->backlogs[i].records, 2, "topic", v->backlogs[i].topic,
                         "group", v->backlogs[i].group);
    metric_family(t, "trilog_router_backlog_open", METRIC_GAUGE,
                  "1 where the topic takes no records for it");
    for (unsigned i = 0; i < v->backlog_count; i++)
        metric_whole(t, "", v->backlogs[i].is_open, 2, "topic", v->backlogs[i].topic, "group",
                     v->backlogs[i].group);
}

void router_resource_metrics(struct http_call *call)
{
    struct router_admin *a = http_port_data(call->port);
    struct router_survey *all = router_survey_take(a);
    struct kept_settings *kept = router_process_settings(a->process);
    struct metric_text t = {.is_failed = all == NULL};
    if (all != NULL) {
        add_process(&t, a, kept, all);
        add_clients(&t, all);
        add_failover(&t, all);
        add_reports(&t, all);
        add_nodes(&t, all);
        add_routers(&t, &kept->values, all);
        add_backlogs(&t, &all->view);
    }
    if (t.is_failed) {
        free(t.text);
        http_answer_json(call, MHD_HTTP_OK, NULL); /* no memory */
    } else {
        http_answer_text(call, MHD_HTTP_OK, CONTENT_TYPE, t.text, t.size);
    }
    kept_settings_release(kept);
    free(all);
}
