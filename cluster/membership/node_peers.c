/* Peers by the metadata.
 *
 * Addresses in group 0 come from the nodes' own handshakes (maintain_cluster), so that a node which
 * moved while others were cut off from it is found by those, too. A node that is not in group 0 as
 * far as it has that, because it begins anew, takes in who calls from its cluster: the settings may
 * be older than who leads now.
 *
 * A node that was removed hears so in group 0, which it follows until then, and ends by itself. It
 * keeps its links for a moment longer, for that word to reach it; then it is refused, also when it
 * comes back with its old data. One that was added again, emptied, reads of its own end while it
 * catches up: that was another incarnation's. */
#include "membership/node_peers.h"

#include <signal.h>
#include <unistd.h>

#include "base/event.h"

#define FAREWELL_MS 3000
#define SYNC_MS     1000

static void sync_node(struct broker *b, const struct metadata_node *node, uint64_t now_ms)
{
    uint64_t *gone_since_ms = &b->gone_since_ms[node->node_id % METADATA_NODES_MAX];
    if (node->state != METADATA_NODE_GONE) {
        struct peer_address address = {.node_id = node->node_id, .port = node->peer_port};
        *gone_since_ms = 0;
        bytes_copy_text(address.site, sizeof address.site, node->site);
        bytes_copy_text(address.host, sizeof address.host, node->peer_host);
        peer_links_set_peer(b->links, &address);
        return;
    }
    if (*gone_since_ms == 0)
        *gone_since_ms = now_ms;
    if (now_ms - *gone_since_ms >= FAREWELL_MS || !repl_node_is_alive(b->node, node->node_id))
        peer_links_remove_peer(b->links, node->node_id);
}

/* The process ends as when asked to: it hands over what it leads, which is nothing any more. */
static void leave(struct broker *b)
{
    if (b->gone_since_ms[0] != 0)
        return;
    b->gone_since_ms[0] = 1;
    event_warn("node_removed",
               "reason=\"this node was removed from its cluster: it carries nothing "
               "any more, and would be refused\"");
    kill(getpid(), SIGTERM);
}

void node_peers_sync(struct broker *b)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    bool is_own_gone = false, is_own_known = false;
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const struct metadata_node *node = metadata_node_at(b->metadata, i);
        if (node->node_id != (uint32_t)b->conf.node_id) {
            sync_node(b, node, now_ms);
        } else if (node->incarnation == b->incarnation) {
            is_own_known = true;
            is_own_gone = node->state == METADATA_NODE_GONE;
        }
    }
    metadata_read_unlock(b->metadata);
    peer_links_take_strangers(b->links, !is_own_known);
    if (is_own_gone)
        leave(b);
}

static void note_silence(struct broker *b, uint64_t now_ms)
{
    for (uint32_t id = 1; id < METADATA_NODES_MAX; id++) {
        bool is_heard = id == (uint32_t)b->conf.node_id || repl_node_is_alive(b->node, id);
        if (is_heard)
            b->silent_since_ms[id] = 0;
        else if (b->silent_since_ms[id] == 0)
            b->silent_since_ms[id] = now_ms;
    }
}

void node_peers_tick(struct broker *b)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    bool is_due = now_ms - b->peers_synced_at_ms >= SYNC_MS;
    if (!b->are_peers_stale && !is_due)
        return;
    b->are_peers_stale = false;
    b->peers_synced_at_ms = now_ms;
    note_silence(b, now_ms);
    node_peers_sync(b);
}
