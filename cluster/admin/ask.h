/* Questions of the operator's port to nodes, in Kafka's own protocol, at their clients' port.
 *
 * What an operator asks about topics and consumer groups is what Kafka's own tools ask, and whoever
 * leads or coordinates answers it with all that belongs to it: read index, checks, bounds. So this
 * port is one more client, of this node as of the others, and there is no second way to the same
 * state. One connection for each question; all on the port's thread. */
#ifndef CLUSTER_ADMIN_ASK_H
#define CLUSTER_ADMIN_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/api_key.h"

#define ASKS_MAX             256         /* under way at once */
#define ASK_ANSWER_BYTES_MAX (16u << 20) /* a larger answer is none */
#define ASK_READ_MS_MAX      5000        /* for a question that changes nothing */
#define ASK_CHANGE_MS_MAX    12000       /* for a change */

struct admin;
struct broker;

/* Status 0: `answer` is the decoded response (struct kafka_…_response), valid during the call.
 * ERR_CLOSED: the node could not be asked, it has seen nothing of it. ERR_TIMEOUT: it was asked,
 * and no sound answer came: whatever was asked for may have been done. */
typedef void (*ask_cb)(void *data, int status, const void *answer);

struct ask_question {
    uint32_t node_id;
    enum kafka_api_key api;
    int16_t version;
    const void *message;   /* struct kafka_…_request; borrowed during the call */
    const char *client_id; /* how the node names the asker; borrowed during the call */
    uint64_t timeout_ms;
    const void *owner; /* whose questions ask_cancel ends */
};

/* 0: `cb` runs exactly once, later, on the port's thread, unless it was cancelled. ERR_BUSY
 * (ASKS_MAX), ERR_NOT_FOUND (no address of such a node is known), ERR_TOO_LARGE, UV_ENOMEM: `cb`
 * never runs. On the port's thread. */
int ask_send(struct admin *a, struct broker *b, const struct ask_question *question, ask_cb cb,
             void *data);

/* Ends all questions of that owner: their `cb` does not run. */
void ask_cancel(struct admin *a, const void *owner);
/* Ends all there are. */
void ask_close(struct admin *a);

/* What to tell an operator about a question that failed: a sentence for ask_send's errors and
 * ask_cb's. Static memory. */
const char *ask_trouble(int status);

#endif
