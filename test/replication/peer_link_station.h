/* For the tests of the peer links: a node's links on real shards and loopback, and a record of
 * what its handlers heard that a test can wait for. */
#ifndef TEST_REPLICATION_PEER_LINK_STATION_H
#define TEST_REPLICATION_PEER_LINK_STATION_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "fake/quiet.h"
#include "replication/peer_link.h"

#ifdef __SANITIZE_THREAD__
/* libuv closes descriptors by a bare system call, which the thread sanitizer does not see: it takes
 * the next thread that gets the same number for one that races with the first. */
__attribute__((weak)) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:interceptor_accept4\nrace:interceptor_socket\n";
}
#endif

#define STATIONS_MAX       4 /* node ids are 1 .. STATIONS_MAX - 1 */
#define STATION_SHARDS_MAX 4
#define AWAIT_S            20 /* a bound for broken code; what is awaited comes in milliseconds */

struct station;

struct station_shard {
    struct station *station;
    unsigned index;
};

/* What was heard; under the station's lock. */
struct heard {
    unsigned up[STATIONS_MAX], down[STATIONS_MAX], refused[STATIONS_MAX]; /* shard 0 */
    unsigned shard_up[STATION_SHARDS_MAX];                                /* any peer, by shard */
    unsigned frames[STATIONS_MAX][NET_CHANNEL_COUNT];
    uint64_t next[STATIONS_MAX][NET_CHANNEL_COUNT][STATION_SHARDS_MAX]; /* by sending shard */
    unsigned wrong;                 /* frames out of order or with a wrong body */
    uint64_t alive;                 /* bytes arrived so often */
    unsigned hellos;                /* on_hello */
    unsigned founded[STATIONS_MAX]; /* hellos of a founded peer */
};

struct station {
    struct peer_identity self;
    struct shard *shards[STATION_SHARDS_MAX];
    unsigned shard_count;
    struct station_shard parts[STATION_SHARDS_MAX];
    struct peer_links *links;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct heard heard;
};

/* Ports that stay ours: bound with SO_REUSEADDR and never listened on, so that links may listen
 * there, and a connect is refused while none does. */
struct ports {
    uint16_t of[STATIONS_MAX];
    int holders[STATIONS_MAX];
};

