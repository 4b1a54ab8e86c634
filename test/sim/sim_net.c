/* Simulated connections.
 *
 * A pair of nodes has one connection with an epoch; breaking it raises the epoch and loses what is
 * under way. Both ends hear on_down; a new connection comes up, with nothing before its frames,
 * when both live and no direction is cut. A frame that meets a cut waits, in order, until it is
 * healed; what a slow link has queued goes on at full speed when the link does. */
#include "sim/sim_net.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define RECONNECT_NS (20 * WORLD_MS)
#define WINDOW_BYTES (8u << 20)
#define HELD_UP_NS   (300 * WORLD_MS) /* a frame that is under way for longer is */

struct frame {
    struct frame *next;
    uint64_t at_ns; /* when it arrives, if nothing is cut */
    struct buffer *bytes;
    size_t size;
};

/* The frames of a channel in one direction, in order. */
struct stream {
    struct sim_net *net;
    unsigned from, to;
    enum net_channel channel;
    struct frame *first, *last; /* under way */
    size_t unsent_bytes;
    uint64_t last_ns; /* when the last frame arrives */
};

struct direction {
    bool is_cut;
    uint64_t delay_ns, jitter_ns, rate;
    uint64_t busy_until_ns; /* the wire, when there is a rate */
    struct stream streams[NET_CHANNEL_COUNT];
};

struct end {
    struct sim_net *net;
    unsigned node;
    struct net seam;
    struct net_handler handler;
    bool is_alive;
};

struct sim_net {
    struct world *world;
    unsigned node_count;
    struct end ends[SIM_NODES_MAX];
    struct direction directions[SIM_NODES_MAX][SIM_NODES_MAX];
    uint64_t epochs[SIM_NODES_MAX][SIM_NODES_MAX]; /* of the pair, both ways the same */
    bool is_up[SIM_NODES_MAX][SIM_NODES_MAX];
    uint64_t frame_count, lost_count;
};

static uint32_t id_of(unsigned node)
{
    return node + 1;
}

static struct frame *take_first(struct stream *t)
{
    struct frame *f = t->first;
    t->first = f->next;
    if (t->first == NULL)
        t->last = NULL;
    t->unsent_bytes -= f->size;
    return f;
}

static void hand_over(struct stream *t)
{
    struct end *to = &t->net->ends[t->to];
    struct frame *f = take_first(t);
    to->handler.on_alive(to->handler.data, id_of(t->from));
    to->handler.on_frame(to->handler.data, id_of(t->from), t->channel,
                         bytes_of(f->bytes->data, f->size), f->bytes);
    buffer_unref(f->bytes);
    free(f);
}

/* An event says only that something may have arrived: frames can be lost or hastened meanwhile. */
static void on_arrival(void *data)
{
    struct stream *t = data;
    const struct direction *d = &t->net->directions[t->from][t->to];
    while (t->first != NULL && t->first->at_ns <= world_now_ns(t->net->world) && !d->is_cut)
        hand_over(t);
}

static void lose_all(struct direction *d)
{
    for (int channel = 0; channel < NET_CHANNEL_COUNT; channel++) {
        struct stream *t = &d->streams[channel];
        while (t->first != NULL) {
            struct frame *f = take_first(t);
            buffer_unref(f->bytes);
            free(f);
            t->net->lost_count++;
        }
        t->last_ns = 0;
    }
    d->busy_until_ns = 0;
}

static uint64_t arrival(struct sim_net *n, struct direction *d, enum net_channel channel,
                        size_t size)
{
    uint64_t at_ns = world_now_ns(n->world);
    if (d->rate > 0) {
        if (d->busy_until_ns < at_ns)
            d->busy_until_ns = at_ns;
        d->busy_until_ns += size * WORLD_S / d->rate;
        at_ns = d->busy_until_ns;
    }
    at_ns += d->delay_ns + world_between(n->world, 0, d->jitter_ns);
    if (at_ns <= d->streams[channel].last_ns)
        at_ns = d->streams[channel].last_ns + 1;
    d->streams[channel].last_ns = at_ns;
    return at_ns;
}

/* What waits for a slow wire no longer does. */
static void hasten(struct stream *t, uint64_t delay_ns)
{
    uint64_t at_ns = world_now_ns(t->net->world) + delay_ns;
    for (struct frame *f = t->first; f != NULL; f = f->next) {
        if (f->at_ns > at_ns) {
            f->at_ns = t->last_ns = at_ns++;
            world_at(t->net->world, f->at_ns, NULL, on_arrival, t);
        }
    }
}

