/* A client's connection and its requests.
 *
 * Requests are worked on side by side; their answers leave in the order of the requests, each once.
 * A request lives until it was answered and, where parts of it are at nodes, until those are back,
 * also when its client has gone. */
#ifndef ROUTER_CLIENT_H
#define ROUTER_CLIENT_H

#include <netinet/in.h>

#include "base/client_count.h"
#include "protocol/frame.h"
#include "router/deadline.h"
#include "router/frame_input.h"
#include "router/node_pool.h"

struct router_shard;
struct client;
struct fetch_state;

enum client_request_state {
    CLIENT_REQUEST_WORKING,
    CLIENT_REQUEST_ANSWERED,
    CLIENT_REQUEST_SILENT,  /* over, and the client expects nothing */
    CLIENT_REQUEST_CLOSING, /* over without an answer: none leaves behind it, the connection ends */
};

struct client_request {
    struct client *client;
    struct router_shard *shard;
    struct slice frame;   /* its content; referenced */
    struct slice instead; /* what goes to a node in its place; referenced; empty: itself */
    struct kafka_request_header header; /* borrows from the frame */
    void *message;                      /* decoded; in the arena */
    struct kafka_arena arena;           /* what it is worked on in */
    struct kafka_writer writer;         /* the answer */
    enum client_request_state state;
    unsigned claims; /* the queue's, and one for each part that is away */
    uint64_t received_ms;
    bool is_foreign;      /* its client is of another environment (permit.h) */
    size_t counted_bytes; /* of the shard's held_bytes */
    struct client_request *next;
};

struct client {
    uv_tcp_t tcp; /* data points back here */
    struct router_shard *shard;
    struct client_identity identity;
    struct client_address counted_address; /* in the shard's `connections` */
    uint8_t address_bytes[16];
    char address[INET6_ADDRSTRLEN];
    struct frame_input input;
    struct client_request *first, *last;          /* in order, answered or not */
    unsigned request_count;                       /* of them */
    struct produce *produce_first, *produce_last; /* unanswered, in order (produce.c) */
    struct produce_item *produce_lines;           /* of each partition (produce_line.c) */
    unsigned produce_away;                        /* parts of them at nodes, given up or not */
    struct group_part *group_first, *group_last;  /* about offsets, in order (group_part.c) */
    bool is_commit_astray; /* one may still come to its coordinator: no later one goes there */
    struct group_part *group_parked; /* its joins and syncs that wait at nodes */
    struct fetch_state *fetches;     /* what it waits for at nodes (fetch.c); NULL: nothing */
    unsigned claims;                 /* the handle, requests, writes */
    size_t unwritten_bytes;
    uint64_t told_ms;                         /* that something was not allowed; 0: never */
    size_t input_bytes;                       /* read and not taken; of the shard's held_bytes */
    struct deadline input_deadline;           /* the frame that has begun is whole by then */
    uint64_t input_begun_ms, input_unread_ms; /* since then; since then it is not read. 0: not */
    struct client *paused_next, **paused_previous; /* previous is NULL unless it is not read */
    bool is_reading, is_ending, is_closed, is_answering;
    bool is_leaving, is_lingering; /* it ends in peace: answered, then shut down, then closed */
    uint64_t lingers_ms;           /* since then */
    uv_shutdown_t shutdown;
    struct client *next, **previous; /* in the shard's list */
    struct client *answering_next;
};

/* Takes over an accepted socket, which is counted; closes it when that fails. */
void client_accept(struct router_shard *s, int descriptor, const struct client_address *from);
/* No more requests are taken; closes once what was taken is answered. */
void client_end(struct client *c, const char *why);
void client_close(struct client *c);
/* Where it is, as IPv6 sees it. */
void client_address(const struct client *c, uint8_t into[16]);
/* Somebody still refers to it; the last one gives it back. */
void client_claim(struct client *c);
void client_release(struct client *c);
/* At the end of each turn. */
void client_turn(void *shard);
/* About every 20 ms: takes up reading again where it was held up. */
void client_tick(struct router_shard *s);
/* The settings have changed. */
void client_take_settings(struct router_shard *s);
/* The router drains: each connection ends when nothing of it is under way; from `is_late` on, when
 * what is under way has been answered. About every 20 ms. */
void client_drain(struct router_shard *s, bool is_late);
void client_close_all(struct router_shard *s);

/* Memory of the request's arena. NULL beyond its limit. */
void *client_request_allocate(struct client_request *r, size_t size);
/* For a part that is away; the last one gives the request's memory back. */
void client_request_claim(struct client_request *r);
void client_request_release(struct client_request *r);
/* Is nobody there to answer to? */
bool client_request_is_abandoned(const struct client_request *r);

/* A node is asked this (a struct kafka_…_request of the same API and version), not what came. */
int client_request_ask_instead(struct client_request *r, const void *message);

/* Exactly one of these, once: a struct kafka_…_response of the request's own API and version; … */
void client_request_answer(struct client_request *r, const void *message);
/* … an answer as a node gave it (header and message), referenced, if it is one to this; … */
void client_request_answer_bytes(struct client_request *r, struct slice answer);
/* … nothing; or the connection ends. */
void client_request_answer_nothing(struct client_request *r);
void client_request_end_client(struct client_request *r, const char *why);

/* dispatch.c: works on a request. */
void client_request_dispatch(struct client_request *r);

#endif
