/* The world of one test file, with one client in it: what most tests of handlers begin and end
 * with. Each file that includes this has its own. */
#ifndef ROUTER_STAGE_H
#define ROUTER_STAGE_H

#include <criterion/criterion.h>

#include "router_world.h"

static struct world w;
static struct world_client client;

static inline void open_world_with(const char *settings)
{
    world_open_with(&w, settings);
    world_connect(&w, &client);
}

static inline void open_world(void)
{
    open_world_with("");
}

static inline void close_world(void)
{
    world_disconnect(&client);
    world_close(&w);
}

/* How many requests of clients have come to the node. */
static inline unsigned count_at(int32_t node)
{
    world_settle(&w);
    return world_node(&w, node)->call_count;
}

/* Where a request that any node may answer went; -1: to none yet. */
static inline int32_t asked_node(void)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (count_at(id) > 0)
            return id;
    return -1;
}

/* The router asks who leads, and has heard it when this returns. */
static inline void learn_leaders(void)
{
    cluster_map_want(&w.shard, kafka_string_of("t"));
    world_pass_ms(&w, 60);
}

/* Another node leads the partition (-1: none), and the router knows. */
static inline void set_leader(int32_t partition, int32_t node)
{
    w.leaders[partition] = node;
    learn_leaders();
}

#endif
