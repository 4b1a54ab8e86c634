/* The table of what the operator's port answers, as docs/admin-api.md describes it. */
#include "admin/route.h"

#include <string.h>

/* Probes and scrapers put into a query what they like. */
static const struct admin_route routes[] = {
    {"GET", "/livez", resource_livez, ROUTE_OPEN | ROUTE_ANY_TIME | ROUTE_QUERY},
    {"GET", "/readyz", resource_readyz, ROUTE_OPEN | ROUTE_ANY_TIME | ROUTE_QUERY},
    {"GET", "/metrics", resource_metrics, ROUTE_QUERY},
    {"GET", "/v1/cluster", resource_cluster, 0},
    {"GET", "/v1/cluster/health", resource_cluster_health, 0},
    {"GET", "/v1/sites", resource_sites, 0},
    {"POST", "/v1/sites/drain", resource_site_drain, 0},
    {"POST", "/v1/sites/weight", resource_site_weight, 0},
    {"GET", "/v1/nodes", resource_nodes, 0},
    {"POST", "/v1/nodes/add", resource_node_add, 0},
    {"POST", "/v1/nodes/remove", resource_node_remove, 0},
    {"POST", "/v1/nodes/replace", resource_node_replace, 0},
    {"GET", "/v1/groups", resource_groups, 0},
    {"GET", "/v1/lag", resource_lag, 0},
    {"GET", "/v1/what-if", resource_what_if, ROUTE_QUERY},
    {"GET", "/v1/topics", resource_topics, 0},
    {"GET", "/v1/topics/describe", resource_topic_describe, ROUTE_QUERY},
    {"POST", "/v1/topics/create", resource_topic_create, 0},
    {"POST", "/v1/topics/delete", resource_topic_delete, 0},
    {"POST", "/v1/topics/config", resource_topic_config, 0},
    {"GET", "/v1/consumer-groups", resource_consumer_groups, 0},
    {"GET", "/v1/consumer-groups/describe", resource_consumer_group_describe, ROUTE_QUERY},
    {"POST", "/v1/consumer-groups/reset", resource_consumer_group_reset, 0},
    {"GET", "/v1/consumer-groups/history", resource_consumer_group_history, ROUTE_QUERY},
    {"GET", "/v1/consumer-groups/policy", resource_consumer_group_policy, ROUTE_QUERY},
    {"POST", "/v1/consumer-groups/set-policy", resource_consumer_group_policy_set, 0},
    {"GET", "/v1/topics/moves", resource_topic_moves, 0},
    {"POST", "/v1/topics/move", resource_topic_move, 0},
    {"GET", "/v1/recover", resource_recover_plan, ROUTE_QUERY},
    {"POST", "/v1/recover/begin", resource_recover, 0},
    {"POST", "/v1/recover/salvage", resource_salvage, 0},
    {"GET", "/v1/switch", resource_switch, 0},
    {"POST", "/v1/switch/begin", resource_switch_begin, 0},
    {"GET", "/v1/disk", resource_disk, 0},
    {"GET", "/v1/scrub", resource_scrub, 0},
    {"POST", "/v1/scrub/start", resource_scrub_start, 0},
};

const struct admin_route *route_find(const char *method, const char *path, const char **allow)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *allow = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) != 0)
            continue;
        if (strcmp(routes[i].method, wanted) == 0)
            return &routes[i];
        *allow = routes[i].method;
    }
    return NULL;
}
