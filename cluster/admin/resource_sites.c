/* GET /v1/sites: the datacenters of the cluster, and what each carries. GET /v1/cluster/health. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "admin/cluster_health.h"
#include "admin/route.h"
#include "dc-router/policy_report.h"
#include "membership/node_operation.h"

struct site_sum {
    const char *site;
    unsigned nodes, alive, led, to_lead, voting, level;
    json_t *node_ids;
};

static struct site_sum *find(struct site_sum *sums, unsigned *count, const char *site)
{
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(sums[i].site, site) == 0)
            return &sums[i];
    struct site_sum *sum = &sums[(*count)++];
    *sum = (struct site_sum){.site = site, .node_ids = json_array()};
    return sum;
}

/* How each site finds the way there, by what all have told. */
static json_t *ways_json(const struct site_view *view, unsigned to)
{
    static const char *const states[] = {"unknown", "heard", "lost"};
    json_t *ways = json_array();
    for (unsigned from = 0; from < view->verdict.site_count; from++) {
        const struct site_path_view *p = &view->paths[from][to];
        bool was_told = p->reported_ago_ms != UINT64_MAX;
        json_array_append_new(
            ways,
            json_pack("{s:s, s:s, s:s, s:i, s:i, s:o}", "from", view->verdict.sites[from].site.name,
                      "state", states[p->state], "failed_last", router_stage_name(p->stage),
                      "reporters", (int)p->reporters, "failing", (int)p->failing, "reported_ago_ms",
                      was_told ? json_integer((json_int_t)p->reported_ago_ms) : json_null()));
    }
    return ways;
}

/* What is agreed of a site; nothing while that is nothing. */
static void add_standing(json_t *json, const struct site_view *view, const char *site)
{
    static const char *const healths[] = {"whole", "cut", "left"};
    static const char *const drains[] = {"in", "drained", "ending"};
    char words[ROUTER_STANDING_TEXT_SIZE];
    unsigned at = view->verdict.epoch == 0 ? ROUTER_NO_SITE
                                           : router_verdict_find(&view->verdict, site);
    if (at == ROUTER_NO_SITE)
        return;
    const struct router_standing *s = &view->verdict.sites[at];
    router_standing_text(s, words, sizeof words);
    json_object_set_new(json, "health", json_string(healths[s->health]));
    json_object_set_new(json, "drain", json_string(drains[s->drain]));
    json_object_set_new(json, "weight", json_integer((json_int_t)s->site.weight));
    json_object_set_new(json, "stage", json_string(router_stage_name(s->stage)));
    json_object_set_new(json, "words", json_string(words));
    json_object_set_new(json, "ways", ways_json(view, at));
}

static json_t *sites_json(const struct broker *b, const struct node_list *list,
                          const struct site_view *view)
{
    struct site_sum sums[METADATA_NODES_MAX];
    unsigned count = 0;
    json_t *sites = json_array();
    for (unsigned i = 0; i < list->count; i++) {
        const struct node_view *v = &list->nodes[i];
        if (v->node.state == METADATA_NODE_GONE)
            continue;
        struct site_sum *sum = find(sums, &count, v->node.site);
        json_array_append_new(sum->node_ids, json_integer((json_int_t)v->node.node_id));
        sum->nodes++;
        sum->alive += v->is_alive;
        sum->led += v->leader_count;
        sum->to_lead += v->preferred_count;
        sum->voting += v->voter_count;
        sum->level += v->level_count;
    }
    for (unsigned i = 0; i < count; i++) {
        json_t *site = json_pack("{s:s, s:b, s:o, s:i, s:i, s:i, s:i, s:i, s:i}", "site",
                                 sums[i].site, "is_own", strcmp(sums[i].site, b->conf.site) == 0,
                                 "node_ids", sums[i].node_ids, "nodes", (int)sums[i].nodes, "alive",
                                 (int)sums[i].alive, "groups_led", (int)sums[i].led,
                                 "groups_to_lead", (int)sums[i].to_lead, "replicas_voting",
                                 (int)sums[i].voting, "replicas_level", (int)sums[i].level);
        add_standing(site, view, sums[i].site);
        json_array_append_new(sites, site);
    }
    return sites;
}

void resource_sites(struct admin_call *call)
{
    struct broker *b = call->broker;
    struct node_list list;
    struct site_view view;
    node_operation_list(b, &list);
    site_board_look(b->sites, &view, clock_now_ms(&b->clock));
    uint64_t epoch = view.verdict.epoch;
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:o, s:o}", "verdict_epoch",
                               epoch == 0 ? json_null() : json_integer((json_int_t)epoch), "sites",
                               sites_json(b, &list, &view)));
}

void resource_cluster_health(struct admin_call *call)
{
    call_answer_json(call, MHD_HTTP_OK, cluster_health(call->broker));
}
