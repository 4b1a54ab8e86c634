/* The inside of a node; shared by node*.c only. */
#ifndef REPLICATION_NODE_STATE_H
#define REPLICATION_NODE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "beat.h"
#include "election_time.h"
#include "message.h"
#include "node_internal.h"

#define GROUPS_MAX REPL_BEAT_ROWS_MAX

struct node_shard {
    struct repl_node *node;
    unsigned index;
    const struct net *net;
    const struct work *home;
};

struct node_peer {
    atomic_uint node_id;            /* 0: unused; written on shard 0 only */
    atomic_uint_least64_t alive_ns; /* last byte received */
    atomic_uint_least64_t back_ns;  /* when it was last connected, or alive again */
    atomic_uint_least64_t since_ms; /* may lead, or may not, without a break since */
    atomic_size_t window_bytes;     /* sent and not acknowledged */
    atomic_uint_least64_t lost_ms;  /* when it was last lost, and ... */
    atomic_uint flaps;              /* ... how often, each time soon after the last */
    atomic_bool is_alive;
    atomic_bool has_beaten;  /* a heartbeat was heard since it is alive: it has groups running */
    atomic_bool is_leaving;  /* it said so with its last heartbeat */
    atomic_bool was_known;   /* a heartbeat was ever heard */
    atomic_bool is_lost;     /* a connection was refused since the last byte */
    atomic_bool is_doubtful; /* the connection broke since the last byte */
    bool is_ignored;         /* repl_node_ignore_leaders; shard 0 */
    atomic_uint disk_state;  /* as in `disk`, to be read without the lock */
    atomic_bool disk_is_full, disk_is_low; /* likewise */
    atomic_bool disk_is_out_of_files;      /* likewise */
    struct repl_disk_report disk;          /* as last heard; under the node's lock */
    uint64_t echo_ns, echo_at_ns;          /* its clock as last heard, and when; shard 0 */
    atomic_uint round_trip_us;             /* mean of the last ones, 0: none yet */
    struct repl_election_report elections, transfers; /* as last heard; under the node's lock */
};

struct node_group {
    struct repl_group *_Atomic group; /* NULL: not here */
    unsigned shard;                   /* set before it */
    uint64_t leader;                  /* raft id; the map */
    uint64_t term;
    uint64_t commit;
    uint64_t heard_ns;
    struct repl_place place; /* of our own replica */
    bool is_deaf;            /* our replica leads and hears no majority */
    bool is_handing_over;    /* it has given its lead away, and nobody is known to have taken it */
    bool is_alone;           /* ... is the only voter */
};

struct repl_node {
    struct repl_node_options options;
    unsigned shard_count;
    struct node_shard shards[REPL_SHARDS_MAX];
    struct node_peer peers[REPL_NODES_MAX];
    pthread_mutex_t lock; /* guards groups' map fields, reports of disks and of elections */
    struct election_time elections, transfers; /* that replicas of this node won */
    struct node_group groups[GROUPS_MAX];
    uint64_t started_at_ms;
    uint64_t beaten_at_ms;
    uint64_t ticked_at_ms;        /* last tick; shard 0 */
    uint64_t awake_since_ns;      /* this process has run without a break; shard 0 */
    struct repl_disk_report disk; /* our own; under the lock */
    atomic_uint disk_state;       /* of it, to be read without the lock */
    atomic_bool disk_is_full, disk_is_low, disk_is_out_of_files; /* likewise */
    atomic_bool is_disk_news; /* our state has changed: peers hear it at once */
    atomic_bool is_lead_news; /* a replica of ours leads that did not: likewise */
    bool is_beat_due;         /* at the next tick; shard 0 */
    atomic_bool should_leave; /* asked for */
    atomic_bool is_leaving;   /* ... and told to the peers */
    atomic_uint_least64_t returned_at_ms;
    atomic_uint_least64_t fetched_until_ns; /* what was asked for takes until then, by the rate */
    atomic_size_t fetching_bytes;           /* asked for and not here */
    bool has_changed;                       /* shard 0: tell the owner at the tick's end */
};

/* The groups, as the node calls them; on their shard. */
void group_on_frame(struct repl_group *g, struct bytes frame, struct buffer *owner);
void group_on_node_gone(struct repl_group *g, uint32_t node_id);
void group_on_heartbeat(struct repl_group *g, const struct repl_beat_row *row);

/* node.c; shard 0 */
int node_send_between(struct repl_node *n, uint32_t node_id, enum repl_message_type type,
                      struct bytes rest);

/* node.c: NULL when it was never heard of. Any shard. */
struct node_peer *node_find_peer(struct repl_node *n, uint32_t node_id);

/* node_beat.c; shard 0 */
void node_on_beats(struct repl_node *n, uint32_t node_id, struct bytes beats);

/* node_disk.c: a peer has told of its disk. True when its state is another than before. */
bool node_hear_disk(struct repl_node *n, struct node_peer *p, const struct repl_disk_report *disk);

/* election_time.c: a peer has told of its elections. */
void node_hear_elections(struct repl_node *n, struct node_peer *p, const struct repl_beat *beat);

#endif
