/* A request of a client to a node: there after a delay, worked on by the node's shard, answered
 * once, and the answer back after a delay, if it is not lost and the process lives so long.
 *
 * What the client hears is one of: the answer; UV_ECONNREFUSED (nobody listened: it was not done);
 * UV_ECONNRESET or ERR_TIMEOUT: of unknown fate. Calls of one client to one node arrive in
 * order. */
#ifndef SIM_CALL_H
#define SIM_CALL_H

#include "cluster/live_group.h"
#include "cluster/machine.h"
#include "sim/sim_node.h"

struct sim_call;
typedef void (*sim_call_cb)(struct sim_call *call);

struct sim_call {
    struct sim *sim;
    void *data;    /* the client's own */
    unsigned node; /* to whom */
    uint32_t group_id;
    sim_call_cb run;                /* at the node: must lead to sim_call_answer, now or later */
    sim_call_cb cb;                 /* at the client, once */
    int status;                     /* at the client: the answer, or what went wrong on the way */
    int answer;                     /* at the node */
    struct sim_group *group;        /* at the node */
    struct machine_request request; /* for whoever proposes an entry */
    struct repl_read read;          /* for fresh reads */
    struct log_read *log_read;      /* for reads of records */
    uint64_t number;                /* of the client: a batch's, an offset … */
    int64_t offset;                 /* of the client */
    int64_t position;               /* of the client: where it is, then where it reads on */
    int64_t committed;              /* of a consumed partition when its end was asked */
    uint64_t acknowledged_index;    /* fresh reads: what must be seen */
    uint32_t partition;             /* of the client */
    unsigned place;                 /* of the client: a consumed partition */
    struct sim_connection *connection; /* that it comes on; NULL: each finds its own way */
    uint64_t timeout_ns;               /* of the client; 0: the usual one */
    bool is_answered, is_done;         /* private */
    struct work_item item;             /* private */
    struct sim_life *life;             /* private */
    struct sim_call *next, **previous; /* private: open calls of the process */
};

/* What keeps a client's calls to a node in order. */
struct sim_wire {
    uint64_t last_ns[SIM_NODES_MAX];
};

/* A client's connection to one node. What it carries arrives in order, and may be held up for long,
 * by a cut that heals: the client has then given it up and gone on elsewhere. It ends with the
 * process that accepted it. */
struct sim_connection {
    unsigned node;
    struct sim_life *life; /* that accepted it; NULL: none was there */
    struct group_way way;  /* in which its client speaks, as that process numbers them */
    uint64_t last_ns;      /* when what was sent last arrives */
    uint64_t held_ns;      /* nothing arrives before */
    bool is_given_up;      /* by the client */
    bool is_closed;        /* by the node */
};

/* Sends it; takes the call, which is never freed by anyone (a run is a process). */
void sim_call_send(struct sim_call *call, struct sim_wire *wire);
/* The same on a connection, to its node. */
void sim_call_send_on(struct sim_call *call, struct sim_connection *connection);

/* Proposes call->request at the node and answers with what becomes of it. */
void sim_call_submit(struct sim_call *call);
/* The node's answer, on its shard: exactly once. */
void sim_call_answer(struct sim_call *call, int status);

/* The process is gone: its clients see their connections break. */
void sim_calls_broken(struct sim_life *life);

static inline bool sim_call_is_unknown(int status)
{
    return status == UV_ECONNRESET || status == ERR_TIMEOUT || status == ERR_LEADERSHIP_LOST ||
           status == ERR_CLOSED;
}

#endif
