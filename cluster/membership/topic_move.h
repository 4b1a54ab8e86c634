/* Partitions move from one raft group to another, for balance or because an operator says so.
 *
 * A move is started by one change of group 0. Everything after that is done by whoever leads the
 * two groups and by each of their replicas, from what group 0 and the groups' own logs say
 * (cluster/move_step.h): nobody drives it who could die of it, and it ends once majorities live and
 * every node of the new group has taken the files over, but those that are dead or leave. Producers
 * wait at the new leader for some milliseconds; consumers and committed offsets notice nothing.
 *
 * Moves are between groups with the same nodes: then nothing is copied. */
#ifndef CLUSTER_MEMBERSHIP_TOPIC_MOVE_H
#define CLUSTER_MEMBERSHIP_TOPIC_MOVE_H

#include "broker.h"
#include "controller.h"

/* ---- plan and start ---- */

/* What an operator asks for. */
struct topic_move_wish {
    char topic[METADATA_TOPIC_NAME_MAX + 1]; /* "": all topics (to_group is 0 then) */
    int32_t partition;                       /* -1: all of the topic */
    uint32_t to_group; /* 0: wherever it makes the number of partitions even over the groups, and
                          so over the nodes that lead them */
};

struct topic_move_item {
    char topic[METADATA_TOPIC_NAME_MAX + 1];
    uint8_t topic_id[16];
    int32_t partition;
    uint32_t from_group, to_group;
    uint32_t from_leader, to_leader; /* node ids where these groups' leaders belong */
};
#define TOPIC_MOVE_PLAN_MAX 256 /* of one plan; when there is more to do, plan again afterwards */

struct topic_move_plan {
    unsigned count;
    bool is_more; /* the plan is full, there is more to do */
    struct topic_move_item items[TOPIC_MOVE_PLAN_MAX];
};

/* What would move where, were it started now, by this node's copy of group 0. 0 (a count of 0:
 * nothing to do), or ERR_NOT_FOUND (no such topic, partition or group), ERR_EXISTS (it is moving),
 * ERR_CANT_CHANGE (the groups' nodes differ; one of them gives while the other takes; one is on its
 * way between nodes), ERR_INVALID (a topic that doesn't move), ERR_FULL, with the reason in words.
 * Any thread; `plan` is large. */
int topic_move_plan(struct broker *b, const struct topic_move_wish *wish,
                    struct topic_move_plan *plan, struct err_note *note);

struct topic_move_request;
/* Status 0: group 0 has taken all that the plan has. Else how many it took is in `started`, and the
 * first refusal is the status: what controller_cb gives, or one of the plan's. */
typedef void (*topic_move_cb)(struct topic_move_request *req, int status);

/* Embed it; borrowed until cb. */
struct topic_move_request {
    void *data;
    const struct topic_move_plan *plan; /* borrowed until cb */
    struct shard *home;                 /* where cb runs */
    uint64_t timeout_ms;                /* for group 0's word on each, not for the moves */
    unsigned started;                   /* out */
    topic_move_cb cb;                   /* private from here on */
    struct broker *broker;
    unsigned next;
    int status;
    struct controller_change change;
};

/* Starts what was planned. `cb` runs exactly once, later. Any thread. */
void topic_move_start(struct broker *b, struct topic_move_request *req, topic_move_cb cb);

/* ---- what is under way ---- */

struct topic_move_view {
    char topic[METADATA_TOPIC_NAME_MAX + 1];
    int32_t partition;
    uint32_t from_group, to_group;
    enum metadata_move_phase phase; /* from OPENING on its place is the new group */
    unsigned missing_count;         /* nodes of the new group that have not taken the files yet */
    uint32_t missing[METADATA_VOTERS_MAX];
};
const char *topic_move_phase_name(enum metadata_move_phase phase);
/* At most `count_max` of them; returns how many there are in all. Any thread. */
unsigned topic_move_list(struct broker *b, struct topic_move_view *views, unsigned count_max);

/* ---- the work, on each group's shard ---- */

/* About every 10 ms, and when group 0 changed. */
void topic_move_tick(struct broker_group *g);
/* The partition is on its way here, and not open yet: who asks for it waits. Any thread. */
bool topic_move_is_opening(struct broker *b, uint32_t group_id, uint32_t number);

#endif
