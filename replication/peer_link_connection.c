/* One TCP connection between two nodes.
 *
 *   RESOLVING -> CONNECTING -> GREETING --peer's hello--> UP --lost--> CLOSING
 *   (accepted: its hello was read before, so it starts UP with ours queued)
 *
 * Sending only queues; peer_connection_flush() runs once a loop turn, just before the loop
 * waits, and gathers everything into one write. When the kernel takes no more
 * (TCP_NOTSENT_LOWAT keeps that little, so that a heartbeat never waits behind megabytes and a
 * lost connection loses little), a libuv write of the next pieces waits for room.
 *
 * A knock says CALL and is over when the other side closes, or has said why it refuses.
 *
 * A connection of which nothing is acknowledged for a while is given up by the kernel
 * (TCP_USER_TIMEOUT): after a cut has healed, a new connection is there long before TCP's own
 * doubling retransmission would try again. */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "peer_link_internal.h"

#define GATHER_MAX            1024                /* the kernel's UIO_MAXIOV */
#define WAITING_PIECES_MAX    4                   /* libuv keeps so many without allocating */
#define NOTSENT_LOWAT_BYTES   (256 << 10)         /* in the kernel and not yet on the wire */
#define UNACKNOWLEDGED_MS_MAX 3000u               /* then the connection counts as lost */
#define KEEPALIVE_S           30                  /* an idle one whose peer has vanished */
#define CONTROL_BUFFER_SIZE   ((size_t)64 << 10)  /* small frames, rarely kept */
#define DATA_BUFFER_SIZE      ((size_t)256 << 10) /* larger gains nothing (measured) */

static int on_frames(struct peer_connection *c);

atomic_size_t *peer_remote_unsent(struct peer_remote *peer, enum net_channel channel)
{
    return channel == NET_CONTROL ? &peer->control_bytes : &peer->data_bytes;
}

static void release(struct peer_connection *c)
{
    struct peer_shard *home = c->home;
    assert(c->open_count > 0);
    if (--c->open_count == 0)
        free(c);
    peer_shard_closed(home);
}

