/* The inside of produce: a client's request, and what of it is on its way to one node. */
#ifndef ROUTER_PRODUCE_PARTS_H
#define ROUTER_PRODUCE_PARTS_H

#include "router/client.h"
#include "router/cluster_map.h"
#include "router/deadline.h"
#include "router/node_pool.h"
#include "router/own_request.h"

struct produce_item {
    int32_t topic, partition; /* places in the message */
    int16_t error_code;       /* of the last try */
    int32_t node_id;          /* where it is, while it is away */
    bool is_done, is_away;
    bool is_held;        /* it had to wait: what comes later for its partition waits for it */
    bool is_refused;     /* by whom the map names: it waits for news of the cluster */
    bool may_be_written; /* an earlier try's fate is unknown */
};

/* Some items on their way to one node; owned. One that is given up is not waited for any more: its
 * items may be on their way to another node, and what comes back of it tells nothing. */
struct produce_part {
    struct produce *produce;
    struct router_node *node;
    uint64_t sent_ms;
    bool is_given_up;
    struct produce_part *next; /* of the same request, waited for too */
    struct upstream_call call;
    struct kafka_writer writer;
    unsigned count;
    unsigned items[]; /* places in produce->items */
};

struct produce {
    struct client_request *request;
    const struct kafka_produce_request *message;
    struct kafka_produce_response response;
    struct produce_item *items;
    unsigned item_count, done_count, away_count; /* away: parts */
    bool is_waiting, was_tried;
    bool was_held, was_sent;    /* for the counts: once at least */
    struct produce_part *parts; /* that are waited for */
    uint64_t deadline_ms;       /* so long it looks for a leader, … */
    uint64_t answer_ms;         /* … and so long for its answer */
    struct deadline deadline;
    struct map_waiter waiter;
    struct produce *next; /* of the same client, later */
};

/* What the client asked for in this place. */
static inline const struct kafka_produce_request_partition *produce_asked(const struct produce *p,
                                                                          unsigned i)
{
    return &p->message->topics[p->items[i].topic].partitions[p->items[i].partition];
}

/* produce_part.c: the request with this part's items alone, into part->writer. */
int produce_write_part(struct produce_part *part, uint64_t now_ms);

#endif
