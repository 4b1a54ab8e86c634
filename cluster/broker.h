/* The node as its requests see it: shards, raft groups, metadata, who leads.
 *
 * A raft group and its machine are touched on the group's shard only. What several shards read is
 * either constant after start, or says here how it is guarded. */
#ifndef CLUSTER_BROKER_H
#define CLUSTER_BROKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/random.h"
#include "base/shard.h"
#include "base/work.h"
#include "cluster/machine.h"
#include "cluster/metadata.h"
#include "conf/conf.h"
#include "log/scrub.h"
#include "log/wal.h"
#include "produce_jump.h"
#include "replication/node.h"
#include "replication/peer_link.h"
#include "site/part.h"
#include "start/recovery.h"

/* First byte of the messages that brokers send each other (repl_node_send). */
enum broker_message {
    BROKER_MESSAGE_CHANGE = 1,
    BROKER_MESSAGE_VERDICT = 2,
    BROKER_MESSAGE_LEVEL = 3,
    BROKER_MESSAGE_LAG = 4,
    BROKER_MESSAGE_HOME = 5,
    BROKER_MESSAGE_SITES = 6,
    BROKER_MESSAGE_RECOVERED = 16
};

struct broker;
struct client_count;
struct compaction;
struct client_shard;
struct coordinator;
struct disk_watch;
struct lag_board;
struct forecast_board;
struct controller;
struct rebuild;
struct produce_part;
struct site_board;
struct site_canary;
struct topic_move_work;

/* One raft group of this node. */
struct broker_group {
    struct broker *broker;
    uint32_t group_id;                /* constant; also the place in broker.groups */
    uint32_t generation;              /* constant: 0 until a forced recovery (recovered.h) */
    uint64_t recovery_id;             /* constant: 0 in generation 0 */
    struct shard *shard;              /* constant: the owner */
    atomic_uint_least64_t kept_index; /* by a forced recovery (recovered.c); 0: all that it has */
    struct random random;             /* of this group's elections */
    struct log_store *store;          /* shard only */
    struct machine *machine;          /* shard only */
    struct repl_group *raft;          /* shard only */
    struct compaction *compaction;    /* shard only */
    struct coordinator *coordinator;  /* shard only: consumer groups of its offsets partitions */
    bool is_tail_full;                /* shard only: batches wait until tails are in segments */
    uint64_t led_since_ms;            /* shard only: clock when this replica last came to lead */
    bool is_without_room;             /* shard only: disks have none for new data */
    uint64_t refused_at_ms;           /* shard only: when a batch was last refused for that; or 0 */
    struct produce_part *stalled_first, *stalled_last; /* shard only: wait for room in the log */
    struct produce_part *opening_first, *opening_last; /* shard only: wait for a partition that is
                                                          moving here */
    struct produce_jumps jumps;                        /* shard only: after a forced recovery */
    struct topic_move_work *moves;                     /* shard only: topic_move.c */
    uint64_t moved_in_at_ms; /* shard only: clock when a partition was last opened here so, or 0 */
    struct produce_part *waiting_for_sites; /* shard only: applied, fewer sites than required */
    atomic_bool has_given_up;               /* some of these two were given up */
    struct work_item reconcile_item;        /* posted by group 0 when metadata changed */
    atomic_bool is_reconcile_posted;        /* the item is queued */
    atomic_uint_least64_t level_mask;       /* node ids whose replica is level (level.c) */
    atomic_uint_least64_t level_at_ms;      /* when that was last confirmed */
    atomic_bool is_level_own;               /* by this node, which leads */
    atomic_uint_least64_t voter_mask;       /* node ids that vote, as last told (level.c) */
    atomic_uint_least64_t learner_mask;     /* ... that are members without a vote */
    uint64_t trimmed_at_ms;                 /* shard only: when tails were last looked at */
    uint64_t placed_at_ms;                  /* shard only: when its members were last looked at */
    uint64_t maintained_at_ms;              /* shard only: when upkeep was last done */
    uint64_t expired_at_ms;                 /* shard only: when idle producers were last expired */
    uint64_t retain_at_ms;                  /* shard only: when retention is looked at next */
    uint64_t checkpointed_at_ms;            /* shard only: when a checkpoint was last asked for */
};

struct broker {
    struct conf_settings conf;     /* constant */
    uint64_t incarnation;          /* constant */
    uint64_t cluster_id[2];        /* constant */
    struct clock clock;            /* any thread */
    struct disk disk;              /* any thread */
    struct disk wal_disk;          /* any thread; `disk` again where the WAL has none of its own */
    struct work_pool *wal_writer;  /* one thread */
    struct work_pool *readers;     /* cold reads, checkpoints, shipping */
    struct log_wal *wal;           /* any thread */
    struct log_folders *folders;   /* any thread: which stores name which partition folder */
    struct log_scrubber *scrubber; /* any thread */
    unsigned shard_count;          /* constant */
    struct shard *shards[REPL_SHARDS_MAX];
    struct peer_links *links;
    struct repl_node *node;    /* its map may be read on any shard */
    struct random node_random; /* of `node`, shard 0 */
    struct metadata *metadata; /* read under its lock */
    atomic_uint group_count;   /* group 0 included; rises when there is one more (node_group.c) */
    struct broker_group *groups[METADATA_GROUPS_MAX]; /* constant pointers below the count */
    struct disk_watch *disk_watch;                    /* shard 0: see its header */
    struct controller *controller;                    /* see controller.h */
    struct rebuild *rebuild;                          /* see rebuild.h */
    struct lag_board *lag;                            /* any thread: membership/lag.h */
    struct forecast_board *forecasts;                 /* any thread: membership/forecast.h */
    struct site_board *sites;                         /* any thread: site/board.h */
    struct site_canary *canary;                       /* shard 0: site/canary.h */

