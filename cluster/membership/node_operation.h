/* Nodes come and go: what an operator sees of them, and what may be asked.
 *
 * An operation is one change of group 0. What follows from it — replicas in, level, voting, old
 * ones out, one raft group at a time — is done by whoever leads group 0 and the groups, from what
 * group 0 and the raft configurations say: nobody drives it who could die of it. So an operation
 * is started here, and its progress is seen in the list of nodes. */
#ifndef CLUSTER_MEMBERSHIP_NODE_OPERATION_H
#define CLUSTER_MEMBERSHIP_NODE_OPERATION_H

#include "broker.h"
#include "cluster/placement.h"
#include "controller.h"

/* ---- the list ---- */

struct node_view {
    struct metadata_node node; /* as group 0 knows it: id, site, state, addresses */
    bool is_alive;             /* as this node hears it */
    unsigned voter_count;      /* groups it votes in now, as their leaders tell */
    unsigned learner_count;    /* groups it follows without a vote; group 0 is one of them */
    unsigned level_count;      /* voters that are level */
    unsigned wanted_count;     /* groups it is to vote in */
    unsigned leader_count;     /* groups it leads */
    unsigned preferred_count;  /* groups it is to lead */
};

struct node_list {
    unsigned count;
    struct node_view nodes[METADATA_NODES_MAX]; /* by id; those GONE included */
    unsigned group_count;
    unsigned moving_count; /* groups whose voters are not yet where they are to be */
};

/* Any thread; takes the metadata's read lock for a moment. */
void node_operation_list(struct broker *b, struct node_list *list);

/* ---- plan and start ---- */

enum node_operation_kind { NODE_ADD, NODE_REMOVE, NODE_REPLACE };

struct node_operation {
    enum node_operation_kind kind;
    uint32_t node_id;     /* ADD: the new one; REMOVE, REPLACE: the one that goes */
    uint32_t new_node_id; /* REPLACE */
    char site[32];        /* ADD; REPLACE takes the old one's */
    char peer_host[256];  /* ADD, REPLACE: the new one's peer address, or "": it will say it */
    uint16_t peer_port;
};

struct node_plan {
    unsigned move_count;
    struct placement_move moves[PLACEMENT_MOVES_MAX]; /* by group: enters, leaves; 0: nobody */
    unsigned leader_count;                            /* groups whose preferred leader changes */
};

/* What the operation would move, were it started now, by this node's copy of group 0.
 * 0, or ERR_INVALID, ERR_EXISTS, ERR_NOT_FOUND, ERR_CANT_CHANGE (the site rule, the last node of
 * its site …) with the reason in words. Any thread; `plan` is large: not on a shard's stack. */
int node_operation_plan(struct broker *b, const struct node_operation *operation,
                        struct node_plan *plan, struct err_note *note);

struct node_operation_request;
/* Status 0: group 0 has taken it. Else what controller_cb gives, or group 0's verdict: ERR_EXISTS,
 * ERR_NOT_FOUND, ERR_INVALID, ERR_CANT_CHANGE. */
typedef void (*node_operation_cb)(struct node_operation_request *req, int status);

/* Embed it; borrowed until cb. */
struct node_operation_request {
    void *data;
    struct node_operation operation;
    struct shard *home;   /* where cb runs */
    uint64_t timeout_ms;  /* for group 0's word, not for the moves */
    struct err_note note; /* out: why it was refused */
    node_operation_cb cb; /* private from here on */
    struct controller_change change;
};

/* Plans once more and refuses what the plan refuses, at once: then cb never runs and the note says
 * why. 0: cb runs once, later. Any thread. */
int node_operation_start(struct broker *b, struct node_operation_request *req,
                         node_operation_cb cb);

#endif
