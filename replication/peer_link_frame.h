/* Frames between nodes: a fixed header, a head, a payload. Layout: docs/peer_format.md. Pure. */
#ifndef REPLICATION_PEER_LINK_FRAME_H
#define REPLICATION_PEER_LINK_FRAME_H

#include <stdint.h>

#include "base/err.h"
#include "base/net.h"

#define PEER_FRAME_HEADER_SIZE 20
#define PEER_VERSION_MIN       1 /* oldest protocol version that is still read */
#define PEER_VERSION_MAX       1 /* newest, spoken when the peer knows it too */

enum peer_frame_kind {
    PEER_FRAME_HELLO = 1,   /* who the sender is; first on a connection, repeated on CONTROL */
    PEER_FRAME_REFUSAL = 2, /* why the sender closes */
    PEER_FRAME_CALL = 3,    /* a hello from the side that may not connect: "connect to me" */
    PEER_FRAME_MESSAGE = 4  /* the layer above's */
};

struct peer_frame {
    uint8_t version;           /* of the protocol */
    enum peer_frame_kind kind; /* what the head is */
    enum net_channel channel;  /* must be the connection's */
    uint32_t head_size;        /* bytes of `body` covered by the checksum on every channel */
    uint32_t payload_size;     /* the rest of `body` */
    struct bytes body;         /* head, then payload; borrowed from what was decoded */
};

/* What a decoder takes at most, so that a length is believed only up to here. */
struct peer_frame_limits {
    uint32_t head_size_max;
    uint32_t payload_size_max;
};

/* Before the handshake: a hello and nothing larger. */
extern const struct peer_frame_limits peer_frame_limits_greeting;
extern const struct peer_frame_limits peer_frame_limits_up;

/* Writes the header of a frame whose head is `head` and whose payload is in pieces. */
void peer_frame_encode(uint8_t into[PEER_FRAME_HEADER_SIZE], enum peer_frame_kind kind,
                       enum net_channel channel, const struct net_frame *frame);

/* Sum of the payload's pieces. */
size_t peer_frame_payload_size(const struct net_frame *frame);

/* Reads one frame from the start of `from`. Returns the bytes consumed, or ERR_NEED_MORE with
 * *size_needed the whole frame's size as far as known, or ERR_MALFORMED, ERR_VERSION,
 * ERR_TOO_LARGE, ERR_CORRUPT: the stream is then useless. */
int peer_frame_decode(struct bytes from, const struct peer_frame_limits *limits,
                      struct peer_frame *frame, size_t *size_needed);

#endif
