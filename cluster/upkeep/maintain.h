/* What a group's leader does by itself: opens and closes partitions as the metadata says, applies
 * retention, expires idle producers; and for every replica: tail memory and checkpoints. */
#ifndef CLUSTER_UPKEEP_MAINTAIN_H
#define CLUSTER_UPKEEP_MAINTAIN_H

#include "broker.h"
#include "topic_config.h"

/* Proposes what the metadata wants and the group's log has not yet said. On the group's shard;
 * cheap when nothing is to do. Called when metadata changed, leadership was won, and each second.
 */
void maintain_partitions(struct broker_group *g);

/* The settings of the partition's topic; false when this node's metadata does not know it. */
bool maintain_settings_of(struct broker_group *g, const struct partition *p,
                          struct topic_settings *settings);

/* Keeps tails within their memory. About every 100 ms, group's shard. */
void maintain_tails(struct broker_group *g);

/* Retention, producer expiry, checkpoints. About once a second, group's shard. */
void maintain_group(struct broker_group *g);

/* Group 0's leader: registers nodes and the cluster itself. About once a second. */
void maintain_cluster(struct broker_group *g);

/* A change that nobody waits for: who proposes it looks again whether it is still needed. On group
 * 0's shard. */
void maintain_propose_metadata(struct broker_group *g, const struct metadata_change *change);

#endif
