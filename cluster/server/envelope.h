/* Requests that a router passes on for its clients, in envelopes (KIP-590). */
#ifndef CLUSTER_SERVER_ENVELOPE_H
#define CLUSTER_SERVER_ENVELOPE_H

#include "request.h"

/* What stands around a client's request at most: so much more than a client's own may a router's
 * frame have. */
#define ENVELOPE_BYTES_MAX 1024

/* In the numbers by which a node tells what was before what. */
struct envelope_moment {
    uint64_t life; /* of the process: the numbers of another one mean nothing */
    uint64_t now;  /* as its newest connection */
};
struct envelope_moment envelope_moment_of(const struct broker *b);

struct envelope_rules {
    bool may_pass_on;         /* is the sender one of those who may? */
    size_t request_bytes_max; /* of a client's request */
    struct envelope_moment moment;
};

/* Looks whether the frame is an Envelope, and opens it. Returns the client's frame, borrowed from
 * inside; or the frame as it is when it is none, does not decode, or e->error_code says why it is
 * refused. */
struct bytes envelope_open(struct request_envelope *e, struct bytes frame,
                           const struct envelope_rules *rules);

/* Writes the answer to the router: the client's answer by reference, or NULL for none. 0 or the
 * writer's error. */
int envelope_answer(const struct request_envelope *e, struct kafka_writer *into,
                    const struct kafka_writer *client_answer, int16_t error_code,
                    const struct envelope_moment *moment);

#endif
