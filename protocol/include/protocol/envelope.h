/* The router's side of Envelope (KIP-590): a client's frame is passed on, and its answer taken out,
 * without a copy and without memory. The node's side is the generated code's. */
#ifndef PROTOCOL_ENVELOPE_H
#define PROTOCOL_ENVELOPE_H

#include "protocol/frame.h"

#define KAFKA_ENVELOPE_OWN_NUMBER 1 /* of what a router asks for itself; no client of it has it */

/* Whose request it is; see schema/envelope.txt. */
struct kafka_envelope_client {
    struct bytes address; /* 4 or 16 bytes in network order */
    int64_t router_id;    /* not 0 */
    int64_t number;       /* not 0 */
    int64_t since;        /* `now` and `life` of the node's newest answer that was there … */
    int64_t node_life;    /* … when the client's connection was taken; 0: none */
};

/* Writes a whole frame, that of the router's request, into an empty writer: then call
 * kafka_writer_finish.
 *   correlation_id  the router's own: the answer has it
 *   router          its client id, for events of the node
 *   request         the client's frame without its size: pieces above KAFKA_WRITER_COPY_BYTES are
 *                   referenced */
void kafka_envelope_write(struct kafka_writer *w, int32_t correlation_id,
                          struct kafka_string router, const struct kafka_envelope_client *client,
                          struct kafka_slices request);

struct kafka_envelope_answer {
    int32_t correlation_id;
    struct bytes data; /* the client's frame without its size, borrowed; NULL: there is none */
    int16_t error_code;
    int64_t life, now; /* the node's: for clients whose connections are taken from here on */
};

/* Reads the content of an answer's frame: 0 or ERR_MALFORMED. */
int kafka_envelope_answer_read(struct bytes frame, struct kafka_envelope_answer *answer);

#endif
