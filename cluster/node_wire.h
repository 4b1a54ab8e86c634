/* One connection to a node, at its clients' port: a request in Kafka's protocol, its answer, the
 * next one. So this node is a client of the others, and of itself: its canary, and its operator's
 * port. All on the loop's thread. */
#ifndef CLUSTER_NODE_WIRE_H
#define CLUSTER_NODE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "protocol/api_key.h"

struct broker;
struct node_wire;

/* What whoever uses it sets and hears. */
struct node_wire_user {
    uint32_t request_bytes_max, answer_bytes_max; /* a larger answer is none */
    void (*connected)(void *data);
    /* The decoded response (struct kafka_…_response) of the request before; valid in the call. */
    void (*answered)(void *data, enum kafka_api_key api, const void *answer);
    /* Refused, reset, closed, or no sound answer. The wire is gone after the call. */
    void (*broke)(void *data);
};

/* Begins to connect, to one address of the node's name after the other. Its events come later,
 * until it is closed. ERR_NOT_FOUND: no name of such a node is known. UV_ENOMEM. `user` is borrowed
 * until then. */
int node_wire_open(struct broker *b, uint32_t node_id, uv_loop_t *loop,
                   const struct node_wire_user *user, void *data, struct node_wire **wire);
/* One at a time; it leaves when the wire is connected. `client_id`, how the node names the asker,
 * and `message` (struct kafka_…_request) are borrowed during the call. 0, ERR_BUSY (the one before
 * is not over), ERR_TOO_LARGE, UV_ENOMEM, or an error of the connection. */
int node_wire_ask(struct node_wire *w, const char *client_id, enum kafka_api_key api,
                  int16_t version, const void *message);
/* No event comes any more; it frees itself. */
void node_wire_close(struct node_wire *w);

#endif
