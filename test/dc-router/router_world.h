/* A router's shard without a thread, fake nodes in the same process, and clients: what happens is
 * what a test does, step by step, and time stands still until it is told.
 *
 * Nodes speak envelopes over real sockets. Of themselves they answer only what the router asks on
 * its own account (are you there, who leads, who coordinates); the requests of clients wait for the
 * test to answer them. There is one topic, "t", of WORLD_PARTITIONS partitions; and the like of it
 * by any name that begins with "t-". */
#ifndef ROUTER_WORLD_H
#define ROUTER_WORLD_H

#include "fake/fake_clock.h"
#include "protocol/messages.h"
#include "router/client.h"
#include "router/router.h"

#define WORLD_NODES      3
#define WORLD_PARTITIONS 4
#define WORLD_CALLS_MAX  64
#define WORLD_WAYS_MAX   64

/* A client's request at a node. */
struct world_call {
    int way;        /* its socket; -1: cut */
    int32_t number; /* of the envelope */
    struct kafka_request_header header;
    struct kafka_arena arena;
    void *message; /* decoded */
    uint8_t *frame;
    bool is_answered;
};

struct world_way {
    int socket; /* -1: free */
    struct frame_input input;
};

struct world_node {
    struct world *world;
    int32_t id;
    int listener;
    uint16_t port;
    const char *site;     /* NULL: "far", where the router is not */
    bool is_hanging;      /* takes connections, and says nothing on its own */
    bool is_deaf;         /* takes no connections, nor refuses them */
    int filler;           /* while it is: what fills the listener's queue */
    bool is_mute;         /* says that it is there, and nothing else on its own */
    bool is_behind;       /* knows of no topic yet */
    int64_t now;          /* of its envelopes' answers, … */
    int64_t starts;       /* … and what makes its life another one */
    unsigned questions;   /* about the cluster, by the router itself … */
    int32_t asked_topics; /* … and how many topics were in the last one */
    int asked_way;        /* where the router's own last question about the cluster came */
    struct world_way ways[WORLD_WAYS_MAX];
    struct world_call calls[WORLD_CALLS_MAX];
    unsigned call_count;
};

struct world_client {
    struct world *world;
    int socket;
    int32_t number; /* of the last request */
    const char *id; /* as requests name it; NULL: "test" */
    struct frame_input input;
    struct slice frame;
    struct kafka_arena arena;
};

struct world {
    struct router_settings settings;
    struct fake_clock clock;
    struct router_shard shard;
    struct world_node nodes[WORLD_NODES]; /* ids are 1, 2, 3 */
    int32_t leaders[WORLD_PARTITIONS];    /* -1: nobody */
    int32_t coordinator;
    int listener; /* where clients connect, for want of the shard's */
};

/* All nodes are known to the router and answer; partition p is led by node p % 3 + 1. */
void world_open(struct world *w);
/* The same, with these lines of settings too. */
void world_open_with(struct world *w, const char *settings);
/* The router ends: everything must be given back. */
void world_close(struct world *w);
/* What can happen without time passing happens. */
void world_settle(struct world *w);
void world_pass_ms(struct world *w, uint64_t ms);

struct world_node *world_node(struct world *w, int32_t id);
/* The client's request that came to the node as its n-th; it has to be there. */
struct world_call *world_call(struct world *w, int32_t id, unsigned n);
/* `message` is a struct kafka_…_response of the call's API. */
void world_node_answer(struct world *w, int32_t id, unsigned n, const void *message);
/* As a node that has nothing to say: no bytes within the envelope. */
void world_node_answer_nothing(struct world *w, int32_t id, unsigned n);
/* With the right number, and then bytes that are no answer. */
void world_node_answer_garbage(struct world *w, int32_t id, unsigned n);
/* Its connections end; it goes on listening. */
void world_cut(struct world *w, int32_t id);
/* Whoever begins to connect to it is not answered, and tries in vain until the kernel tries again;
 * or that is over. */
void world_lose_connects(struct world *w, int32_t id, bool are_lost);

void world_connect(struct world *w, struct world_client *c);
void world_disconnect(struct world_client *c);
void world_send(struct world_client *c, enum kafka_api_key api, int16_t version,
                const void *message);
/* The next answer, decoded, valid until the one after it; NULL: there is none yet. */
const void *world_answer(struct world_client *c, enum kafka_api_key api, int16_t version);
/* Has the router ended its connection? */
bool world_is_ended(struct world_client *c);

#endif
