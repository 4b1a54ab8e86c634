/* The inside of produce: a client's request, and what of it is on its way to one node. */
#ifndef ROUTER_PRODUCE_PARTS_H
#define ROUTER_PRODUCE_PARTS_H

#include "router/client.h"
#include "router/cluster_map.h"
#include "router/node_pool.h"
#include "router/own_request.h"

struct produce_item {
    int32_t topic, partition; /* places in the message */
    int16_t error_code;       /* of the last try */
    bool is_done, is_away;
    bool may_be_written; /* an earlier try's fate is unknown */
};

/* Some items on their way to one node; owned, for it may outlive the request's arena by nothing. */
struct produce_part {
    struct produce *produce;
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
    bool is_held, is_waiting, was_tried;
    bool was_held, was_sent; /* for the counts: once at least */
    uint64_t deadline_ms;
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
