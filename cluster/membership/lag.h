/* How far each replica of each raft group is behind, known on every node.
 *
 * Only a group's leader can measure it, so leaders tell the others a few times a second. What was
 * told last stays when the leader is gone, with its age: that is what is known then. */
#ifndef CLUSTER_MEMBERSHIP_LAG_H
#define CLUSTER_MEMBERSHIP_LAG_H

#include "base/bytes.h"
#include "broker.h"

enum lag_certainty {
    LAG_UNKNOWN = 0,  /* no leader has heard this replica */
    LAG_MEASURED = 1, /* by the leader */
    LAG_AT_MOST = 2,  /* this leader has not heard it, but the one before knew where it was */
    LAG_AT_LEAST = 3  /* it lacks more than this leader has counted */
};

struct lag_view {
    uint32_t node_id;
    bool is_voter;
    bool is_level;
    enum lag_certainty certainty;
    uint64_t match_index; /* durable there; 0: UNKNOWN */
    uint64_t entries, records, bytes;
    uint64_t ms; /* since the oldest entry that it lacks */
};

struct lag_group {
    bool is_told;            /* anything was */
    bool is_confirmed;       /* and lately, by a leader that serves */
    uint64_t told_ms;        /* so long ago */
    uint32_t leader_node_id; /* who told */
    uint64_t last_index;     /* of its log */
    unsigned count;          /* of `replicas`: all members, the leader's own included */
    struct lag_view replicas[REPL_MEMBERS_MAX];
};

/* Of all groups of the cluster. Returned owned (lag_board_destroy). */
struct lag_board;
int lag_board_create(struct lag_board **board);
void lag_board_destroy(struct lag_board *board);

/* The leader's own view, kept for lag_tell. On the group's shard, with the others of its kind. */
void lag_watch(struct broker_group *g, const struct repl_group_status *status);
/* Tells the other nodes about the groups led here. Shard 0, a few times a second. */
void lag_tell(struct broker *b);
/* What another node told; shard 0. Malformed messages are ignored. */
void lag_on_message(struct broker *b, uint32_t from_node_id, struct bytes message);

/* False when nothing was ever told of the group. Any thread. */
bool lag_of_group(struct broker *b, uint32_t group_id, struct lag_group *lag);
/* One replica's, when it was told lately; else false. Any thread. */
bool lag_of(struct broker *b, uint32_t group_id, uint32_t node_id, struct lag_view *view);

#endif
