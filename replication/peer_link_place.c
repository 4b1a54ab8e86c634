/* Where peers are, and which there are.
 *
 * A place is a guess: as the configuration says, as the cluster's metadata says, as the node itself
 * said when it was last heard. They are tried in turn, beginning at the newest; only the handshake
 * says who is there. A node that moved is thus found by whoever it can reach, then by those that
 * hear of it; one that lives where another did is noticed and refused.
 *
 * Peers come and go on shard 0. A peer keeps its place in the tables for good, so that other shards
 * read them without a lock; its lanes are made and closed on each shard by a message. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/event.h"
#include "peer_link_internal.h"

static bool is_same_place(const struct peer_address *a, const struct peer_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool peer_remote_place(struct peer_links *l, struct peer_remote *peer, struct peer_address *place)
{
    pthread_mutex_lock(&l->lock);
    *place = peer->places[peer->place];
    pthread_mutex_unlock(&l->lock);
    return place->port != 0;
}

struct peer_address peer_remote_expected(const struct peer_remote *peer)
{
    struct peer_address expected = {.node_id = peer->node_id};
    memcpy(expected.site, peer->site, sizeof expected.site);
    return expected;
}

void peer_remote_try_elsewhere(struct peer_links *l, struct peer_remote *peer)
{
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 1; i < PEER_PLACES; i++) {
        unsigned next = (peer->place + i) % PEER_PLACES;
        if (peer->places[next].port == 0 ||
            is_same_place(&peer->places[next], &peer->places[peer->place]))
            continue;
        peer->place = next;
        break;
    }
    pthread_mutex_unlock(&l->lock);
}

/* True when it was not known to be there. */
static bool set_place(struct peer_links *l, struct peer_remote *peer, unsigned slot,
                      const struct peer_address *place)
{
    pthread_mutex_lock(&l->lock);
    bool is_new = place->port != 0 && !is_same_place(&peer->places[slot], place);
    if (is_new) {
        bool is_elsewhere = !is_same_place(&peer->places[peer->place], place);
        peer->places[slot] = *place;
        peer->place = slot;
        is_new = is_elsewhere;
    }
    pthread_mutex_unlock(&l->lock);
    return is_new;
}

void peer_remote_heard(struct peer_links *l, struct peer_remote *peer,
                       const struct peer_identity *identity)
{
    struct peer_address place = peer_remote_expected(peer);
    memcpy(place.host, identity->peer_host, sizeof place.host);
    place.port = identity->peer_host[0] == '\0' ? 0 : identity->peer_port;
    if (set_place(l, peer, PEER_HEARD, &place))
        event_info("peer_moved", "peer=%u host=%s port=%u", peer->node_id, place.host, place.port);
}

/* ---- which there are ---- */

struct peer_remote *peer_links_add(struct peer_links *l, const struct peer_address *address,
                                   unsigned place)
{
    unsigned count = atomic_load(&l->peer_count);
    assert(address->node_id != l->self.node_id);
    if (count == PEER_NODES_MAX) {
        event_error("peers_full", "peer=%u max=%u", address->node_id, PEER_NODES_MAX);
        return NULL;
    }
    struct peer_remote *peer = &l->peers[count];
    peer->node_id = address->node_id;
    memcpy(peer->site, address->site, sizeof peer->site);
    peer->index = count;
    peer->is_called_by_us = l->self.node_id < address->node_id;
    peer->places[place] = *address;
    peer->place = place;
    atomic_store(&l->peer_count, count + 1);
    return peer;
}

static int add_lane(struct peer_shard *s, struct peer_remote *peer, enum net_channel channel)
{
    uint16_t number = channel == NET_ENTRIES ? (uint16_t)s->index : 0;
    if (s->remotes[peer->index].own[channel] != NULL)
        return 0;
    struct peer_lane *lane = peer_lane_get(s, peer, channel, number);
    if (lane == NULL)
        return UV_ENOMEM;
    peer_lane_hurry(lane);
    return 0;
}

static void close_lanes(struct peer_shard_remote *remote)
{
    struct peer_lane *lane = remote->lanes;
    while (lane != NULL) {
        struct peer_lane *next = lane->next;
        peer_lane_on_removed(lane);
        lane = next;
    }
    remote->lanes = NULL;
    memset(remote->own, 0, sizeof remote->own);
}

int peer_remote_match(struct peer_shard *s, unsigned index)
{
    struct peer_remote *peer = &s->links->peers[index];
    if (atomic_load(&peer->is_removed)) {
        close_lanes(&s->remotes[index]);
        return 0;
    }
    int err = add_lane(s, peer, NET_ENTRIES);
    if (err == 0 && s->index == 0)
        err = add_lane(s, peer, NET_CONTROL);
    if (err == 0 && s->index == 0)
        err = add_lane(s, peer, NET_SHIPPING);
    return err;
}

static void match_here(struct work_item *item)
{
    struct peer_shard_remote *remote = item->data;
    atomic_store(&remote->is_match_sent, false);
    if (remote->home->is_stopping)
        return;
    if (peer_remote_match(remote->home, remote->peer->index) != 0)
        event_error("peer_lanes_failed", "peer=%u error=ENOMEM", remote->peer->node_id);
}

static void match_everywhere(struct peer_links *l, struct peer_remote *peer)
{
    for (unsigned i = 0; i < l->shard_count; i++) {
        struct peer_shard_remote *remote = &l->shards[i].remotes[peer->index];
        if (!atomic_exchange(&remote->is_match_sent, true))
            shard_post(l->shards[i].shard, &remote->match, match_here);
    }
}

void peer_links_set_peer(struct peer_links *l, const struct peer_address *address)
{
    struct peer_remote *peer = peer_links_find(l, address->node_id);
    if (peer == NULL) {
        peer = peer_links_add(l, address, PEER_SET);
        if (peer != NULL)
            match_everywhere(l, peer);
        return;
    }
    bool was_removed = atomic_exchange(&peer->is_removed, false);
    bool is_elsewhere = set_place(l, peer, PEER_SET, address);
    if (was_removed) {
        peer->refusal = PEER_ACCEPTED;
        match_everywhere(l, peer);
    } else if (is_elsewhere) {
        event_info("peer_moved", "peer=%u host=%s port=%u", peer->node_id, address->host,
                   address->port);
        peer_links_hurry(l, peer);
    }
}

void peer_links_remove_peer(struct peer_links *l, uint32_t node_id)
{
    struct peer_remote *peer = peer_links_find(l, node_id);
    if (peer != NULL && !atomic_exchange(&peer->is_removed, true))
        match_everywhere(l, peer);
}

void peer_links_take_strangers(struct peer_links *l, bool takes_strangers)
{
    l->takes_strangers = takes_strangers;
}
