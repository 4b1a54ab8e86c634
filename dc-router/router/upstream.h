/* A connection to a node: calls out, answers back in their order.
 *
 * Each call is a client's request in an envelope (Kafka's Envelope, KIP-590) that says whose it is;
 * its answer is the bytes that the client would have got from the node itself. On the shard. */
#ifndef ROUTER_UPSTREAM_H
#define ROUTER_UPSTREAM_H

#include <uv.h>

#include "protocol/envelope.h"
#include "router/frame_input.h"

struct upstream;
struct upstream_call;

/* Status 0: `answer` is the inner answer (header and message), borrowed; empty where the request
 * asks for none. UV_ENOTCONN: the node has seen nothing of it. ERR_CLOSED: it may have been done.
 * ERR_INVALID: the node has refused the envelope (docs/kafka.md), nothing was done: the client's
 * connection is to end.
 * Later, never from inside upstream_send; but from inside upstream_close. */
typedef void (*upstream_cb)(struct upstream_call *call, int status, struct slice answer);

/* Embed it; borrowed until `cb`. */
struct upstream_call {
    void *data;
    uint64_t give_up_ms;        /* so long the node may take (upstream_is_late); 0: for ever */
    upstream_cb cb;             /* private from here on */
    struct upstream *upstream;  /* NULL once it was answered */
    struct upstream_call *next; /* in the order of sending */
    int32_t number;             /* correlation id of the envelope */
    uint64_t sent_ms;
};

/* The connection is over and has no calls; `data` is the owner's. */
typedef void (*upstream_end_cb)(void *data, struct upstream *u);

/* A moment of the node's, as each answer brings one. */
struct node_moment {
    int64_t life, now;
};

struct upstream_options {
    uv_loop_t *loop;
    const struct sockaddr *address;
    uint32_t frame_bytes_max;
    struct node_moment *moment; /* the newest is kept here */
    size_t *held_bytes; /* counts what is read of answers that are not whole; NULL: nobody */
    void *data;
    upstream_end_cb on_end; /* once, not from inside upstream_open */
};

/* Begins to connect; calls may be sent at once. NULL without memory or sockets. */
struct upstream *upstream_open(const struct upstream_options *options);
/* Ends it: calls get UV_ENOTCONN or ERR_CLOSED; then on_end runs, later. */
void upstream_close(struct upstream *u);

/* Sends a request: `inner` is its whole content, referenced until it is written. */
int upstream_send(struct upstream *u, struct upstream_call *call,
                  const struct kafka_envelope_client *client, struct kafka_slices inner,
                  uint64_t now_ms, upstream_cb cb);

unsigned upstream_call_count(const struct upstream *u);
/* When the oldest unanswered call was sent; 0 when there is none. */
uint64_t upstream_oldest_ms(const struct upstream *u);
/* Has the oldest call had its time? Those behind it wait for it. */
bool upstream_is_late(const struct upstream *u, uint64_t now_ms);
/* Did the node ever take it? */
bool upstream_was_connected(const struct upstream *u);
/* True from upstream_close on, or from when the node ended it: it takes no more calls. */
bool upstream_is_closing(const struct upstream *u);

#endif