/* As when packets of one of a pair's TCP connections are lost again and again. */
void sim_net_stall(struct sim_net *n, unsigned from, unsigned to, enum net_channel channel,
                   uint64_t until_ns)
{
    struct stream *t = &n->directions[from][to].streams[channel];
    for (struct frame *f = t->first; f != NULL; f = f->next) {
        if (f->at_ns < until_ns) {
            f->at_ns = until_ns++;
            world_at(n->world, f->at_ns, NULL, on_arrival, t);
        }
    }
    if (t->last_ns < until_ns)
        t->last_ns = until_ns;
}

static struct buffer *flatten(const struct net_frame *frame, size_t *size)
{
    *size = frame->head.size;
    for (unsigned i = 0; i < frame->payload_count; i++)
        *size += frame->payload[i].bytes.size;
    struct buffer *b = buffer_create(*size);
    if (b == NULL)
        abort();
    memcpy(b->data, frame->head.data, frame->head.size);
    uint8_t *at = b->data + frame->head.size;
    for (unsigned i = 0; i < frame->payload_count; i++) {
        memcpy(at, frame->payload[i].bytes.data, frame->payload[i].bytes.size);
        at += frame->payload[i].bytes.size;
    }
    return b;
}

static int net_send_frame(void *data, uint32_t node_id, enum net_channel channel,
                          const struct net_frame *frame)
{
    struct end *from = data;
    struct sim_net *n = from->net;
    unsigned to = node_id - 1;
    if (to >= n->node_count || !n->is_up[from->node][to])
        return ERR_CLOSED;
    struct direction *d = &n->directions[from->node][to];
    struct stream *t = &d->streams[channel];
    if (t->unsent_bytes > WINDOW_BYTES)
        return ERR_BUSY;
    struct frame *f = calloc(1, sizeof *f);
    if (f == NULL)
        abort();
    f->bytes = flatten(frame, &f->size);
    f->at_ns = arrival(n, d, channel, f->size);
    *(t->last != NULL ? &t->last->next : &t->first) = f;
    t->last = f;
    t->unsent_bytes += f->size;
    n->frame_count++;
    world_at(n->world, f->at_ns, NULL, on_arrival, t);
    return 0;
}

static size_t net_unsent(void *data, uint32_t node_id, enum net_channel channel)
{
    const struct end *from = data;
    return from->net->directions[from->node][node_id - 1].streams[channel].unsent_bytes;
}

static void init_streams(struct sim_net *n, unsigned from, unsigned to)
{
    for (int channel = 0; channel < NET_CHANNEL_COUNT; channel++)
        n->directions[from][to].streams[channel] = (struct stream){
            .net = n, .from = from, .to = to, .channel = (enum net_channel)channel};
}

struct sim_net *sim_net_create(struct world *world, unsigned node_count)
{
    struct sim_net *n = calloc(1, sizeof *n);
    if (n == NULL || node_count > SIM_NODES_MAX)
        abort();
    n->world = world;
    n->node_count = node_count;
    for (unsigned i = 0; i < node_count; i++) {
        n->ends[i].net = n;
        n->ends[i].node = i;
        n->ends[i].seam = (struct net){
            .data = &n->ends[i], .send = net_send_frame, .unsent_bytes = net_unsent};
        for (unsigned to = 0; to < node_count; to++)
            init_streams(n, i, to);
    }
    return n;
}

void sim_net_set_delay(struct sim_net *n, unsigned a, unsigned b, uint64_t delay_ns,
                       uint64_t jitter_ns)
{
    n->directions[a][b].delay_ns = n->directions[b][a].delay_ns = delay_ns;
    n->directions[a][b].jitter_ns = n->directions[b][a].jitter_ns = jitter_ns;
}

void sim_net_set_rate(struct sim_net *n, unsigned from, unsigned to, uint64_t bytes_per_s)
{
    struct direction *d = &n->directions[from][to];
    d->rate = bytes_per_s;
    if (bytes_per_s > 0)
        return;
    d->busy_until_ns = 0;
    for (int channel = 0; channel < NET_CHANNEL_COUNT; channel++)
        hasten(&d->streams[channel], d->delay_ns);
}

const struct net *sim_net_seam(struct sim_net *n, unsigned node)
{
    return &n->ends[node].seam;
}

/* ---- up and down ---- */

struct notice {
    struct sim_net *net;
    unsigned to, about;
    uint64_t epoch;
    bool is_refused;
};

static void on_notice(void *data)
{
    struct notice *notice = data;
    struct sim_net *n = notice->net;
    struct net_handler *h = &n->ends[notice->to].handler;
    bool is_current = notice->epoch == n->epochs[notice->to][notice->about];
    if (n->ends[notice->to].is_alive && is_current)
        h->on_down(h->data, id_of(notice->about), notice->is_refused);
    free(notice);
}

