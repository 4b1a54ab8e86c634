/* How a shard stands, written down by itself a few times a second for whoever asks: the operator's
 * port reads it, so that no question of an operator ever waits for a shard, nor a shard for one.
 * What it has not written for a while says that the shard hangs. */
#ifndef ROUTER_BOARD_H
#define ROUTER_BOARD_H

#include <pthread.h>
#include <stdbool.h>

#include "router/counts.h"
#include "router/node_pool.h"
#include "router/view.h"

#define BOARD_SILENT_MS 5000 /* not written for so long: the shard hangs */

struct router_shard;

struct board_node {
    int32_t id; /* -1: not known yet */
    char host[256];
    uint16_t port;
    char site[64];
    bool is_up;
    unsigned connections;
    unsigned calls; /* under way on its pipes */
};

struct board_notes {
    uint64_t written_ms; /* clock; 0: never */
    uint64_t settings_number;
    struct counts counts;
    unsigned clients;
    bool is_drained; /* it drains, and has no client any more */
    size_t held_bytes;
    unsigned topics, groups; /* that it knows */
    struct view view;
    unsigned node_count;
    struct board_node nodes[NODES_MAX];
};

struct board {
    pthread_mutex_t lock;
    struct board_notes notes; /* under the lock */
    uint64_t written_ms;      /* the shard's own */
};

void board_init(struct board *b);
/* About every 20 ms, on the shard: writes when it is time. */
void board_tick(struct router_shard *s, uint64_t now_ms);
/* Any thread. */
void board_read(struct router_shard *s, struct board_notes *into);

#endif
