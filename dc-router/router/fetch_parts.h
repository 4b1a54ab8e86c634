/* The inside of fetch: what a client asked for, and what is asked of each node for it. */
#ifndef ROUTER_FETCH_PARTS_H
#define ROUTER_FETCH_PARTS_H

#include "router/client.h"
#include "router/cluster_map.h"
#include "router/deadline.h"
#include "router/fetch_state.h"
#include "router/node_pool.h"
#include "router/own_request.h"

/* One partition of a client's fetch. */
struct fetch_item {
    bool is_refused; /* it is not asked for anywhere */
    const struct kafka_fetch_request_topic *topic;
    const struct kafka_fetch_request_partition *partition;
    struct kafka_fetch_response_partition *into;
    struct router_node *node; /* who is asked, or NULL */
    bool is_near_unfit;       /* a replica of this site is named, and can't be asked */
};

/* What is asked of one node. */
struct fetch_call {
    struct client *client; /* claimed until it is back */
    struct fetch_state *state;
    struct router_node *node;
    struct lane_call call;
    struct slice wanted;   /* as it was encoded: what another fetch is compared with */
    struct slice sent;     /* the same, or with less waiting and fewer bytes */
    size_t promised_bytes; /* of the shard's: its answer may be as large */
    struct slice answer;   /* once it is here and nobody took it */
    int16_t version;
    int status;
    bool is_back, is_wanted;
    struct fetch_call *next;
};

struct fetch {
    struct client_request *request;
    const struct kafka_fetch_request *message;
    struct kafka_fetch_response response;
    struct fetch_item *items;
    unsigned item_count;
    bool has_begun;       /* nodes were asked: what comes back is for this one */
    bool has_errors;      /* found before anybody was asked */
    uint64_t deadline_ms; /* so long it waits for something */
    struct deadline deadline;
    struct map_waiter waiter;
    struct own_answer *taken; /* decoded answers; one for each call that is back */
    struct slice *kept;
    unsigned taken_count;
};

struct fetch_state {
    struct fetch_call *calls;
    struct fetch *fetch; /* that waits; the client has one under way as a rule */
};

/* fetch_call.c: asks the node for the fetch's partitions there, unless just that is asked for
 * already. */
void fetch_ask_node(struct fetch *f, struct router_node *n);
void fetch_free_call(struct fetch_call *call);
/* What nobody wants any more may run out at its node, but for the oldest beyond a few. */
void fetch_end_unwanted(struct fetch_state *f);
/* Is it at its node, not waiting for a lane? */
bool fetch_call_is_at_node(const struct fetch_call *call);
/* fetch.c: something came back. */
void fetch_advance(struct fetch *f);

#endif
