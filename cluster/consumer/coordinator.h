/* Consumer groups: the coordinator beside each raft group that carries partitions of
 * __consumer_offsets.
 *
 * The table (cluster/consumer_table.h) holds what entries made: committed offsets, generations,
 * members and assignments. Here is what only the leader does: sessions and their timers, joins
 * and syncs that wait, and the entries that follow from them. On the group's shard. */
#ifndef CLUSTER_CONSUMER_COORDINATOR_H
#define CLUSTER_CONSUMER_COORDINATOR_H

#include "broker.h"
#include "replication/group.h"

/* Lives as long as the group. */
int coordinator_create(struct broker_group *g, struct coordinator **coordinator);

/* Leadership was won (the table is complete) or lost (what waits is answered NOT_COORDINATOR). */
void coordinator_on_role(struct coordinator *c, enum repl_role role, uint64_t term);
/* About every 10 ms: sessions, rebalance timeouts. */
void coordinator_tick(struct coordinator *c);
/* Should another node not take over just now, if there is no need to? (`data`: the coordinator) */
bool coordinator_is_unsettled(void *data);

/* Where a consumer group's state lives: partition of __consumer_offsets by Kafka's hash. 0,
 * ERR_NOT_FOUND while the topic does not exist. Any shard. */
int coordinator_place(struct broker *b, const char *group_id, size_t group_id_size,
                      struct broker_place *place);

#endif