static void claim(struct peer_connection *c)
{
    c->open_count++;
    peer_shard_opened(c->home);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static struct peer_connection *create(struct peer_lane *lane)
{
    struct peer_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    int err = uv_tcp_init(shard_loop(lane->home->shard), &c->tcp);
    if (err < 0) {
        free(c);
        return NULL;
    }
    c->tcp.data = c->connect.data = c->resolve.data = c->write.data = c;
    c->home = lane->home;
    c->lane = lane;
    c->state = PEER_CONNECTING;
    claim(c);
    peer_queue_init(&c->out);
    peer_receive_init(&c->in,
                      lane->channel == NET_CONTROL ? CONTROL_BUFFER_SIZE : DATA_BUFFER_SIZE);
    return c;
}

static void remove_from_dirty(struct peer_connection *c)
{
    for (struct peer_connection **at = &c->home->dirty; c->is_dirty; at = &(*at)->dirty_next) {
        assert(*at != NULL);
        if (*at == c) {
            *at = c->dirty_next;
            c->is_dirty = false;
            return;
        }
    }
}

void peer_connection_close(struct peer_connection *c)
{
    if (c->state == PEER_CLOSING)
        return;
    atomic_fetch_sub(peer_remote_unsent(c->lane->peer, c->lane->channel), c->out.size_bytes);
    if (c->state == PEER_RESOLVING)
        uv_cancel((uv_req_t *)&c->resolve); /* its callback comes in any case */
    c->state = PEER_CLOSING;
    c->lane = NULL;
    remove_from_dirty(c);
    /* Pieces given to a write under way stay valid: libuv ends that write before it returns to
     * the kernel, and its callback touches no piece of a closing connection. */
    peer_queue_close(&c->out);
    peer_receive_close(&c->in);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- writing ---- */

static void mark_dirty(struct peer_connection *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->dirty_next = c->home->dirty;
    c->home->dirty = c;
}

int peer_connection_push(struct peer_connection *c, enum peer_frame_kind kind,
                         const struct net_frame *frame)
{
    assert(c->state == PEER_GREETING || c->state == PEER_UP);
    uint8_t header[PEER_FRAME_HEADER_SIZE];
    peer_frame_encode(header, kind, c->lane->channel, frame);
    size_t before = c->out.size_bytes;
    int err = peer_queue_push(&c->out, header, frame);
    if (err < 0)
        return err;
    atomic_fetch_add(peer_remote_unsent(c->lane->peer, c->lane->channel),
                     c->out.size_bytes - before);
    mark_dirty(c);
    return 0;
}

void peer_connection_push_hello(struct peer_connection *c, enum peer_frame_kind kind)
{
    struct peer_hello hello = {.version_min = PEER_VERSION_MIN,
                               .version_max = PEER_VERSION_MAX,
                               .identity = peer_links_self(c->home->links),
                               .to_node_id = c->lane->peer->node_id,
                               .channel = c->lane->channel,
                               .lane = c->lane->number,
                               .shard_count = (uint16_t)c->home->links->shard_count};
    uint8_t bytes[PEER_HELLO_SIZE_MAX];
    size_t size = peer_hello_encode(&hello, bytes);
    /* Without memory the greeting does not go out and the attempt's deadline ends it. */
    (void)peer_connection_push(c, kind, &(struct net_frame){.head = bytes_of(bytes, size)});
}

static void consume(struct peer_connection *c, size_t size)
{
    peer_queue_consume(&c->out, size);
    atomic_fetch_sub(peer_remote_unsent(c->lane->peer, c->lane->channel), size);
}

static void on_written(uv_write_t *write, int status)
{
    struct peer_connection *c = write->data;
    c->is_writing = false;
    if (c->state == PEER_CLOSING)
        return;
    if (status < 0) {
        peer_lane_on_end(c->lane, c, status);
        return;
    }
    consume(c, c->writing_bytes);
    if (c->out.size_bytes > 0)
        mark_dirty(c);
}

/* The kernel is full: the next pieces go when it has room again. */
static int wait_for_room(struct peer_connection *c)
{
    uv_buf_t pieces[WAITING_PIECES_MAX];
    unsigned count = peer_queue_gather(&c->out, pieces, WAITING_PIECES_MAX, &c->writing_bytes);
    int err = uv_write(&c->write, (uv_stream_t *)&c->tcp, pieces, count, on_written);
    c->is_writing = err == 0;
    return err;
}

void peer_connection_flush(struct peer_connection *c)
{
    int err = 0;
    while (err == 0 && c->out.size_bytes > 0 && !c->is_writing) {
        uv_buf_t pieces[GATHER_MAX];
        size_t size;
        unsigned count = peer_queue_gather(&c->out, pieces, GATHER_MAX, &size);
        int written = uv_try_write((uv_stream_t *)&c->tcp, pieces, count);
        if (written > 0)
            consume(c, (size_t)written);
        if (written < 0 && written != UV_EAGAIN)
            err = written;
        else if (written < 0 || (size_t)written < size)
            err = wait_for_room(c);
    }
    if (err < 0)
        peer_lane_on_end(c->lane, c, err);
}

void peer_connection_refuse(struct peer_connection *c, unsigned refusal)
{
    uint8_t bytes[PEER_REFUSAL_SIZE];
    peer_refusal_encode(refusal, peer_links_self(c->home->links).node_id, bytes);
    struct net_frame frame = {.head = bytes_of(bytes, sizeof bytes)};
    if (c->out.size_bytes == 0 && peer_connection_push(c, PEER_FRAME_REFUSAL, &frame) == 0) {
        uv_buf_t piece;
        size_t size;
        unsigned count = peer_queue_gather(&c->out, &piece, 1, &size);
        (void)uv_try_write((uv_stream_t *)&c->tcp, &piece, count); /* told if it can be */
    }
    peer_connection_close(c);
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct peer_connection *c = handle->data;
    uint8_t *at = NULL;
    size_t size = 0;
    if (peer_receive_room(&c->in, &at, &size) < 0)
        size = 0; /* libuv then reports UV_ENOBUFS */
    *buf = (uv_buf_t){.base = (char *)at, .len = size};
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct peer_connection *c = stream->data;
    if (size == 0 || c->state == PEER_CLOSING)
        return;
    if (size < 0) { /* who took a knock closes: it was delivered */
        peer_lane_on_end(c->lane, c, c->is_knock && size == UV_EOF ? 0 : (int)size);
        return;
    }
    peer_receive_filled(&c->in, (size_t)size);
    const struct net_handler *handler = &c->home->handler;
    if (c->state == PEER_UP && handler->on_alive != NULL)
        handler->on_alive(handler->data, c->lane->peer->node_id);
    int err = on_frames(c);
    if (err < 0 && c->state != PEER_CLOSING)
        peer_lane_on_end(c->lane, c, err);
}

static int on_hello(struct peer_connection *c, const struct peer_frame *f)
{
    struct peer_lane *lane = c->lane;
    struct peer_hello hello;
    if (peer_hello_decode(f->body, &hello) < 0)
        return ERR_MALFORMED;
    struct peer_identity self = peer_links_self(c->home->links);
    struct peer_address expected = peer_remote_expected(lane->peer);
    enum peer_refusal refusal = peer_hello_judge(&hello, &self, &expected);
    if (refusal != PEER_ACCEPTED) {
        peer_lane_on_refused(lane, c, refusal, 0);
        return 0;
    }
    if (hello.channel != lane->channel || hello.lane != lane->number)
        return ERR_MALFORMED;
    if (c->state == PEER_GREETING) {
        c->state = PEER_UP;
        c->peer = hello.identity;
        peer_lane_on_up(lane, c, &hello);
        return 0;
    }
    if (hello.channel != NET_CONTROL || hello.identity.incarnation != c->peer.incarnation)
        return ERR_MALFORMED; /* another life of the node is another connection */
    c->peer = hello.identity;
    peer_lane_on_hello(lane, &hello);
    return 0;
}

static int on_refusal(struct peer_connection *c, const struct peer_frame *f)
{
    unsigned refusal;
    uint32_t node_id;
    if (peer_refusal_decode(f->body, &refusal, &node_id) < 0 || node_id == 0)
        return ERR_MALFORMED;
    peer_lane_on_refused(c->lane, c, refusal, node_id);
    return 0;
}

static int on_frame(struct peer_connection *c, const struct peer_frame *f)
{
    if (f->channel != c->lane->channel)
        return ERR_MALFORMED;
    if (f->kind == PEER_FRAME_HELLO && !c->is_knock)
        return on_hello(c, f);
    if (f->kind == PEER_FRAME_REFUSAL)
        return on_refusal(c, f);
    if (f->kind != PEER_FRAME_MESSAGE || c->state != PEER_UP)
        return ERR_MALFORMED;
    const struct net_handler *handler = &c->home->handler;
    if (handler->on_frame != NULL)
        handler->on_frame(handler->data, c->lane->peer->node_id, f->channel, f->body, c->in.buffer);
    return 0;
}

/* Takes all whole frames; one of them may close the connection. */
static int on_frames(struct peer_connection *c)
{
    while (c->state != PEER_CLOSING) {
        struct peer_frame f;
        int got = peer_receive_next(
            &c->in, c->state == PEER_UP ? &peer_frame_limits_up : &peer_frame_limits_greeting, &f);
        if (got <= 0)
            return got;
        int err = on_frame(c, &f);
        if (err < 0)
            return err;
    }
    return 0;
}

/* ---- beginning ---- */

static void set_options(struct peer_connection *c)
{
    uv_os_fd_t descriptor;
    if (uv_fileno((uv_handle_t *)&c->tcp, &descriptor) < 0)
        return;
    unsigned lowat = NOTSENT_LOWAT_BYTES, timeout_ms = UNACKNOWLEDGED_MS_MAX;
    /* Each improves; none is needed to be right, so a kernel without one is no error. */
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_S);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct peer_connection *c = connect->data;
    if (c->state == PEER_CLOSING)
        return;
    if (status < 0) {
        peer_lane_on_end(c->lane, c, status);
        return;
    }
    set_options(c);
    c->state = PEER_GREETING;
    peer_connection_push_hello(c, c->is_knock ? PEER_FRAME_CALL : PEER_FRAME_HELLO);
    int err = uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read);
    if (err < 0)
        peer_lane_on_end(c->lane, c, err);
}

