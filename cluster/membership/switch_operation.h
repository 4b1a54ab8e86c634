/* A planned switch as an operator sees it: what it would do, how it is begun, how far it is.
 *
 * Begun it is one change of group 0; what follows is everyone's own (switch_drive.h), so the node
 * that was asked, and the command, may die. */
#ifndef CLUSTER_MEMBERSHIP_SWITCH_OPERATION_H
#define CLUSTER_MEMBERSHIP_SWITCH_OPERATION_H

#include "broker.h"
#include "controller.h"

struct switch_wish {
    bool is_back;
    char from[METADATA_SITE_SIZE];
    char to[METADATA_SITE_SIZE]; /* "": wherever the groups' other voters are */
    int64_t lag_ms_max;          /* a target beyond it: refused */
    int64_t deadline_ms;         /* from group 0's word on; afterwards all is as before */
};

/* One leader that would move. */
struct switch_move {
    uint32_t group_id, from_node, to_node; /* of an asynchronous group to_node is to vote, too */
    bool is_level;                         /* the target is near enough to take it at once */
    uint64_t lag_records, lag_bytes, lag_ms;
};

struct switch_plan {
    char from[METADATA_SITE_SIZE], to[METADATA_SITE_SIZE];
    unsigned count;
    struct switch_move moves[METADATA_GROUPS_MAX];
    uint64_t lag_records, lag_bytes; /* of all targets together */
    uint64_t lag_ms;                 /* of the one that lags most */
    int64_t pause_ms;                /* expected, for each group; -1: nothing was measured yet */
};

/* What it would do now, by this node's copy of group 0 and what leaders tell. 0, or ERR_NOT_FOUND
 * (no such site; nothing to take back), ERR_EXISTS (a switch stands, or is under way), ERR_INVALID,
 * ERR_CANT_CHANGE (a target is silent, unknown or lags too much) with the reason in words: then
 * the plan is filled as far as it goes. Any thread; `plan` is large. */
int switch_operation_plan(struct broker *b, const struct switch_wish *wish,
                          struct switch_plan *plan, struct err_note *note);

struct switch_request;
/* Status 0: group 0 has taken it. Else what controller_cb gives, or group 0's verdict. */
typedef void (*switch_operation_cb)(struct switch_request *req, int status);

/* Embed it; borrowed until cb. */
struct switch_request {
    void *data;
    struct switch_wish wish;
    struct shard *home;     /* where cb runs */
    uint64_t timeout_ms;    /* for group 0's word */
    struct err_note note;   /* out: why it was refused */
    uint64_t epoch;         /* out: the failover epoch that it raised */
    switch_operation_cb cb; /* private from here on */
    struct broker *broker;
    struct controller_change change;
};

/* Begins what was planned. `cb` runs exactly once, later. Any thread. */
void switch_operation_start(struct broker *b, struct switch_request *req,
                            const struct switch_plan *plan, switch_operation_cb cb);

#endif
