/* The inside of a node; shared by node.c, which opens it, and node_run.c, which runs and stops it.
 */
#ifndef CLUSTER_NODE_PARTS_H
#define CLUSTER_NODE_PARTS_H

#include "node.h"
#include "start/storage.h"
#include "server/client_shard.h"

struct listener;

struct node_shard {
    struct node *node;
    struct shard *shard;
    uv_timer_t timer; /* ticks */
    unsigned tick_count;
    struct work_item stop_item;
};

struct node {
    struct broker broker;
    int lock_descriptor; /* of the data folder's lock */
    struct identity identity;
    struct repl_member founders[REPL_MEMBERS_MAX];
    unsigned founder_count;
    struct log_store *stores[METADATA_GROUPS_MAX]; /* by group id; constant */
    struct storage_report storage;                 /* what was damaged at this start; constant */
    struct listener *listener;
    struct node_shard shards[REPL_SHARDS_MAX];
    struct client_shard *client_shards; /* of all shards, in order */
};

/* Turns and ticks begin: everything is open. */
int node_run(struct node *n);

#endif
