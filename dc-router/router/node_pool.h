/* The nodes of the cluster as this shard reaches them: connections, and who answers.
 *
 * Two kinds of connections to each node. A *pipe* takes any number of calls, one behind another,
 * and carries what never waits long; a client's batches under way at a node all take the same one,
 * so their order is kept. A *lane* takes one call at a time and carries what waits by design:
 * fetches, joins and syncs, what has a timeout of its own. A node that answers nothing for a while
 * is *silent*: its connections end, and its calls with them, until a probe is answered again. One
 * that answers probes, and not the oldest call of a connection in time, loses that connection. */
#ifndef ROUTER_NODE_POOL_H
#define ROUTER_NODE_POOL_H

#include <uv.h>

#include "dc-router/policy.h"
#include "router/upstream.h"

#define NODE_PIPES_MAX       64
#define NODES_MAX            64
#define NODE_CONNECTIONS_MAX 16384 /* of a shard, to all of them */
#define LANE_REST_MS         10000 /* a lane of groups that nobody needs for so long ends */

/* A batch is as long under way as its partition needs: nothing else stands behind it. */
enum node_pipe_kind { NODE_PIPE_TALK, NODE_PIPE_BATCHES, NODE_PIPE_KINDS };

/* Members of a group wait for each other at their coordinator: were their joins in one line with
 * fetches, or with more of them than there are lanes, the last one would wait for the first. */
enum lane_kind { LANE_OTHERS, LANE_GROUPS, LANE_KINDS };

/* Whose calls they are. */
struct client_identity {
    struct bytes address;      /* 4 or 16 bytes in network order */
    int64_t number;            /* rises with each connection that the router takes, not 0 */
    struct node_moment *since; /* of each node by its place, when the connection was taken; owned by
                                * the client */
    unsigned since_count;
    /* Which of the nodes, and of a node's pipes, are its: spreads clients; moves only while none of
     * its batches is away. */
    unsigned turn;
    unsigned pipe_count; /* among which `turn` picks: of the settings when it was looked at last */
};

struct router_shard;
struct lane;

/* A node's lanes of one kind. */
struct lane_set {
    struct lane *first, *last; /* idle ones before busy ones */
    unsigned count;
    struct lane_call *waiting, **waiting_last; /* for a lane, in order */
};

struct router_node {
    struct router_shard *owner;
    int32_t id; /* -1: an address from the settings, whose node is not known */
    char host[256];
    uint16_t port;
    char site[64];
    bool is_name;         /* `host` has to be looked up */
    bool has_address;     /* `address` is known */
    bool is_looking_up;   /* look_up is under way, … */
    bool is_name_changed; /* … for a former name */
    bool is_doubted;      /* a connection failed since it was looked up */
    struct sockaddr_storage address;
    uv_getaddrinfo_t look_up;
    uint64_t looked_up_ms; /* last begun */
    unsigned address_turn; /* rises with each look: a name may have several */
    struct upstream *pipes[NODE_PIPE_KINDS][NODE_PIPES_MAX];
    struct upstream *own;      /* for the router's own questions */
    unsigned place;            /* rises in the order of coming, from 0 */
    struct node_moment moment; /* newest of the node's */
    struct lane_set lanes[LANE_KINDS];
    uint64_t looked_ms; /* at what is late */
    struct upstream *probe;
    struct upstream_call probe_call;
    bool is_probing;          /* probe_call is under way */
    bool has_answered;        /* a probe, ever */
    unsigned probes_failed;   /* since the last that was answered */
    enum router_stage failed; /* how far the newest of them came */
    bool is_silent;
    uint64_t answered_ms; /* last answer to a probe */
    uint64_t probed_ms;   /* last one sent */
    struct router_node *next;
};

/* uv_getaddrinfo, or a test's. */
typedef int (*node_look_up_fn)(uv_loop_t *loop, uv_getaddrinfo_t *look_up, uv_getaddrinfo_cb cb,
                               const char *host, const char *port, const struct addrinfo *hints);