static void tell_down(struct sim_net *n, unsigned to, unsigned about, bool is_refused)
{
    struct notice *notice = malloc(sizeof *notice);
    if (notice == NULL)
        abort();
    *notice = (struct notice){.net = n,
                              .to = to,
                              .about = about,
                              .epoch = n->epochs[to][about],
                              .is_refused = is_refused};
    world_in(n->world, world_between(n->world, 1, WORLD_MS), NULL, on_notice, notice);
}

static void break_pair(struct sim_net *n, unsigned a, unsigned b)
{
    n->epochs[a][b]++;
    n->epochs[b][a] = n->epochs[a][b];
    n->is_up[a][b] = n->is_up[b][a] = false;
    lose_all(&n->directions[a][b]);
    lose_all(&n->directions[b][a]);
    if (n->ends[a].is_alive)
        tell_down(n, a, b, !n->ends[b].is_alive);
    if (n->ends[b].is_alive)
        tell_down(n, b, a, !n->ends[a].is_alive);
}

struct pair {
    struct sim_net *net;
    unsigned a, b;
};

static void on_connect(void *data)
{
    struct pair *pair = data;
    struct sim_net *n = pair->net;
    unsigned a = pair->a, b = pair->b;
    free(pair);
    if (n->is_up[a][b] || !n->ends[a].is_alive || !n->ends[b].is_alive ||
        n->directions[a][b].is_cut || n->directions[b][a].is_cut)
        return; /* heal or join asks again */
    n->epochs[a][b]++;
    n->epochs[b][a] = n->epochs[a][b];
    n->is_up[a][b] = n->is_up[b][a] = true;
    n->ends[a].handler.on_up(n->ends[a].handler.data, id_of(b));
    n->ends[b].handler.on_up(n->ends[b].handler.data, id_of(a));
}

static void connect_soon(struct sim_net *n, unsigned a, unsigned b)
{
    struct pair *pair = malloc(sizeof *pair);
    if (pair == NULL)
        abort();
    *pair = (struct pair){n, a, b};
    world_in(n->world, world_between(n->world, WORLD_MS, RECONNECT_NS), NULL, on_connect, pair);
}

void sim_net_join(struct sim_net *n, unsigned node, struct net_handler handler)
{
    n->ends[node].handler = handler;
    n->ends[node].is_alive = true;
    for (unsigned other = 0; other < n->node_count; other++)
        if (other != node && n->ends[other].is_alive)
            connect_soon(n, node, other);
        else if (other != node)
            tell_down(n, node, other, true); /* nobody listens there */
}

void sim_net_leave(struct sim_net *n, unsigned node)
{
    n->ends[node].is_alive = false;
    for (unsigned other = 0; other < n->node_count; other++)
        if (other != node)
            break_pair(n, node, other);
}

void sim_net_cut(struct sim_net *n, unsigned from, unsigned to, bool does_break)
{
    n->directions[from][to].is_cut = true;
    if (does_break)
        break_pair(n, from, to);
}

void sim_net_heal(struct sim_net *n, unsigned from, unsigned to)
{
    n->directions[from][to].is_cut = false;
    for (int channel = 0; channel < NET_CHANNEL_COUNT; channel++)
        on_arrival(&n->directions[from][to].streams[channel]);
    if (!n->is_up[from][to])
        connect_soon(n, from, to);
}

void sim_net_heal_all(struct sim_net *n)
{
    for (unsigned from = 0; from < n->node_count; from++)
        for (unsigned to = 0; to < n->node_count; to++)
            if (from != to && n->directions[from][to].is_cut)
                sim_net_heal(n, from, to);
}

void sim_net_reset(struct sim_net *n, unsigned a, unsigned b)
{
    break_pair(n, a, b);
    connect_soon(n, a, b);
}

bool sim_net_is_cut(const struct sim_net *n, unsigned from, unsigned to)
{
    return n->directions[from][to].is_cut;
}

bool sim_net_is_clear(const struct sim_net *n, unsigned from, unsigned to)
{
    const struct direction *d = &n->directions[from][to];
    bool is_clear = n->is_up[from][to] && !d->is_cut && d->delay_ns < HELD_UP_NS;
    for (int channel = 0; channel < NET_CHANNEL_COUNT; channel++)
        is_clear &= d->streams[channel].last_ns < world_now_ns(n->world) + HELD_UP_NS;
    return is_clear;
}

bool sim_net_is_silent(const struct sim_net *n, unsigned from, unsigned to)
{
    const struct direction *d = &n->directions[from][to];
    bool is_empty = true;
    for (int channel = 0; channel < NET_CHANNEL_COUNT; channel++)
        is_empty &= d->streams[channel].first == NULL;
    return !n->is_up[from][to] || d->is_cut || is_empty;
}

uint64_t sim_net_frame_count(const struct sim_net *n)
{
    return n->frame_count;
}

uint64_t sim_net_lost_count(const struct sim_net *n)
{
    return n->lost_count;
}
