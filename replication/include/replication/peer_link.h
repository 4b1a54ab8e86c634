/* The real network between nodes (base/net.h) on libuv TCP.
 *
 * Per node pair: one CONTROL and one SHIPPING connection (shard 0), and one ENTRIES connection per
 * shard of the node that has more. The node with the smaller id connects; both ends use the
 * connection in both directions. Frames carry lengths and CRC-32C; the handshake checks protocol
 * version, cluster id, node id, incarnation and site. A byte stream that breaks the rules closes
 * the connection with an event. TCP_NODELAY always, TCP_NOTSENT_LOWAT bounds what the kernel
 * holds; one gathered write per connection a turn. Formats: docs/peer_format.md.
 *
 * Nodes come and go while the links run. Where one is reached is tried in turn: as configured, as
 * set, and as it said itself in its last handshake; who answers is told by the handshake alone. So
 * a node that comes back under another address is found again, and one that has taken another's is
 * noticed (the event peer_refused, with who answered).
 *
 * What a handler hears: on shard 0, up and down are those of the CONTROL connection, and down with
 * is_refused says that nobody listens there (also from the side that does not connect: it knocks).
 * On another shard they are those of its own ENTRIES connection. A frame arrives on the shard
 * that has the connection, which may differ from the shard of the group it names. The checksum
 * covers the head of an ENTRIES frame, whose entries have checksums of their own, and the whole
 * of any other frame. */
#ifndef REPLICATION_PEER_LINK_H
#define REPLICATION_PEER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/net.h"
#include "base/shard.h"
#include "log/entry.h"

struct peer_links; /* all links of a node */

/* Largest head and payload of a frame; beyond, net_send answers ERR_TOO_LARGE. */
#define PEER_FRAME_HEAD_MAX    (1 << 20)
#define PEER_FRAME_PAYLOAD_MAX (LOG_ENTRY_SIZE_MAX + (1 << 20))

/* Other nodes that this one ever knows; each keeps its place. */
#define PEER_NODES_MAX 64

struct peer_address {
    uint32_t node_id;
    char site[32];
    char host[256];
    uint16_t port;
};

/* Who we are, in the handshake. May change once, from unfounded to founded. */
struct peer_identity {
    uint64_t cluster_id[2]; /* zeros while the cluster is not founded */
    uint32_t node_id;
    uint64_t incarnation;
    char site[32];
    char client_host[256]; /* advertised to clients */
    uint16_t client_port;
    char peer_host[256]; /* where peers reach it, "": not told; an address is never who it is */
    uint16_t peer_port;
    bool has_data; /* this node's data folder holds a founded cluster's data */
};

/* What a peer said of itself. */
typedef void (*peer_hello_cb)(void *data, const struct peer_identity *peer);

struct peer_links_options {
    const char *listen_host;
    uint16_t listen_port;
    const struct peer_address *peers; /* the other nodes; copied */
    unsigned peer_count;
    size_t window_bytes;    /* per peer, unsent, shared by all shards' ENTRIES and SHIPPING
                               (which takes at most half); beyond: ERR_BUSY. CONTROL has one
                               of the same size: never refused because of data */
    unsigned reconnect_ms;  /* between attempts, doubled up to 32 x; the first is at once */
    peer_hello_cb on_hello; /* on shard 0: a peer's handshake was accepted */
    void *hello_data;
};

/* Makes links and listens; the process ignores SIGPIPE from then on. `shards` in order, not started
 * yet. Returned owned. On failure nothing is kept, but the shards must be destroyed. */
int peer_links_create(const struct peer_links_options *options, const struct peer_identity *self,
                      struct shard *const *shards, unsigned shard_count, struct peer_links **links,
                      struct err_note *note);
/* The network of one shard, and who hears it (before shards start). */
struct net *peer_links_net(struct peer_links *l, unsigned shard);
void peer_links_set_handler(struct peer_links *l, unsigned shard, struct net_handler handler);
/* Replaces our identity for handshakes from now on (founding); shard 0. Existing connections are
 * told by a new hello on CONTROL. */
void peer_links_set_identity(struct peer_links *l, const struct peer_identity *self);
/* A node that the links are to know, or where else it is said to be; with port 0 its place is
 * learned when it calls. Shard 0, or before the shards start. The site of a known one stays. */
void peer_links_set_peer(struct peer_links *l, const struct peer_address *address);
/* Closes what there is to the node, and refuses it until it is set again. Shard 0, or before. */
void peer_links_remove_peer(struct peer_links *l, uint32_t node_id);
/* Whether a node that is not known is taken in as if it had been set, when it calls as one of this
 * very cluster (at first: no). For a node that can't know yet which others there are. Shard 0, or
 * before the shards start. */
void peer_links_take_strangers(struct peer_links *l, bool takes_strangers);
/* Closes on every shard and waits for that; not from a shard. Handlers hear nothing more. Also
 * before the shards were started: then their destruction ends what is closing. */
void peer_links_stop(struct peer_links *l);
/* After peer_links_stop; before or after the shards are destroyed. NULL is allowed. */
void peer_links_destroy(struct peer_links *l);

#endif
