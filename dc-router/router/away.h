/* A client's request on its way to one node, as it came: sent, answered with the node's own bytes,
 * or sent again to another node where that is harmless. */
#ifndef ROUTER_AWAY_H
#define ROUTER_AWAY_H

#include "router/client.h"
#include "router/cluster_map.h"
#include "router/node_pool.h"

struct away;
/* What the node said. True: that is the answer. False: it was dealt with (away_again, …). */
typedef bool (*away_answer_cb)(struct away *a, struct slice answer);
/* No answer came; UV_ENOTCONN, ERR_CLOSED, … as in upstream_cb. */
typedef void (*away_failed_cb)(struct away *a, int status);

/* In the request's arena. */
struct away {
    struct client_request *request;
    void *data;
    away_answer_cb on_answer;
    away_failed_cb on_failed;
    struct upstream_call call; /* private from here on */
    struct lane_call lane_call;
    uint64_t lane_ms;
    struct map_waiter waiter;
    void (*on_again)(struct away *a);
};

/* NULL: the request was ended for want of memory. `lane_ms`: so long a node may take for it, on a
 * lane; 0: it is answered soon. */
struct away *away_create(struct client_request *r, uint64_t lane_ms, away_answer_cb on_answer,
                         away_failed_cb on_failed);
/* Sends the request as it came to the node; on_failed may run before it returns. */
void away_send(struct away *a, struct router_node *n);
/* Calls `again` once the cluster has been asked anew. */
void away_wait(struct away *a, void (*again)(struct away *a));

#endif
