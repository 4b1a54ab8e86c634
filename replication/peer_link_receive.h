/* What was read from one connection: counted buffers, and the frames in them. No I/O. */
#ifndef REPLICATION_PEER_LINK_RECEIVE_H
#define REPLICATION_PEER_LINK_RECEIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "peer_link_frame.h"

struct peer_receive {
    struct buffer *buffer; /* being filled, or NULL */
    size_t start;          /* first byte that is not decoded yet */
    size_t end;            /* one past the last byte read */
    size_t size_needed;    /* of the frame that begins at `start`, as far as known */
    size_t buffer_size;    /* of an ordinary buffer */
};

void peer_receive_init(struct peer_receive *r, size_t buffer_size);
void peer_receive_close(struct peer_receive *r);

/* Where the next bytes go: *size of them at *at, never 0. Returns 0 or UV_ENOMEM. Only after
 * peer_receive_next has answered 0 (or at the start). What earlier frames pointed to stays only
 * for those who took a reference. */
int peer_receive_room(struct peer_receive *r, uint8_t **at, size_t *size);
/* `size` bytes were read to there. */
void peer_receive_filled(struct peer_receive *r, size_t size);

/* Takes the next whole frame: 1, or 0 (none), or a decoder's error. The frame lies in
 * r->buffer until the next peer_receive_room. */
int peer_receive_next(struct peer_receive *r, const struct peer_frame_limits *limits,
                      struct peer_frame *frame);

#endif
