/* The inside of the node pool. */
#ifndef ROUTER_NODE_PARTS_H
#define ROUTER_NODE_PARTS_H

#include "router/node_pool.h"

/* node_ways.c: NULL while it has no address, when the router ends, or beyond the bound. `on_end`
 * has to count it out. */
struct upstream *node_open_upstream(struct router_node *n, void *data, upstream_end_cb on_end);
void node_end_connections(struct router_node *n);
/* node_health.c: about every 20 ms. */
void node_look_at(struct router_node *n, uint64_t now_ms);
/* node_address.c: the address may be known at once, or later, or not. */
void node_set_address(struct router_node *n, struct kafka_string host, int32_t port);
void node_resolve(struct router_node *n);

#endif
