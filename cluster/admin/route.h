/* Which handler answers which method and path. */
#ifndef CLUSTER_ADMIN_ROUTE_H
#define CLUSTER_ADMIN_ROUTE_H

#include "admin/call.h"

enum route_flag {
    ROUTE_OPEN = HTTP_OPEN, /* as enum http_route_flag */
    ROUTE_QUERY = HTTP_QUERY,
    ROUTE_ANY_TIME = 1 << 8 /* also before the node serves, and while it stops */
};

struct admin_route {
    const char *method; /* GET (HEAD too) or POST */
    const char *path;   /* as a whole: "/v1/nodes"; each has one method */
    void (*handle)(struct admin_call *call);
    unsigned flags; /* enum route_flag */
};

/* The route for method and path. NULL when there is none: then *allow is the method that the path
 * has, or NULL when there is no such path. */
const struct admin_route *route_find(const char *method, const char *path, const char **allow);

/* The handlers, one file for each resource. */
void resource_livez(struct admin_call *call);
void resource_readyz(struct admin_call *call);
void resource_metrics(struct admin_call *call);
void resource_cluster(struct admin_call *call);
void resource_nodes(struct admin_call *call);
void resource_node_add(struct admin_call *call);
void resource_node_remove(struct admin_call *call);
void resource_node_replace(struct admin_call *call);
void resource_groups(struct admin_call *call);
void resource_cluster_health(struct admin_call *call);
void resource_lag(struct admin_call *call);
void resource_what_if(struct admin_call *call);
void resource_sites(struct admin_call *call);
void resource_site_drain(struct admin_call *call);
void resource_site_weight(struct admin_call *call);
void resource_topics(struct admin_call *call);
void resource_topic_describe(struct admin_call *call);
void resource_topic_create(struct admin_call *call);
void resource_topic_delete(struct admin_call *call);
void resource_topic_config(struct admin_call *call);
void resource_consumer_groups(struct admin_call *call);
void resource_consumer_group_describe(struct admin_call *call);
void resource_consumer_group_reset(struct admin_call *call);
void resource_consumer_group_history(struct admin_call *call);
void resource_consumer_group_policy(struct admin_call *call);
void resource_consumer_group_policy_set(struct admin_call *call);
void resource_topic_moves(struct admin_call *call);
void resource_topic_move(struct admin_call *call);
void resource_recover_plan(struct admin_call *call);
void resource_recover(struct admin_call *call);
void resource_salvage(struct admin_call *call);
void resource_switch(struct admin_call *call);
void resource_switch_begin(struct admin_call *call);
void resource_disk(struct admin_call *call);
void resource_scrub(struct admin_call *call);
void resource_scrub_start(struct admin_call *call);

#endif
