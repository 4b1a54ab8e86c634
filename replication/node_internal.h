/* What groups and node know of each other inside replication/. */
#ifndef REPLICATION_NODE_INTERNAL_H
#define REPLICATION_NODE_INTERNAL_H

#include "replication/node.h"

/* Sends on CONTROL or SHIPPING, from any shard: posts to shard 0 when needed (then a failure is
 * silent, as a lost frame is). ENTRIES go by the group's own shard. */
int node_send(struct repl_node *n, uint32_t group_id, uint32_t node_id, enum net_channel channel,
              const struct net_frame *frame);

/* What a group knows of its leader, for the map and the heartbeats. Any shard. */
void node_publish(struct repl_node *n, uint32_t group_id, uint64_t leader_raft_id, uint64_t term,
                  uint64_t commit_index);

/* This node's replica leads the group and hears no majority of its voters, or does again: the
 * heartbeats say so. Any shard. */
void node_publish_deaf(struct repl_node *n, uint32_t group_id, bool is_deaf);

bool node_is_alive(struct repl_node *n, uint32_t node_id);
uint32_t node_own_id(const struct repl_node *n);
/* It has been running groups since this node started: a heartbeat was heard. */
bool node_is_known(struct repl_node *n, uint32_t node_id);
/* Since this node started. */
uint64_t node_age_ms(const struct repl_node *n);
/* Alive, running its groups, and not about to stop. */
bool node_may_lead(struct repl_node *n, uint32_t node_id);
/* That has been so, or not been so, for settle_ms. Of this node always. */
bool node_is_settled(struct repl_node *n, uint32_t node_id);
/* This node is about to stop, and its peers were told. */
bool node_is_leaving(const struct repl_node *n);
/* How its disk does; OK where it was never told. Any shard. */
enum repl_disk_state node_disk_state(struct repl_node *n, uint32_t node_id);
/* No room but the reserve; half of that is gone; its WAL has no file left. */
bool node_disk_is_full(struct repl_node *n, uint32_t node_id);
bool node_disk_is_low(struct repl_node *n, uint32_t node_id);
bool node_disk_is_out_of_files(struct repl_node *n, uint32_t node_id);
/* So long our own disk has been in its state. */
uint64_t node_disk_for_ms(struct repl_node *n);
/* Entries sent to the peer and not acknowledged, by all groups. Any shard. */
bool node_has_window(struct repl_node *n, uint32_t node_id, size_t bytes);
/* Returns how much is to be given back: nothing of a peer that was never heard. */
size_t node_window_take(struct repl_node *n, uint32_t node_id, size_t bytes);
void node_window_give(struct repl_node *n, uint32_t node_id, size_t bytes);
/* May more of a snapshot be asked for now? All groups of this node share a rate. */
bool node_may_fetch(struct repl_node *n);
/* So many bytes of files are asked for; they have come, or are waited for no longer. */
void node_fetches(struct repl_node *n, size_t bytes);
void node_fetched(struct repl_node *n, size_t bytes);
/* Is so much under way, for all groups, that only who has nothing under way should ask for more? A
 * quarter of what may be: sources keep half of their window to a peer for it, and drop the rest. */
bool node_fetches_enough(const struct repl_node *n);
/* Half as much at least: who sends it has had no rest. */
bool node_fetches_much(const struct repl_node *n);
enum repl_ship_compression node_ship_compression(const struct repl_node *n);
/* At most one returning leader in 100 ms. */
bool node_may_return_leader(struct repl_node *n);

#endif
