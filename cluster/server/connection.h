/* One client's TCP connection; inside of server/ only. */
#ifndef CLUSTER_SERVER_CONNECTION_H
#define CLUSTER_SERVER_CONNECTION_H

#include <netinet/in.h>
#include <uv.h>

#include "server/client_shard.h"

struct connection {
    uv_tcp_t tcp; /* data points back here */
    struct client_shard *clients;
    char address[INET6_ADDRSTRLEN];
    uint64_t number;                       /* rises as the node takes connections */
    struct client_address counted_address; /* in broker.client_count */
    bool may_pass_on;                      /* it is among router_addresses */
    bool is_router;                        /* and has passed something on */
    struct buffer *input;         /* bytes read and not yet taken as requests; may be NULL */
    size_t input_start;           /* first byte not taken */
    size_t input_end;             /* one past the last byte read */
    size_t claimed_bytes;         /* of broker.request_bytes, for a large frame that has begun */
    uint64_t claimed_at_ms;       /* when */
    struct request *first, *last; /* requests in order, answered or not */
    unsigned request_count;       /* of them */
    unsigned held_count;          /* of them: wait for an earlier one (request_order.c) */
    unsigned claims;              /* open handle, queued requests, writes under way */
    size_t unwritten_bytes;       /* handed to uv_write and not done */
    size_t untaken_bytes;         /* of answers, from their making until they are written */
    bool is_reading;
    bool is_ending;                      /* take no more requests; close once the queue is empty */
    bool is_closed;                      /* the handle is closed or closing */
    bool is_answering;                   /* in the shard's list */
    size_t watched_bytes;                /* unwritten when it was looked at for being stuck, … */
    uint64_t watched_at_ms, moved_at_ms; /* … which was then; and when they last were others */
    uint64_t active_at_ms;               /* last whole request or written answer */
    struct connection *next, **previous; /* in the shard's list */
    struct connection *answering_next;
};

/* connection.c: no more requests are taken; closes once what is queued is answered. */
void connection_end(struct connection *c, const char *why);
/* At once: answers under way are dropped. */
void connection_close(struct connection *c);
/* Gives a claim back; the last one frees. */
void connection_release(struct connection *c);
/* Frees answered requests at the head of the queue unwritten: the socket is gone. */
void connection_drop_answered(struct connection *c);

/* connection_input.c: takes whole requests from the input while limits allow; pauses or resumes
 * reading. */
void connection_take_requests(struct connection *c);
void connection_unclaim_memory(struct connection *c);
/* Gives the input buffer away when it is empty and no request refers to it. */
void connection_rest(struct connection *c);
/* A client that begins large requests and does not end them must not keep others waiting. */
bool connection_is_claim_too_old(const struct connection *c, uint64_t now_ms);

/* connection_output.c: marks that an answer at the head of the queue may be ready. */
void connection_answer_soon(struct connection *c);
/* Has the client taken nothing of what waits for it for too long? To be asked at each tick while
 * memory is short. */
bool connection_is_stuck(struct connection *c, uint64_t now_ms);
/* Writes all answers that can leave in order, in one call. */
void connection_write_answers(struct connection *c);

/* request.c: makes a request of a frame (bytes inside c->input) and dispatches it. */
void request_begin(struct connection *c, struct bytes frame);
/* Begins with those that were held and need not wait any more. */
void request_run_held(struct connection *c);
/* request_order.c: is one before it under way whose change it may see, or that it would overtake?
 */
bool request_has_to_wait(const struct request *r);
/* Of those that may be held: it counts though its client is gone, who may have said it in going. */
bool request_changes_something(const struct request *r);
/* request_answer.c: the most that an answer may be. */
#define REQUEST_ANSWER_BYTES_MAX (256u << 20)
/* Nothing will be answered. A client's own connection closes, once earlier answers are out; a
 * router is told the code. */
void request_refuse(struct request *r, int16_t error_code, const char *why);
/* Its connection is closed: nobody waits for it. */
void request_drop(struct request *r);
/* Gives back all but the answer: the request's bytes and what it was worked on in. */
void request_release_work(struct request *r);
/* Frees a request that was answered and written, or dropped. */
void request_free(struct request *r);

#endif