static inline struct ports ports_reserve(void)
{
    struct ports p = {0};
    be_quiet(); /* here, before any thread */
    for (unsigned i = 1; i < STATIONS_MAX; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof a;
        int one = 1;
        p.holders[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(p.holders[i], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        cr_assert_eq(bind(p.holders[i], (struct sockaddr *)&a, size), 0);
        cr_assert_eq(getsockname(p.holders[i], (struct sockaddr *)&a, &size), 0);
        p.of[i] = ntohs(a.sin_port);
    }
    return p;
}

static inline void ports_release(struct ports *p)
{
    for (unsigned i = 1; i < STATIONS_MAX; i++)
        close(p->holders[i]);
}

static inline void station_lock(struct station *s)
{
    pthread_mutex_lock(&s->lock);
}

static inline void station_unlock_changed(struct station *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits until the counter, part of s->heard, is at least `least`. */
static inline bool await(struct station *s, const unsigned *counter, unsigned least)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += AWAIT_S;
    station_lock(s);
    int err = 0;
    while (*counter < least && err == 0)
        err = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    bool is_there = *counter >= least;
    pthread_mutex_unlock(&s->lock);
    return is_there;
}

static inline unsigned look(struct station *s, const unsigned *counter)
{
    station_lock(s);
    unsigned value = *counter;
    pthread_mutex_unlock(&s->lock);
    return value;
}

/* A test frame: head = u64 sequence, u32 sending shard, u32 fill; then payload bytes of `fill`. */
#define TEST_HEAD_SIZE 16

static inline void station_on_frame(void *data, uint32_t node_id, enum net_channel channel,
                                    struct bytes frame, struct buffer *owner)
{
    struct station_shard *part = data;
    struct station *s = part->station;
    cr_assert(frame.data >= owner->data && frame.size >= TEST_HEAD_SIZE);
    uint64_t sequence = bytes_get_le64(frame.data);
    uint32_t shard = bytes_get_le32(frame.data + 8);
    uint8_t fill = (uint8_t)bytes_get_le32(frame.data + 12);
    bool is_right = shard < STATION_SHARDS_MAX;
    size_t payload = frame.size - TEST_HEAD_SIZE;
    const uint8_t *at = frame.data + TEST_HEAD_SIZE;
    is_right = is_right &&
               (payload == 0 || (at[0] == fill && memcmp(at, at + 1, payload - 1) == 0));
    station_lock(s);
    is_right = is_right && s->heard.next[node_id][channel][shard] == sequence;
    s->heard.wrong += !is_right;
    if (is_right)
        s->heard.next[node_id][channel][shard]++;
    s->heard.frames[node_id][channel]++;
    station_unlock_changed(s);
}

static inline void station_on_alive(void *data, uint32_t node_id)
{
    struct station_shard *part = data;
    (void)node_id;
    station_lock(part->station);
    part->station->heard.alive++;
    station_unlock_changed(part->station);
}

static inline void station_on_up(void *data, uint32_t node_id)
{
    struct station_shard *part = data;
    station_lock(part->station);
    if (part->index == 0)
        part->station->heard.up[node_id]++;
    part->station->heard.shard_up[part->index]++;
    station_unlock_changed(part->station);
}

static inline void station_on_down(void *data, uint32_t node_id, int is_refused)
{
    struct station_shard *part = data;
    station_lock(part->station);
    if (part->index == 0 && is_refused)
        part->station->heard.refused[node_id]++;
    if (part->index == 0 && !is_refused)
        part->station->heard.down[node_id]++;
    station_unlock_changed(part->station);
}

static inline void station_on_hello(void *data, const struct peer_identity *peer)
{
    struct station *s = data;
    station_lock(s);
    s->heard.hellos++;
    s->heard.founded[peer->node_id] += peer->cluster_id[0] != 0;
    station_unlock_changed(s);
}

static inline struct peer_identity station_identity(uint32_t node_id)
{
    struct peer_identity self = {.cluster_id = {71, 72},
                                 .node_id = node_id,
                                 .incarnation = 100 + node_id,
                                 .client_host = "127.0.0.1",
                                 .client_port = 9092};
    snprintf(self.site, sizeof self.site, "site-%u", node_id);
    return self;
}

static inline struct peer_links_options station_options(void)
{
    return (struct peer_links_options){
        .listen_host = "127.0.0.1", .window_bytes = (size_t)8 << 20, .reconnect_ms = 20};
}

static inline void station_init(struct station *s, const struct peer_identity *self,
                                unsigned shard_count)
{
    *s = (struct station){.self = *self, .shard_count = shard_count};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    for (unsigned i = 0; i < shard_count; i++)
        s->shards[i] = shard_create(i);
}

/* Links of node self->node_id among nodes 1 .. node_count, not running yet. */
static inline int station_create_links(struct station *s, const struct ports *ports,
                                       unsigned node_count, struct peer_links_options options,
                                       struct err_note *note)
{
    struct peer_address peers[STATIONS_MAX];
    options.peers = peers;
    for (unsigned id = 1; id <= node_count; id++) {
        if (id == s->self.node_id)
            continue;
        struct peer_address *peer = &peers[options.peer_count++];
        *peer = (struct peer_address){.node_id = id, .port = ports->of[id], .host = "127.0.0.1"};
        snprintf(peer->site, sizeof peer->site, "site-%u", id);
    }
    options.listen_port = ports->of[s->self.node_id];
    options.on_hello = station_on_hello;
    options.hello_data = s;
    return peer_links_create(&options, &s->self, s->shards, s->shard_count, &s->links, note);
}

static inline void station_run(struct station *s)
{
    for (unsigned i = 0; i < s->shard_count; i++) {
        s->parts[i] = (struct station_shard){.station = s, .index = i};
        peer_links_set_handler(s->links, i,
                               (struct net_handler){.data = &s->parts[i],
                                                    .on_frame = station_on_frame,
                                                    .on_alive = station_on_alive,
                                                    .on_up = station_on_up,
                                                    .on_down = station_on_down});
    }
    for (unsigned i = 0; i < s->shard_count; i++)
        cr_assert_eq(shard_start(s->shards[i]), 0);
}

static inline void station_start_as(struct station *s, const struct peer_identity *self,
                                    const struct ports *ports, unsigned node_count,
                                    unsigned shard_count, struct peer_links_options options)
{
    struct err_note note = {{0}};
    station_init(s, self, shard_count);
    cr_assert_eq(station_create_links(s, ports, node_count, options, &note), 0, "%s", note.text);
    station_run(s);
}

static inline void station_start(struct station *s, uint32_t node_id, const struct ports *ports,
                                 unsigned node_count, unsigned shard_count)
{
    struct peer_identity self = station_identity(node_id);
    station_start_as(s, &self, ports, node_count, shard_count, station_options());
}

static inline void station_stop(struct station *s)
{
    peer_links_stop(s->links);
    for (unsigned i = 0; i < s->shard_count; i++)
        shard_stop(s->shards[i]);
    for (unsigned i = 0; i < s->shard_count; i++)
        shard_destroy(s->shards[i]);
    peer_links_destroy(s->links);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

/* Runs a function on a shard and waits for it. */
struct errand {
    struct work_item item;
    void (*run)(void *data);
    void *data;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
};

static inline void errand_run(struct work_item *item)
{
    struct errand *e = item->data;
    e->run(e->data);
    pthread_mutex_lock(&e->lock);
    e->is_done = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

static inline void run_on(struct shard *shard, void (*run)(void *data), void *data)
{
    struct errand e = {.run = run, .data = data};
    e.item.data = &e;
    pthread_mutex_init(&e.lock, NULL);
    pthread_cond_init(&e.changed, NULL);
    shard_post(shard, &e.item, errand_run);
    pthread_mutex_lock(&e.lock);
    while (!e.is_done)
        pthread_cond_wait(&e.changed, &e.lock);
    pthread_mutex_unlock(&e.lock);
    pthread_cond_destroy(&e.changed);
    pthread_mutex_destroy(&e.lock);
}

/* Sends `count` test frames from a shard; stops at the first error. */
struct sending {
    struct station *station;
    unsigned shard;
    uint32_t to;
    enum net_channel channel;
    uint64_t first; /* sequence of the first */
    unsigned count;
    size_t payload_size; /* in pieces of at most 1 MiB */
    unsigned sent;       /* answer: accepted */
    int err;             /* answer: of the first refused, or 0 */
};

static inline int send_one(const struct net *net, const struct sending *o, uint64_t sequence)
{
    uint8_t head[TEST_HEAD_SIZE], fill = (uint8_t)(sequence * 31 + 1);
    bytes_put_le64(head, sequence);
    bytes_put_le32(head + 8, o->shard);
    bytes_put_le32(head + 12, fill);
    struct slice pieces[64];
    struct net_frame frame = {.head = bytes_of(head, sizeof head), .payload = pieces};
    size_t left = o->payload_size;
    while (left > 0) {
        size_t size = left < (1 << 20) ? left : (1 << 20);
        struct buffer *b = buffer_create(size);
        memset(b->data, fill, size);
        cr_assert_lt(frame.payload_count, 64);
        pieces[frame.payload_count++] = (struct slice){.owner = b,
                                                       .bytes = bytes_of(b->data, size)};
        left -= size;
    }
    int err = net_send(net, o->to, o->channel, &frame);
    for (unsigned i = 0; i < frame.payload_count; i++)
        slice_unref(&pieces[i]);
    return err;
}

static inline void send_all(void *data)
{
    struct sending *o = data;
    struct net *net = peer_links_net(o->station->links, o->shard);
    o->sent = 0;
    o->err = 0;
    while (o->sent < o->count && o->err == 0) {
        o->err = send_one(net, o, o->first + o->sent);
        o->sent += o->err == 0;
    }
}

static inline int station_send(struct sending *o)
{
    run_on(o->station->shards[o->shard], send_all, o);
    return o->err;
}

#endif
