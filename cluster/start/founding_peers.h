/* Who this node is for others, and where the configuration says that they are: for the founding
 * conversation, and for the node that it makes. */
#ifndef CLUSTER_START_FOUNDING_PEERS_H
#define CLUSTER_START_FOUNDING_PEERS_H

#include "conf/conf.h"
#include "replication/node.h"
#include "replication/peer_link.h"
#include "identity.h"

/* Who we are for peers, from configuration and identity. */
void founding_peer_identity(const struct conf_settings *conf, const struct identity *identity,
                            struct peer_identity *peer);
/* The other founding nodes' addresses; returns how many. */
unsigned founding_peer_addresses(const struct conf_settings *conf,
                                 struct peer_address addresses[REPL_NODES_MAX]);

#endif
