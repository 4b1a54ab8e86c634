/* What groups and node know of each other inside replication/. */
#ifndef REPLICATION_NODE_INTERNAL_H
#define REPLICATION_NODE_INTERNAL_H

#include "replication/node.h"

/* Sends on CONTROL or SHIPPING, from any shard: posts to shard 0 when needed (then a failure is
 * silent, as a lost frame is). ENTRIES go by the group's own shard. */
int node_send(struct repl_node *n, uint32_t group_id, uint32_t node_id, enum net_channel channel,
              const struct net_frame *frame);

/* How far a replica has applied, and when it looked. */
struct repl_place {
    uint64_t position; /* applied index */
    struct repl_totals totals;
    int64_t wall_ms;
};
/* What a group knows of its leader, for the map and the heartbeats; `place` is its own, NULL where
 * it tells of no leader. Any shard. */
void node_publish(struct repl_node *n, uint32_t group_id, uint64_t leader_raft_id, uint64_t term,
                  uint64_t commit_index, const struct repl_place *place);

/* This node's replica leads the group and hears no majority of its voters, or does again: the
 * heartbeats say so. Any shard. */
void node_publish_deaf(struct repl_node *n, uint32_t group_id, bool is_deaf);

/* This node's replica is the group's only voter, or no longer. Any shard. */
void node_publish_alone(struct repl_node *n, uint32_t group_id, bool is_alone);

/* A replica of this node serves as leader, so long after the last word of the one before. Any
 * shard. */
void node_note_election(struct repl_node *n, bool is_handed_over, uint64_t took_ms);

/* This node's replica has given its lead away; nobody is known to have taken it, or somebody is, or
 * it is given up. Any shard. */
void node_publish_handover(struct repl_node *n, uint32_t group_id, bool is_under_way);

bool node_is_alive(struct repl_node *n, uint32_t node_id);
/* When it last sent anything, if its last word of a group was heard then: at the latest when it
 * should have said the next one. */
uint64_t node_last_sign_ns(struct repl_node *n, uint32_t node_id, uint64_t word_ns);
/* It said something within its last two heartbeats: as sure as one can be without asking. */
bool node_is_heard(struct repl_node *n, uint32_t node_id);
/* The node is alive, and what was heard then is of the life, and so of the incarnation, that it has
 * now: one that was emptied may be back a moment later, as another server. */
bool node_has_said(struct repl_node *n, uint32_t node_id, uint64_t heard_ns);
uint32_t node_own_id(const struct repl_node *n);
/* It has been running groups since this node started: a heartbeat was heard. */
bool node_is_known(struct repl_node *n, uint32_t node_id);
/* Nothing was ever heard of it, nor that nobody listens there. */
bool node_is_awaited(struct repl_node *n, uint32_t node_id);
/* Since this node started. */
uint64_t node_age_ms(const struct repl_node *n);
/* Alive, running its groups, and not about to stop. */
bool node_may_lead(struct repl_node *n, uint32_t node_id);
/* That has been so, or not been so, for settle_ms; of a node that comes and goes longer, the more
 * often it does. Of this node always. */
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
/* The quiet time before leaders go home. */
uint64_t node_settle_ms(const struct repl_node *n);
/* At most one leader that goes home, or is sent away, in return_every_ms. */
bool node_may_return_leader(struct repl_node *n);

#endif