struct node_pool {
    struct router_node *nodes;
    node_look_up_fn look_up; /* NULL: uv_getaddrinfo */
    unsigned node_count;
    unsigned upstream_count; /* connections in all */
};

/* A connection for one call that may wait. */
struct lane {
    struct router_node *node;
    struct upstream *upstream;
    enum lane_kind kind;
    bool is_busy;
    bool outlasts_silence; /* its call, while it is busy */
    uint64_t idle_ms;      /* since then, unless it is busy */
    struct lane *next, *previous;
};

/* As upstream_cb; besides, ERR_TIMEOUT: it got no lane in time, the node has seen nothing of it. */
struct lane_call;
typedef void (*lane_call_cb)(struct lane_call *call, int status, struct slice answer);

/* A call that has a lane to itself, or waits for one. Embed it, zeroed; borrowed until `cb`. */
struct lane_call {
    void *data;
    uint64_t give_up_ms; /* at the latest then `cb` runs */
    enum lane_kind kind;
    bool outlasts_silence; /* what a silent node has done is unknown: rather wait what it says */
    lane_call_cb cb;       /* private from here on */
    struct upstream_call call;
    struct router_node *node;
    struct lane *lane; /* NULL while it waits for one */
    const struct client_identity *identity;
    struct kafka_slices inner;
    struct lane_call *next, **previous; /* previous is NULL unless it waits */
};

/* The addresses of the settings that are not known yet join; what the cluster names stays. */
void node_pool_take_settings(struct router_shard *s);
/* Ends all connections; calls end with them. */
void node_pool_close(struct router_shard *s);
bool node_pool_is_closed(const struct router_shard *s);
/* When they are over. */
void node_pool_free(struct router_shard *s);
/* For a client's connection that begins now; NULL without memory or nodes. Freed by free(). */
struct node_moment *node_pool_moments(const struct router_shard *s, unsigned *count);
/* About every 20 ms. */
void node_pool_tick(struct router_shard *s, uint64_t now_ms);

/* The cluster says that such a node is there. NULL without memory, or beyond NODES_MAX. */
struct router_node *node_pool_put(struct router_shard *s, int32_t id, struct kafka_string host,
                                  int32_t port, struct kafka_string site);
struct router_node *node_pool_find(struct router_shard *s, int32_t id);
/* Any node that answers, of this router's site if there is one; NULL: none. `turn` spreads. */
struct router_node *node_pool_any(struct router_shard *s, uint64_t turn);
bool router_node_is_up(const struct router_node *n);
/* How far this shard gets there: ROUTER_STAGE_NONE: it answers; CONNECT, ANSWER;
 * ROUTER_STAGE_COUNT: not known. */
enum router_stage router_node_stage(const struct router_node *n);

/* What the router asks for itself, on a connection of its own: no client's request holds it up. */
int router_node_send_own(struct router_node *n, struct upstream_call *call,
                         struct kafka_slices inner, upstream_cb cb);

/* As upstream_send, on the client's pipe: what is answered soon, … */
int router_node_send(struct router_node *n, struct upstream_call *call,
                     const struct client_identity *identity, struct kafka_slices inner,
                     upstream_cb cb);
/* … or batches. With `call->give_up_ms` set. */
int router_node_send_batches(struct router_node *n, struct upstream_call *call,
                             const struct client_identity *identity, struct kafka_slices inner,
                             upstream_cb cb);
/* For a client none of whose batches is away: where its pipe stands still, it moves to another. */
void router_node_avoid_stuck(const struct router_node *n, struct client_identity *identity);

/* On a lane, when there is one; identity and inner are borrowed until `cb`. UV_ENOTCONN, …: `cb`
 * does not run. */
int router_node_send_lane(struct router_node *n, struct lane_call *call,
                          const struct client_identity *identity, struct kafka_slices inner,
                          lane_call_cb cb);
/* `cb` runs from inside, with a status: it is at a node or waits for a lane. */
void lane_call_abandon(struct lane_call *call);
/* Do fetches and the like wait for one? Then what holds a lane should not do so for long. */
bool router_node_lanes_are_short(const struct router_node *n);

#endif
