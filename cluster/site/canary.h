/* The canary: each node tries the real path to each node, its own included (try.h), and tells what
 * came of it for their sites (board.h). Settings site_canary_ms. */
#ifndef CLUSTER_SITE_CANARY_H
#define CLUSTER_SITE_CANARY_H

#include "broker.h"

/* Returned owned by the broker, for the process; 0 or UV_ENOMEM. */
struct site_canary;
int site_canary_create(struct broker *b, struct site_canary **canary);
/* Every tick, and once before the loop ends. Shard 0. */
void site_canary_tick(struct site_canary *canary);
void site_canary_stop(struct site_canary *canary);

/* Where this node leads group 0: the canary's topic is there, with a partition for each raft group
 * of data. Group 0's shard, now and then. */
void site_canary_maintain(struct broker_group *g);

#endif
