/* The inside of a router's operator port. All on the port's thread. */
#ifndef ROUTER_ADMIN_PARTS_H
#define ROUTER_ADMIN_PARTS_H

#include "base/http_port.h"
#include "router/process.h"

struct router_admin {
    struct router_process *process;
    struct shard *shard; /* the port's own thread and loop */
    struct http_port *port;
    struct clock clock;
    char host[CONF_HOST_SIZE]; /* it listens on */
    struct work_item begin_item;
};

/* All shards' boards put together. */
struct router_survey {
    struct counts counts; /* sums */
    unsigned shard_count, silent_count;
    uint64_t settings_number; /* the lowest: all have taken these */
    unsigned clients;
    size_t held_bytes;
    unsigned topics;
    struct view view; /* the first shard's */
    bool is_written;  /* every shard has told something */
    unsigned node_count;
    struct board_node nodes[NODES_MAX]; /* up: for every shard that knows it */
    bool is_up[ROUTER_SHARDS_MAX];      /* the shard answers */
};

/* On the heap (free); NULL without memory. */
struct router_survey *router_survey_take(struct router_admin *a);

void router_resource_livez(struct http_call *call);
void router_resource_readyz(struct http_call *call);
void router_resource_metrics(struct http_call *call);
void router_resource_state(struct http_call *call);
void router_resource_reload(struct http_call *call);

#endif
