/* The inside of the node pool. */
#ifndef ROUTER_NODE_PARTS_H
#define ROUTER_NODE_PARTS_H

#include "router/node_pool.h"

/* node_ways.c: NULL while it has no address, when the router ends, or beyond the bound. `on_end`
 * has to count it out, when it is over. */
struct upstream *node_open_upstream(struct router_node *n, void *data, upstream_end_cb on_end);
struct kafka_envelope_client node_envelope_client(const struct router_node *n,
                                                  const struct client_identity *identity);
/* Those whose oldest call has had its time; its calls come back from inside. */
void node_give_up_late_pipes(struct router_node *n, uint64_t now_ms);
/* node_lanes.c; besides, who waits for one for too long. */
void node_give_up_late_lanes(struct router_node *n, uint64_t now_ms);
void node_end_lanes(struct router_node *n, bool is_silent);
void node_count_out(struct router_node *n, const struct upstream *u);
/* All; calls come back from inside. */
void node_end_connections(struct router_node *n);
/* But for lanes whose calls outlast silence. */
void node_leave_silent(struct router_node *n);
/* node_health.c: about every 20 ms. */
void node_look_at(struct router_node *n, uint64_t now_ms);
/* node_address.c: the address may be known at once, or later, or not; connections to the old one
 * end. */
void node_set_address(struct router_node *n, struct kafka_string host, int32_t port);
void node_look_up(struct router_node *n);
/* About every 20 ms: where its connections fail, a name is looked up again. */
void node_look_up_again(struct router_node *n, uint64_t now_ms);

#endif
