/* The handshake: what a node says of itself, and why another may refuse it. Pure. */
#ifndef REPLICATION_PEER_LINK_HELLO_H
#define REPLICATION_PEER_LINK_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "replication/peer_link.h"
#include "peer_link_frame.h"

#define PEER_LANES_MAX        64 /* ENTRIES connections of a node pair; shards of a node */
#define PEER_HELLO_FIXED_SIZE 50 /* bytes before the three texts */
#define PEER_HELLO_SIZE_MAX   (PEER_HELLO_FIXED_SIZE + 31 + 255 + 255)
#define PEER_REFUSAL_SIZE     8

struct peer_hello {
    uint16_t version_min, version_max; /* protocol versions that the sender reads */
    struct peer_identity identity;     /* the sender */
    uint32_t to_node_id;               /* whom it believes to speak to */
    enum net_channel channel;          /* of this connection */
    uint16_t lane;                     /* of this connection: 0, on ENTRIES below PEER_LANES_MAX */
    uint16_t shard_count;              /* of the sender */
};

/* The code is on the wire; numbers are never used again. */
#define PEER_REFUSAL_TABLE(X)                                                                      \
    X(PEER_ACCEPTED, 0, "accepted")                                                                \
    X(PEER_REFUSED_VERSION, 1, "no protocol version in common")                                    \
    X(PEER_REFUSED_OTHER_CLUSTER, 2, "the node belongs to another cluster")                        \
    X(PEER_REFUSED_OTHER_NODE, 3, "another node lives at this address")                            \
    X(PEER_REFUSED_OWN_NODE, 4, "both nodes have the same id")                                     \
    X(PEER_REFUSED_UNKNOWN_NODE, 5, "the node is neither in the configuration nor was it added")   \
    X(PEER_REFUSED_OTHER_SITE, 6, "the node's site differs from the configuration")                \
    X(PEER_REFUSED_NOT_FOUNDED, 7, "one of the nodes does not belong to a cluster yet")            \
    X(PEER_REFUSED_REMOVED, 8, "the node was removed from the cluster")

enum peer_refusal {
#define PEER_REFUSAL_ENUM(name, code, text) name = code,
    PEER_REFUSAL_TABLE(PEER_REFUSAL_ENUM)
#undef PEER_REFUSAL_ENUM
};

/* The sentence for a code, also for one of a newer release. Static memory. */
const char *peer_refusal_text(unsigned refusal);

/* Writes the hello's bytes (a frame's head) and returns their size. */
size_t peer_hello_encode(const struct peer_hello *hello, uint8_t into[PEER_HELLO_SIZE_MAX]);
/* 0 or ERR_MALFORMED. Texts are printable ASCII without spaces: they go into events. */
int peer_hello_decode(struct bytes from, struct peer_hello *hello);

void peer_refusal_encode(unsigned refusal, uint32_t node_id, uint8_t into[PEER_REFUSAL_SIZE]);
int peer_refusal_decode(struct bytes from, unsigned *refusal, uint32_t *node_id);

bool peer_identity_is_founded(const struct peer_identity *identity);

/* What `self` thinks of a hello; `expected` is the configured peer, NULL when there is none. */
enum peer_refusal peer_hello_judge(const struct peer_hello *hello, const struct peer_identity *self,
                                   const struct peer_address *expected);

#endif
