/* What waits to be written to one connection: a byte stream in pieces. No I/O. */
#ifndef REPLICATION_PEER_LINK_QUEUE_H
#define REPLICATION_PEER_LINK_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/net.h"
#include "peer_link_frame.h"

struct peer_queue {
    struct slice *pieces;  /* a ring */
    size_t piece_capacity; /* of the ring, a power of two or 0 */
    size_t first;          /* index of the oldest piece */
    size_t piece_count;    /* in use */
    size_t size_bytes;     /* of all pieces */
    struct buffer *chunk;  /* where headers, heads and small payloads are copied, or NULL */
    size_t chunk_used;     /* bytes of it */
};

void peer_queue_init(struct peer_queue *q);
/* Drops what is queued. */
void peer_queue_close(struct peer_queue *q);

/* Queues header, head (copied) and payload (large pieces referenced, small ones copied). Returns 0,
 * or UV_ENOMEM and nothing is queued. */
int peer_queue_push(struct peer_queue *q, const uint8_t header[PEER_FRAME_HEADER_SIZE],
                    const struct net_frame *frame);

/* The oldest pieces, at most `max`, as a gather list; *size_bytes is their sum. They stay valid
 * until consumed, also when more is pushed meanwhile. */
unsigned peer_queue_gather(const struct peer_queue *q, uv_buf_t *into, unsigned max,
                           size_t *size_bytes);
/* The oldest `size` bytes were written. */
void peer_queue_consume(struct peer_queue *q, size_t size);

#endif
