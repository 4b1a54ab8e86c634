/* Changes of the cluster's metadata, from any node.
 *
 * A change is an entry of group 0; whoever leads it proposes it. This module brings a change to
 * that leader (here, or over the peer connection), waits for the verdict, and then until this
 * node has applied it too, so that whoever asked sees its own change. */
#ifndef CLUSTER_CONTROLLER_H
#define CLUSTER_CONTROLLER_H

#include "base/work.h"
#include "cluster/metadata.h"
#include "replication/node.h"
#include "replication/peer_link.h"

struct broker;
struct controller;
struct controller_change;

/* Status 0: `result` is group 0's verdict and is applied here. Else ERR_TIMEOUT or
 * ERR_NOT_LEADER (no leader in time), ERR_LEADERSHIP_LOST (fate unknown), ERR_BUSY. */
typedef void (*controller_cb)(struct controller_change *change, int status);

/* Embed it; borrowed until cb. */
struct controller_change {
    void *data;
    uint8_t *body; /* metadata_change_encode's; taken: freed by the controller */
    size_t body_size;
    struct shard *home; /* where cb runs */
    uint64_t timeout_ms;
    struct metadata_result result; /* out */
    controller_cb cb;              /* private from here on */
    uint64_t deadline_ms;
    uint64_t number; /* of the forwarded message */
    int status;
    struct controller *controller;
    struct controller_change *next;
    struct work_item item;
};

/* Lives as long as the process. */
int controller_create(struct broker *b, struct controller **controller);

/* Any shard. On a body of NULL `cb` gets UV_ENOMEM. `cb` runs exactly once, later, on `home`. */
void controller_propose(struct controller *c, struct controller_change *change, controller_cb cb);

/* A message of another node's controller (repl_application_cb); shard 0. */
void controller_on_message(struct controller *c, uint32_t from_node_id, struct bytes message);
/* A peer's handshake (peer_hello_cb): its address and incarnation, which group 0's leader
 * registers; shard 0. */
void controller_on_hello(void *controller, const struct peer_identity *peer);
/* True when the node's last handshake was of no cluster: it is empty. Shard 0. */
bool controller_is_empty(struct controller *c, uint32_t node_id);
/* What peers last said of themselves, and this node; those of no cluster are left out; for group
 * 0's leader, on shard 0. */
unsigned controller_known_nodes(struct controller *c, struct metadata_node *nodes,
                                unsigned count_max);
/* Group 0 applied something; its shard. */
void controller_on_metadata(struct controller *c);
/* About every 100 ms on group 0's shard: deadlines. */
void controller_tick(struct controller *c);

#endif
