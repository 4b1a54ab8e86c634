/* The network seam between nodes: whole frames to a node, by channel.
 *
 * A frame is a head (copied) and payload slices (referenced, not copied). Frames of one channel
 * to one node arrive in order or not at all: a lost connection loses what was under way, and
 * the receiver may also see a frame that the sender thought lost. Frames of different channels
 * overtake each other. The real network stands on libuv (replication/peer_link.c), the simulated
 * one delays, cuts (also one-way) and loses. Called on the owner's shard only. */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum net_channel {
    NET_CONTROL, /* beats, votes, heartbeats, commit positions: small, never behind data */
    NET_ENTRIES, /* entries and their acknowledgements */
    NET_SHIPPING /* segments for a replica that is far behind */
};
#define NET_CHANNEL_COUNT 3

struct net_frame {
    struct bytes head;           /* copied by net_send */
    const struct slice *payload; /* referenced by net_send until written */
    unsigned payload_count;      /* 0..NET_PAYLOAD_MAX */
};
#define NET_PAYLOAD_MAX 1024

/* What the network tells its owner; all on the owner's shard. */
struct net_handler {
    void *data;
    /* A whole frame, checksum already verified; `owner` is borrowed, take a reference to keep
     * the bytes. */
    void (*on_frame)(void *data, uint32_t node_id, enum net_channel channel, struct bytes frame,
                     struct buffer *owner);
    /* Any byte arrived from the node: a sign of life. */
    void (*on_alive)(void *data, uint32_t node_id);
    /* Connected and past the handshake. */
    void (*on_up)(void *data, uint32_t node_id);
    /* Was up (reset, closed, timed out), or a connect was refused: nobody listens there. */
    void (*on_down)(void *data, uint32_t node_id, int is_refused);
};

struct net {
    void *data; /* the implementation's own */
    /* 0, or ERR_CLOSED (not connected: dropped), or ERR_BUSY (window full: dropped). */
    int (*send)(void *data, uint32_t node_id, enum net_channel channel,
                const struct net_frame *frame);
    /* Bytes accepted by send and not yet handed to the kernel. */
    size_t (*unsent_bytes)(void *data, uint32_t node_id, enum net_channel channel);
};

static inline int net_send(const struct net *n, uint32_t node_id, enum net_channel channel,
                           const struct net_frame *frame)
{
    return n->send(n->data, node_id, channel, frame);
}

static inline size_t net_unsent_bytes(const struct net *n, uint32_t node_id,
                                      enum net_channel channel)
{
    return n->unsent_bytes(n->data, node_id, channel);
}

#endif