static int connect_to(struct peer_connection *c, const struct sockaddr *address)
{
    c->state = PEER_CONNECTING;
    const struct sockaddr_storage *source = &c->home->links->source;
    if (source->ss_family == address->sa_family) {
        int err = uv_tcp_bind(&c->tcp, (const struct sockaddr *)source, 0);
        if (err < 0)
            return err;
    }
    return uv_tcp_connect(&c->connect, &c->tcp, address, on_connected);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct peer_connection *c = resolve->data;
    if (c->state != PEER_CLOSING) {
        int err = status < 0 ? status : connect_to(c, found->ai_addr);
        if (err < 0)
            peer_lane_on_end(c->lane, c, err);
    }
    uv_freeaddrinfo(found);
    release(c);
}

/* Most configurations name addresses: no lookup for those. */
static int resolve_and_connect(struct peer_connection *c)
{
    struct peer_address to;
    struct sockaddr_storage address = {0};
    if (!peer_remote_place(c->home->links, c->lane->peer, &to))
        return UV_EADDRNOTAVAIL;
    if (uv_ip4_addr(to.host, to.port, (struct sockaddr_in *)&address) == 0 ||
        uv_ip6_addr(to.host, to.port, (struct sockaddr_in6 *)&address) == 0)
        return connect_to(c, (struct sockaddr *)&address);
    char port[8];
    snprintf(port, sizeof port, "%u", to.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int err = uv_getaddrinfo(shard_loop(c->home->shard), &c->resolve, on_resolved, to.host, port,
                             &hints);
    if (err == 0) {
        c->state = PEER_RESOLVING;
        claim(c);
    }
    return err;
}

int peer_connection_call(struct peer_lane *lane, bool is_knock, struct peer_connection **made)
{
    struct peer_connection *c = create(lane);
    if (c == NULL)
        return UV_ENOMEM;
    c->is_knock = is_knock;
    int err = resolve_and_connect(c);
    if (err < 0) {
        peer_connection_close(c);
        return err;
    }
    *made = c;
    return 0;
}

static int take_rest(struct peer_connection *c, struct bytes rest)
{
    while (rest.size > 0) {
        uint8_t *at;
        size_t room;
        if (peer_receive_room(&c->in, &at, &room) < 0)
            return UV_ENOMEM;
        size_t size = rest.size < room ? rest.size : room;
        memcpy(at, rest.data, size);
        peer_receive_filled(&c->in, size);
        rest = bytes_of(rest.data + size, rest.size - size);
        int err = on_frames(c);
        if (err < 0 || c->state == PEER_CLOSING)
            return err;
    }
    return 0;
}

void peer_connection_adopt(struct peer_shard *s, int descriptor, const struct peer_hello *hello,
                           struct bytes rest)
{
    struct peer_remote *peer = peer_links_find(s->links, hello->identity.node_id);
    assert(peer != NULL); /* judged before */
    struct peer_lane *lane = atomic_load(&peer->is_removed)
                                 ? NULL
                                 : peer_lane_get(s, peer, hello->channel, hello->lane);
    struct peer_connection *c = lane != NULL ? create(lane) : NULL;
    if (c == NULL || uv_tcp_open(&c->tcp, descriptor) < 0) {
        close(descriptor);
        if (c != NULL)
            peer_connection_close(c);
        return; /* the peer sees it closed and tries again */
    }
    set_options(c);
    c->state = PEER_UP;
    c->peer = hello->identity;
    peer_connection_push_hello(c, PEER_FRAME_HELLO);
    peer_lane_on_up(lane, c, hello);
    int err = take_rest(c, rest);
    if (err == 0 && c->state != PEER_CLOSING)
        err = uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read);
    if (err < 0 && c->state != PEER_CLOSING)
        peer_lane_on_end(lane, c, err);
}
