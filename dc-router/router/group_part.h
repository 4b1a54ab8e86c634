/* A request about one consumer group on its way to the group's coordinator.
 *
 * The coordinator is looked for as any client would; where it has moved, it is looked for again and
 * the request goes there, for a while: all that is asked of coordinators may be asked twice. */
#ifndef ROUTER_GROUP_PART_H
#define ROUTER_GROUP_PART_H

#include "router/client.h"
#include "router/cluster_map.h"
#include "router/node_pool.h"

struct group_part;
/* Status 0: the coordinator's answer, borrowed, which can be read; ERR_MALFORMED: it was none (or
 * there was no memory to read it in); else no coordinator was found in time. */
typedef void (*group_part_cb)(struct group_part *p, int status, struct slice answer);

/* In the request's arena; set these four before the start. */
struct group_part {
    struct client_request *request;
    struct kafka_string group_id;
    struct kafka_slices inner; /* what is sent; lives as long as the request */
    uint64_t lane_ms;          /* so long its node may take, on a lane; 0: it is answered soon */
    group_part_cb cb;          /* private from here on */
    struct upstream_call call, find_call;
    struct lane_call lane_call;
    uint64_t looking_ms;                         /* since when it is at no node */
    unsigned tries;                              /* nodes that it was at without an answer */
    const struct router_node *sent_to, *left_at; /* the last node; that of the last such try */
    int64_t sent_life, left_life;                /* the nodes' lives then */
    struct group_part *parked_next;              /* of the same client, on a lane too */
    struct group_part *line_next;                /* behind it in the client's line */
    struct map_waiter waiter;
};

void group_part_start(struct group_part *p, group_part_cb cb);
/* The client's connection ends: joins and syncs that wait at nodes are given up, for they may wait
 * for minutes. */
void group_parts_abandon(struct client *c);

#endif
