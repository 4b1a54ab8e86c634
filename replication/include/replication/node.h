/* What the raft groups of one node share: who lives, who leads, and the frames to peers.
 *
 * One heartbeat frame per node pair for all groups carries, per led group, leader, term, commit
 * position and the leader's clock; every node keeps the map, so every node answers Metadata. Any
 * byte received is a sign of life; silence of about gone_ms, or a refused connection, means gone
 * (design, section 5, fast failover).
 *
 * The node lives on shard 0. Groups live on any shard; what crosses is posted. */
#ifndef REPLICATION_NODE_H
#define REPLICATION_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/net.h"
#include "base/random.h"
#include "base/work.h"
#include "replication/disk_state.h"
#include "replication/group.h"

#define REPL_NODES_MAX  64 /* that this node ever meets; each keeps its place */
#define REPL_SHARDS_MAX 64

/* Frames of the layers above (founding, forwarded requests) travel beside raft's. */
typedef void (*repl_application_cb)(void *data, uint32_t from_node_id, struct bytes message,
                                    struct buffer *owner);
typedef void (*repl_node_change_cb)(void *data);

/* Are segments compressed on their way to other sites? Both ends must agree to it. */
enum repl_ship_compression {
    REPL_SHIP_COMPRESSION_AUTO,   /* while the link is what a returning replica waits for, and it
                                     gains */
    REPL_SHIP_COMPRESSION_ALWAYS, /* whatever the link takes, but not what gains nothing */
    REPL_SHIP_COMPRESSION_NEVER
};

struct repl_node_options {
    uint32_t node_id;
    uint64_t incarnation;
    char site[32];
    const struct clock *clock;
    struct random *random;
    unsigned heartbeat_ms;          /* between heartbeat frames, default 75 */
    unsigned gone_ms;               /* silence after which a peer is gone, default 300 */
    unsigned settle_ms;             /* quiet time before leaders return to their preferred node */
    unsigned return_every_ms;       /* ... one of this node's at a time; 0: 100 */
    unsigned freeze_ms_max;         /* the quiet time of a node that is lost again and again
                                       doubles up to this; 0: it does not */
    size_t peer_window_bytes;       /* of entries to a peer, sent and not acknowledged, all groups
                                       together; a group without any sends one frame; 0: no limit */
    uint64_t ship_bytes_per_second; /* of segments fetched by this node, all groups, as they are in
                                       files; 0: no limit */
    enum repl_ship_compression ship_compression; /* of what it sends and fetches */
    repl_application_cb on_application;          /* on shard 0 */
    void *application_data;
    repl_node_change_cb on_change; /* leadership or liveness map changed; on shard 0 */
    void *change_data;
};

/* Returned owned (repl_node_destroy). */
int repl_node_create(const struct repl_node_options *options, struct repl_node **node);
void repl_node_destroy(struct repl_node *n);

/* Before shards run: shard `index` has this network for its own frames and this home. Shard 0's
 * network carries CONTROL and SHIPPING for all. */
void repl_node_set_shard(struct repl_node *n, unsigned index, const struct net *net,
                         const struct work *home);

/* What the network of a shard reports to (see struct net_handler): valid as long as the node. */
struct net_handler repl_node_handler(struct repl_node *n, unsigned shard);

/* A group joins or leaves the node (called by repl_group_create and destroy). */
int repl_node_add_group(struct repl_node *n, struct repl_group *g, uint32_t group_id,
                        unsigned shard);
void repl_node_remove_group(struct repl_node *n, uint32_t group_id);

/* About every 10 ms, on shard 0: heartbeats, liveness, returning leaders. */
void repl_node_tick(struct repl_node *n);

/* The map, readable on any shard (a copy that is at most a tick old). */
struct repl_leader {
    uint32_t node_id; /* 0: none known */
    uint64_t term;
    uint64_t commit_index;
    uint64_t heard_ns; /* clock time when this was last confirmed */
};
/* False, with node id 0 and the rest as last known, when nobody is known to lead: also while the
 * connection to the leader's node is broken and nothing was heard from it since. */
bool repl_node_leader(struct repl_node *n, uint32_t group_id, struct repl_leader *leader);
bool repl_node_is_alive(struct repl_node *n, uint32_t node_id);
/* Until it is connected anew the node's word of who leads counts no more, and what it has said is
 * forgotten: it goes on in another history than this one (two forced recoveries of a group). Shard
 * 0. */
void repl_node_ignore_leaders(struct repl_node *n, uint32_t node_id);

/* How long a message takes to a peer and back: the mean of the last heartbeats, with what they
 * waited on both nodes. False when it is not known. Any thread. */
bool repl_node_round_trip(struct repl_node *n, uint32_t node_id, uint32_t *us);

/* How long groups were without a leader, in the newest elections that a node's replicas won: from
 * the last word of the leader before until they served. */
struct repl_election_report {
    uint32_t count; /* that the figures are of; 0: there were none */
    uint32_t median_ms, longest_ms;
};
/* As measured by this node, or heard of a peer: after leaders were lost, and when one handed over.
 * False when nothing is known. Any thread. */
bool repl_node_elections(struct repl_node *n, uint32_t node_id, struct repl_election_report *lost,
                         struct repl_election_report *handed_over);

/* How this node's disk does, a few times a second: it goes with the heartbeats, and groups go by
 * it. Any thread, one at a time. */
void repl_node_set_disk(struct repl_node *n, const struct repl_disk_report *report);
/* As last said by this node, or heard of a peer. False when nothing is known. Any thread. */
bool repl_node_disk(struct repl_node *n, uint32_t node_id, struct repl_disk_report *report);
/* Of all peers that are alive, at most REPL_NODES_MAX; returns how many. Any thread. */
unsigned repl_node_peer_disks(struct repl_node *n, struct repl_disk_report *reports);

/* This node is about to stop: its peers hear it and stand in its place, and its groups hand
 * leadership to level voters. Called again and again, from any thread: how many groups it still
 * leads and another could, or has given away without having heard who leads them; 0 also when
 * nobody is there to take them. There is no way back. */
unsigned repl_node_leave(struct repl_node *n);

/* Sends a message of the layer above on CONTROL. Shard 0. 0, ERR_CLOSED or ERR_BUSY. */
int repl_node_send(struct repl_node *n, uint32_t node_id, struct bytes message);

#endif
