/* The peer links follow the nodes of group 0: who is added is called, who moved is found, who is
 * gone is refused. Also how long each node has been silent, as heard here. */
#ifndef CLUSTER_MEMBERSHIP_NODE_PEERS_H
#define CLUSTER_MEMBERSHIP_NODE_PEERS_H

#include "broker.h"

/* Links as the metadata says now. Shard 0, or before the shards run. */
void node_peers_sync(struct broker *b);

/* Each tick, shard 0. */
void node_peers_tick(struct broker *b);

#endif
