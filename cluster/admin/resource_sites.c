/* GET /v1/sites: the datacenters of the cluster, and what each carries. GET /v1/cluster/health. */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "admin/cluster_health.h"
#include "admin/route.h"
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

static json_t *sites_json(const struct broker *b, const struct node_list *list)
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
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(
            sites, json_pack("{s:s, s:b, s:o, s:i, s:i, s:i, s:i, s:i, s:i}", "site", sums[i].site,
                             "is_own", strcmp(sums[i].site, b->conf.site) == 0, "node_ids",
                             sums[i].node_ids, "nodes", (int)sums[i].nodes, "alive",
                             (int)sums[i].alive, "groups_led", (int)sums[i].led, "groups_to_lead",
                             (int)sums[i].to_lead, "replicas_voting", (int)sums[i].voting,
                             "replicas_level", (int)sums[i].level));
    return sites;
}

void resource_sites(struct admin_call *call)
{
    struct node_list list;
    node_operation_list(call->broker, &list);
    call_answer_json(call, MHD_HTTP_OK,
                     json_pack("{s:o}", "sites", sites_json(call->broker, &list)));
}

void resource_cluster_health(struct admin_call *call)
{
    call_answer_json(call, MHD_HTTP_OK, cluster_health(call->broker));
}
