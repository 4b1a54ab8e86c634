/* A node's part in the verdict on sites: it follows what is agreed, tells the others what it has
 * found, and where it leads group 0 proposes what its judge decides. */
#ifndef CLUSTER_SITE_DRIVE_H
#define CLUSTER_SITE_DRIVE_H

#include "broker.h"

/* Group 0's shard, every tick; it does something ten times a second. */
void site_drive(struct broker_group *g);
/* What another node told; shard 0. Malformed messages are ignored. */
void site_on_message(struct broker *b, uint32_t from_node_id, struct bytes message);

/* The first verdict, or the one that follows `previous` where other sites have nodes now: false
 * when nothing is to be said, or not all of them are known yet. Group 0's shard, or its lock. */
bool site_next_of_nodes(const struct metadata *m, struct router_verdict *next);

#endif
