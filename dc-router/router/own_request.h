/* Requests of the router's own: what it has to know itself. */
#ifndef ROUTER_OWN_REQUEST_H
#define ROUTER_OWN_REQUEST_H

#include "protocol/api_key.h"
#include "router/node_pool.h"

/* Encodes and sends `message` (struct kafka_…_request). As router_node_send_own. */
int own_request_send(struct router_node *n, struct upstream_call *call, enum kafka_api_key api,
                     int16_t version, const void *message, upstream_cb cb);

/* What a finished writer has, without its frame's size: as it goes into an envelope. Once. */
struct kafka_slices own_request_content(struct kafka_writer *w);

struct own_answer {
    void *message; /* struct kafka_…_response; borrows from the answer's bytes and the arena */
    struct kafka_arena arena;
};

/* 0: close it when it was looked at. */
int own_answer_read(struct own_answer *own, enum kafka_api_key api, int16_t version,
                    struct slice answer);
void own_answer_close(struct own_answer *own);

#endif
