/* The inside of a node; shared by node.c, which opens it, node_group.c, which opens its raft
 * groups, and node_run.c, which runs and stops it. */
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
    unsigned founded_group_count;                  /* group 0 included; constant */
    struct group_opening *opening;                 /* shard 0: node_group.c */
    struct log_store *stores[METADATA_GROUPS_MAX]; /* by group id; shard 0 */
    struct storage_report storage;                 /* what was damaged at this start; constant */
    struct listener *listener;
    struct node_shard shards[REPL_SHARDS_MAX];
    struct client_shard *client_shards; /* of all shards, in order */
};

/* The shard that a group belongs to. */
struct shard *node_shard_of(const struct broker *b, uint32_t group_id);
/* All groups that this folder knows of; their stores are open, shards don't run yet. */
int node_groups_open(struct node *n, struct err_note *note);
/* Bytes of recent entries that each group may keep in memory, of as many as there are now. */
size_t node_cache_share(const struct broker *b);
/* Opens the next group that group 0 says there is, if it is not under way. Shard 0, now and then.
 */
void node_groups_look(struct node *n);

/* Turns and ticks begin: everything is open. */
int node_run(struct node *n);

#endif
