/* The inside of produce: a client's request, and what of it is on its way to one node. */
#ifndef ROUTER_PRODUCE_PARTS_H
#define ROUTER_PRODUCE_PARTS_H

#include <uthash.h>

#include "router/client.h"
#include "router/cluster_map.h"
#include "router/deadline.h"
#include "router/node_pool.h"
#include "router/own_request.h"

struct produce;

/* A partition, as a client names it. Two topics whose names have the same hash would wait for each
 * other, and no more. */
struct produce_place {
    uint64_t name_hash, partition_index;
};

/* One batch. */
struct produce_item {
    struct produce *produce;
    struct produce_item *earlier, *later; /* not done, of the same client and partition */
    struct produce_place place;
    UT_hash_handle hh;        /* in client->produce_lines: the last one of its partition */
    int32_t topic, partition; /* places in the message */
    int16_t error_code;       /* of the last try */
    int32_t node_id;          /* where it is, while it is away */
    bool is_done, is_away;
    bool is_held;        /* it had to wait: until it is accepted it goes alone in its partition */
    bool is_refused;     /* by whom the map names: it waits for news of the cluster */
    bool has_overtaken;  /* an earlier one came to be held while it was away */
    bool may_be_written; /* an earlier try's fate is unknown */
};

/* Some items on their way to one node; owned. One that is given up is not waited for any more: its
 * items may be on their way to another node, and what comes back of it tells nothing. */
struct produce_part {
    struct produce *produce;
    struct router_node *node;
    uint64_t sent_ms;
    bool is_given_up;
    struct produce_part *next; /* of the same request, waited for too, or to be sent */
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

static inline struct kafka_produce_response_partition *produce_answer_to(struct produce *p,
                                                                         unsigned i)
{
    return &p->response.topics[p->items[i].topic].partitions[p->items[i].partition];
}

static inline bool produce_item_waits(const struct produce_item *item)
{
    return !item->is_done && !item->is_away;
}

/* produce_line.c: all items, as the last ones of their partitions; one of them is done. */
uint64_t produce_line_hash(struct kafka_string topic);
void produce_line_join(struct produce *p);
void produce_line_leave(struct produce_item *item);
bool produce_line_is_first(const struct produce_item *item);
/* Would it come before an earlier one, or too close behind one that is held, at this node? */
bool produce_line_would_overtake(const struct produce_item *item, int32_t node_id);
/* It has to go once more; it was accepted, now what was held behind it may go. */
void produce_line_hold(struct produce_item *item);
void produce_line_accept(struct produce_item *item);

/* produce_answer.c: does its leader know it when it comes again? */
bool produce_is_idempotent(struct bytes records);
/* Who leads the item's partition, as far as is known. */
int32_t produce_leader_id(const struct produce *p, unsigned i);
/* It is done; or, as the answer says, done or held. */
void produce_end_item(struct produce *p, unsigned i, int16_t error_code);
void produce_settle(struct produce *p, unsigned i, int16_t error_code);
/* What an answer names; then what it did not name, and all where there is none. */
void produce_take_answer(struct produce *p, const struct produce_part *part, struct slice answer);
void produce_settle_rest(struct produce *p, const struct produce_part *part, int status);

/* produce_part.c: the request with this part's items alone, into part->writer. */
int produce_write_part(struct produce_part *part, uint64_t now_ms);

#endif
