/* A node's part in the verdict on sites (part.h), in the daemon. */
#ifndef CLUSTER_SITE_DRIVE_H
#define CLUSTER_SITE_DRIVE_H

#include "broker.h"

/* Group 0's shard, every tick. */
void site_drive(struct broker_group *g);
/* What another node told; shard 0. Malformed messages are ignored. */
void site_on_message(struct broker *b, uint32_t from_node_id, struct bytes message);

#endif
