/* The settings and the identity, in the words of links to other nodes. */
#include "start/founding_peers.h"

#include <string.h>

void founding_peer_identity(const struct conf_settings *conf, const struct identity *identity,
                            struct peer_identity *peer)
{
    memset(peer, 0, sizeof *peer);
    memcpy(peer->cluster_id, identity->cluster_id, sizeof peer->cluster_id);
    peer->node_id = identity->node_id;
    peer->incarnation = identity->incarnation;
    bytes_copy_text(peer->site, sizeof peer->site, conf->site);
    bytes_copy_text(peer->client_host, sizeof peer->client_host, conf->advertised.host);
    peer->client_port = conf->advertised.port;
    bytes_copy_text(peer->peer_host, sizeof peer->peer_host, conf->peer_advertised.host);
    peer->peer_port = conf->peer_advertised.port;
    peer->has_data = identity->state == IDENTITY_FOUNDED;
}

unsigned founding_peer_addresses(const struct conf_settings *conf,
                                 struct peer_address addresses[REPL_NODES_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < conf->nodes.count && count < REPL_NODES_MAX; i++) {
        const struct conf_node *from = &conf->nodes.entries[i];
        if (from->id == (uint32_t)conf->node_id)
            continue;
        struct peer_address *into = &addresses[count++];
        memset(into, 0, sizeof *into);
        into->node_id = from->id;
        bytes_copy_text(into->site, sizeof into->site, from->site);
        bytes_copy_text(into->host, sizeof into->host, from->peer.host);
        into->port = from->peer.port;
    }
    return count;
}