    /* node_drive.c, shard 0 */
    uint64_t driven_version; /* of the metadata when something was last proposed */
    uint64_t driven_at_ms;
    uint64_t settled_version;  /* of the placement, whose plan had nothing to do */
    uint64_t impossible_at_ms; /* when it was last told that there is no plan, or 0 */

    /* topic_drive.c, shard 0: as those above */
    uint64_t topics_driven_version, topics_driven_at_ms, topics_settled_version;
    uint64_t topics_waiting; /* partitions that are not yet where their topic wants them */
    uint64_t topics_told_at_ms;

    /* switch_drive.c, shard 0 */
    uint64_t switch_version; /* of the metadata when something was last proposed */
    uint64_t switch_at_ms;

    struct site_part site_part; /* site/drive.c, shard 0 */

    /* node_peers.c, shard 0 */
    bool are_peers_stale; /* group 0 has changed */
    uint64_t peers_synced_at_ms;
    uint64_t silent_since_ms[METADATA_NODES_MAX]; /* by node id; 0: it is heard */
    uint64_t gone_since_ms[METADATA_NODES_MAX];   /* since this node knows it, or 0; [0]: itself */

    struct client_count *client_count; /* of connections, see its header */
    struct client_shard *clients; /* constant; of all shards, in order: their counts are for any */
    atomic_uint_least64_t refused_connections; /* at a limit */
    _Atomic uint64_t connection_number;        /* of the newest */
    uint64_t life;                             /* of this process: drawn, not 0 */
    atomic_size_t request_bytes;               /* held by requests being read or worked on */
    atomic_size_t answer_bytes;  /* of other answers: made and not yet taken by their clients */
    atomic_size_t fetched_bytes; /* read for fetches and not yet taken by their clients */
    atomic_bool is_stopping;     /* no new connections */

    /* recovered.c, shard 0 */
    uint64_t restart_at_ms; /* an order is written, and the process is to begin again; or 0 */
    struct recovery_report recovery_report; /* constant: of this start */
    int64_t start_took_ms;                  /* constant: until shards ran; -1: not known */
    struct recovery_outcome *outcome;       /* recovery_outcome.c, while it is told */
    uint64_t outcome_at_ms;                 /* ... and when it was last looked at */
    bool has_told_two;                      /* ... recoveries of one generation */
    bool is_returning;                      /* constant: returning.h */
    atomic_bool should_restart;             /* any thread: when it stops, to begin again */
    uint64_t recovered_version; /* of the metadata when group 0's orders were last looked at */
    uint64_t recovered_at_ms;
    uint64_t current_index; /* of group 0, that its leader told after this process began; or 0 */
    atomic_bool is_current; /* any thread: ... and all up to there is applied here */
};

static inline bool broker_wal_has_own_disk(const struct broker *b)
{
    return b->wal_disk.data != b->disk.data;
}

/* The other nodes of the cluster, as group 0 and the configuration have them, but those GONE.
 * Returns how many. Any shard. */
unsigned broker_node_ids(struct broker *b, uint32_t node_ids[METADATA_NODES_MAX]);

/* NULL when the cluster has no such group. Any shard. */
struct broker_group *broker_group(struct broker *b, uint32_t group_id);

/* Runs `item` on the group's shard, in the order of posting. Any shard. */
void broker_group_post(struct broker_group *g, struct work_item *item, work_cb run);

/* Who leads the group as last heard; 0 when nobody is known. Any shard. */
uint32_t broker_group_leader(struct broker *b, uint32_t group_id, uint64_t *term);

/* Nobody is known to lead, but somebody did a moment ago: who asks for the leader waits and looks
 * again. Any shard. */
bool broker_group_is_electing(struct broker *b, uint32_t group_id);
#define BROKER_ELECTION_PAUSE_MS 10 /* between two looks */

/* Where a partition lives, copied out of the metadata. Any shard. */
struct broker_place {
    uint8_t topic_id[16];
    uint32_t group_id;
    uint32_t number;
    bool is_internal;
    bool is_deleted, is_compacted; /* cleanup.policy */
    int16_t min_insync_replicas; /* counted in sites; 1 of asynchronous groups: there is no other */
    int32_t max_message_bytes;
    bool is_log_append_time;
};
/* 0, or ERR_NOT_FOUND. */
int broker_find_partition(struct broker *b, const char *topic, size_t topic_size, int32_t partition,
                          struct broker_place *place);

#endif
