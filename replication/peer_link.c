/* All links of a node: one object for the node, one part per shard.
 *
 *   shard 0: listener, guests, CONTROL and SHIPPING lanes, ENTRIES lane 0
 *   shard n: ENTRIES lane n, and those lanes of a peer with more shards that fall to it
 *
 * net_send() queues on the lane's connection; one prepare handle per shard writes what all
 * callbacks and turns have queued, just before the loop waits. So the groups of a shard share a
 * write whatever the order in which turns run.
 *
 * The object outlives its handles: each open one holds a reference, the last close callback
 * frees. Stopping goes shard by shard, shard 0 first, for it hands sockets to the others. */
#include "replication/peer_link.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "peer_link_internal.h"

/* ---- life ---- */

static void unref(struct peer_links *l)
{
    if (atomic_fetch_sub_explicit(&l->references, 1, memory_order_acq_rel) > 1)
        return;
    for (unsigned i = 0; l->shards != NULL && i < l->shard_count; i++)
        free(l->shards[i].remotes);
    free(l->shards);
    free(l->peers);
    pthread_cond_destroy(&l->closed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void peer_shard_opened(struct peer_shard *s)
{
    s->open_count++;
    atomic_fetch_add_explicit(&s->links->references, 1, memory_order_relaxed);
}

static void announce_if_closed(struct peer_shard *s)
{
    if (!s->is_stopping || s->open_count > 0)
        return;
    pthread_mutex_lock(&s->links->lock);
    s->is_closed = true;
    pthread_cond_broadcast(&s->links->closed);
    pthread_mutex_unlock(&s->links->lock);
}

void peer_shard_closed(struct peer_shard *s)
{
    struct peer_links *l = s->links;
    assert(s->open_count > 0);
    s->open_count--;
    announce_if_closed(s);
    unref(l); /* last: `s` is part of it */
}

struct peer_remote *peer_links_find(struct peer_links *l, uint32_t node_id)
{
    for (unsigned i = 0; i < l->peer_count; i++)
        if (l->peers[i].node_id == node_id)
            return &l->peers[i];
    return NULL;
}

struct peer_identity peer_links_self(struct peer_links *l)
{
    pthread_mutex_lock(&l->lock);
    struct peer_identity self = l->self;
    pthread_mutex_unlock(&l->lock);
    return self;
}

/* ---- the seam ---- */

static struct peer_lane *own_lane(struct peer_shard *s, uint32_t node_id, enum net_channel channel)
{
    assert(shard_is_here(s->shard));
    assert(channel == NET_ENTRIES || s->index == 0);
    struct peer_remote *peer = peer_links_find(s->links, node_id);
    return peer != NULL && !s->is_stopping ? s->remotes[peer->index].own[channel] : NULL;
}

/* A frame larger than the whole window still passes when nothing else waits. Shards look without
 * a lock, so each may pass the bound by the frame it is about to queue. */
static bool is_within_window(struct peer_lane *lane, size_t size)
{
    size_t window = lane->home->links->options.window_bytes;
    if (lane->channel == NET_SHIPPING)
        window /= 2; /* a returning peer's segments leave room for its entries */
    size_t unsent = atomic_load_explicit(peer_remote_unsent(lane->peer, lane->channel),
                                         memory_order_relaxed);
    return unsent == 0 || (unsent < window && size <= window - unsent);
}

static int send_frame(void *data, uint32_t node_id, enum net_channel channel,
                      const struct net_frame *frame)
{
    struct peer_lane *lane = own_lane(data, node_id, channel);
    assert(frame->payload_count <= NET_PAYLOAD_MAX);
    if (lane == NULL || lane->connection == NULL)
        return ERR_CLOSED;
    size_t payload_size = peer_frame_payload_size(frame);
    if (frame->head.size > PEER_FRAME_HEAD_MAX || payload_size > PEER_FRAME_PAYLOAD_MAX)
        return ERR_TOO_LARGE;
    if (!is_within_window(lane, PEER_FRAME_HEADER_SIZE + frame->head.size + payload_size))
        return ERR_BUSY;
    return peer_connection_push(lane->connection, PEER_FRAME_MESSAGE, frame) < 0 ? ERR_BUSY : 0;
}

static size_t unsent_bytes(void *data, uint32_t node_id, enum net_channel channel)
{
    struct peer_lane *lane = own_lane(data, node_id, channel);
    return lane != NULL && lane->connection != NULL ? lane->connection->out.size_bytes : 0;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct peer_shard *s = prepare->data;
    while (s->dirty != NULL) {
        struct peer_connection *c = s->dirty;
        s->dirty = c->dirty_next;
        c->is_dirty = false;
        peer_connection_flush(c);
    }
}

struct net *peer_links_net(struct peer_links *l, unsigned shard)
{
    assert(shard < l->shard_count);
    return &l->shards[shard].net;
}

void peer_links_set_handler(struct peer_links *l, unsigned shard, struct net_handler handler)
{
    assert(shard < l->shard_count);
    l->shards[shard].handler = handler;
}

/* ---- hurrying ---- */

static void hurry_here(struct work_item *item)
{
    struct peer_shard_remote *remote = item->data;
    atomic_store(&remote->is_hurry_sent, false);
    if (remote->home->is_stopping)
        return;
    for (struct peer_lane *lane = remote->lanes; lane != NULL; lane = lane->next)
        peer_lane_hurry(lane);
}

void peer_links_hurry(struct peer_links *l, struct peer_remote *peer)
{
    for (unsigned i = 0; i < l->shard_count; i++) {
        struct peer_shard_remote *remote = &l->shards[i].remotes[peer->index];
        if (!atomic_exchange(&remote->is_hurry_sent, true))
            shard_post(l->shards[i].shard, &remote->hurry, hurry_here);
    }
}

void peer_links_set_identity(struct peer_links *l, const struct peer_identity *self)
{
    assert(shard_is_here(l->shards[0].shard));
    assert(self->node_id == l->self.node_id);
    pthread_mutex_lock(&l->lock);
    l->self = *self;
    pthread_mutex_unlock(&l->lock);
    for (unsigned i = 0; i < l->peer_count && !l->shards[0].is_stopping; i++) {
        struct peer_lane *control = l->shards[0].remotes[i].own[NET_CONTROL];
        if (control != NULL && control->connection != NULL)
            peer_connection_push_hello(control->connection, PEER_FRAME_HELLO);
        peer_links_hurry(l, &l->peers[i]);
    }
}

/* ---- making ---- */

static struct peer_links *allocate(const struct peer_links_options *options,
                                   const struct peer_identity *self, unsigned shard_count)
{
    struct peer_links *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    atomic_init(&l->references, 1);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->closed, NULL);
    l->options = *options;
    l->self = *self;
    snprintf(l->listen_host, sizeof l->listen_host, "%s", options->listen_host);
    l->options.listen_host = l->listen_host;
    l->options.peers = NULL; /* copied below */
    l->peers = calloc(PEER_NODES_MAX, sizeof *l->peers);
    l->shards = calloc(shard_count, sizeof *l->shards);
    if (l->peers == NULL || l->shards == NULL) {
        unref(l);
        return NULL;
    }
    l->shard_count = shard_count;
    for (unsigned i = 0; i < options->peer_count; i++)
        peer_links_add(l, &options->peers[i], PEER_CONFIGURED);
    return l;
}

static void on_prepare_closed(uv_handle_t *handle)
{
    peer_shard_closed(handle->data);
}

static int init_shard(struct peer_links *l, unsigned index, struct shard *shard)
{
    struct peer_shard *s = &l->shards[index];
    s->links = l;
    s->index = index;
    s->remotes = calloc(PEER_NODES_MAX, sizeof *s->remotes);
    if (s->remotes == NULL)
        return UV_ENOMEM;
    s->net = (struct net){.data = s, .send = send_frame, .unsent_bytes = unsent_bytes};
    (void)uv_prepare_init(shard_loop(shard), &s->prepare); /* neither can fail */
    (void)uv_prepare_start(&s->prepare, on_prepare);
    s->prepare.data = s;
    s->shard = shard;
    peer_shard_opened(s);
    int err = 0;
    for (unsigned i = 0; i < PEER_NODES_MAX; i++) {
        s->remotes[i].home = s;
        s->remotes[i].peer = &l->peers[i];
        s->remotes[i].hurry.data = s->remotes[i].match.data = &s->remotes[i];
    }
    for (unsigned i = 0; i < l->peer_count && err == 0; i++)
        err = peer_remote_match(s, i);
    return err;
}

int peer_links_create(const struct peer_links_options *options, const struct peer_identity *self,
                      struct shard *const *shards, unsigned shard_count, struct peer_links **links,
                      struct err_note *note)
{
    assert(shard_count > 0 && shard_count <= PEER_LANES_MAX);
    assert(options->window_bytes > 0 && options->reconnect_ms > 0);
    struct peer_links *l = allocate(options, self, shard_count);
    if (l == NULL)
        return UV_ENOMEM;
    signal(SIGPIPE, SIG_IGN); /* libuv's writes raise it where the peer has gone */
    int err = 0;
    for (unsigned i = 0; i < shard_count && err == 0; i++)
        err = init_shard(l, i, shards[i]);
    if (err == 0)
        err = peer_accept_listen(l, note);
    if (err < 0) {
        peer_links_stop(l);
        peer_links_destroy(l);
        return err;
    }
    *links = l;
    return 0;
}

/* ---- ending ---- */

static void close_shard(struct peer_shard *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    if (s->index == 0)
        peer_accept_close(s->links);
    for (unsigned i = 0; i < s->links->peer_count; i++) {
        struct peer_lane *lane = s->remotes[i].lanes;
        while (lane != NULL) {
            struct peer_lane *next = lane->next;
            peer_lane_close(lane);
            lane = next;
        }
        s->remotes[i].lanes = NULL;
        memset(s->remotes[i].own, 0, sizeof s->remotes[i].own);
    }
    uv_close((uv_handle_t *)&s->prepare, on_prepare_closed);
}

struct stop_order {
    struct work_item item; /* lives until the shard is closed */
    struct peer_shard *shard;
};

static void close_there(struct work_item *item)
{
    struct stop_order *order = item->data;
    close_shard(order->shard);
}

static void close_and_wait(struct peer_shard *s)
{
    struct stop_order order = {.shard = s};
    order.item.data = &order;
    pthread_mutex_lock(&s->links->lock);
    if (!s->is_closed) /* else nothing waits for the order to be carried out */
        shard_post(s->shard, &order.item, close_there);
    while (!s->is_closed)
        pthread_cond_wait(&s->links->closed, &s->links->lock);
    pthread_mutex_unlock(&s->links->lock);
}

void peer_links_stop(struct peer_links *l)
{
    for (unsigned i = 0; i < l->shard_count; i++) {
        struct peer_shard *s = &l->shards[i];
        if (s->shard == NULL)
            continue; /* creation failed before it */
        if (shard_is_here(s->shard))
            close_shard(s);
        else
            close_and_wait(s);
    }
}

void peer_links_destroy(struct peer_links *l)
{
    if (l != NULL)
        unref(l);
}
