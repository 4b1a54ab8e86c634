/* The node's own eye on its disk: free space, how long the WAL takes, and what follows from it. */
#ifndef CLUSTER_UPKEEP_DISK_WATCH_H
#define CLUSTER_UPKEEP_DISK_WATCH_H

#include "broker.h"

struct disk_watch;

/* Begins to watch; `lock_descriptor` is the data folder's lock. Returned owned; it lives as long as
 * the process. 0, or UV_ENOMEM. */
int disk_watch_create(struct broker *b, int lock_descriptor, struct disk_watch **watch);

/* About every 10 ms, on shard 0. May end the process: see disk_hang_ms_max. */
void disk_watch_tick(struct disk_watch *w);

/* About every 10 ms, on the group's shard: may it take new data? */
void disk_watch_group(struct broker_group *g);

#endif
