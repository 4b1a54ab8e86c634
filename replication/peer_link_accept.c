/* Connections from others: from accept to the shard that will have them.
 *
 * Until its hello is read and judged a connection is a guest: it has a few hundred bytes of room,
 * a deadline, and a place among a bounded number. A hello names channel and lane, and with them
 * the shard; the socket goes there as a descriptor, with what was read behind the hello. Each
 * end's shard count is its own: lane n lives on shard n modulo the count. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "peer_link_internal.h"

#define GUESTS_MAX   256  /* 3 peers x 64 lanes at once, and strangers */
#define GUEST_MS_MAX 2000 /* for the hello; a peer sends it with its first packet */
#define GUEST_ROOM   2048 /* a hello and the start of what may follow */
#define BACKLOG      256

_Static_assert(GUEST_ROOM > PEER_FRAME_HEADER_SIZE + 1024 + 512, "room behind any hello");

struct peer_guest {
    uv_tcp_t tcp;
    uv_timer_t deadline;
    struct peer_links *links;
    struct peer_guest *previous, *next; /* in links->guests */
    bool is_closing;
    unsigned open_count; /* handles; the last frees */
    size_t size;         /* bytes read */
    uint8_t bytes[GUEST_ROOM];
};

/* A socket on its way to its shard. */
struct handover {
    struct work_item item;
    struct peer_shard *to;
    int descriptor;
    struct peer_hello hello;
    size_t rest_size;
    uint8_t rest[GUEST_ROOM]; /* read behind the hello */
};

static struct peer_shard *home_of(struct peer_links *l)
{
    return &l->shards[0];
}

static void on_guest_closed(uv_handle_t *handle)
{
    struct peer_guest *g = handle->data;
    struct peer_links *l = g->links;
    if (--g->open_count == 0)
        free(g);
    peer_shard_closed(home_of(l));
}

static void close_guest(struct peer_guest *g)
{
    if (g->is_closing)
        return;
    g->is_closing = true;
    if (g->previous != NULL)
        g->previous->next = g->next;
    else
        g->links->guests = g->next;
    if (g->next != NULL)
        g->next->previous = g->previous;
    g->links->guest_count--;
    uv_close((uv_handle_t *)&g->tcp, on_guest_closed);
    uv_close((uv_handle_t *)&g->deadline, on_guest_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    close_guest(timer->data);
}

static void refuse_guest(struct peer_guest *g, unsigned refusal)
{
    uint8_t bytes[PEER_FRAME_HEADER_SIZE + PEER_REFUSAL_SIZE];
    uint8_t *head = bytes + PEER_FRAME_HEADER_SIZE;
    peer_refusal_encode(refusal, peer_links_self(g->links).node_id, head);
    peer_frame_encode(bytes, PEER_FRAME_REFUSAL, NET_CONTROL,
                      &(struct net_frame){.head = bytes_of(head, PEER_REFUSAL_SIZE)});
    uv_buf_t piece = {.base = (char *)bytes, .len = sizeof bytes};
    (void)uv_try_write((uv_stream_t *)&g->tcp, &piece, 1); /* told if it can be */
    close_guest(g);
}

static void adopt_handover(struct work_item *item)
{
    struct handover *h = item->data;
    if (h->to->is_stopping)
        close(h->descriptor);
    else
        peer_connection_adopt(h->to, h->descriptor, &h->hello, bytes_of(h->rest, h->rest_size));
    free(h);
}

static void hand_over(struct peer_guest *g, const struct peer_hello *hello, size_t consumed)
{
    uv_os_fd_t own;
    int err = uv_fileno((uv_handle_t *)&g->tcp, &own);
    struct handover *h = malloc(sizeof *h);
    int descriptor = err == 0 && h != NULL ? fcntl(own, F_DUPFD_CLOEXEC, 0) : -1;
    struct bytes rest = bytes_of(g->bytes + consumed, g->size - consumed);
    close_guest(g);
    if (descriptor < 0) {
        free(h);
        event_warn("peer_handover_failed", "peer=%u", hello->identity.node_id);
        return;
    }
    h->item.data = h;
    h->to = &g->links->shards[hello->lane % g->links->shard_count];
    h->descriptor = descriptor;
    h->hello = *hello;
    h->rest_size = rest.size;
    memcpy(h->rest, rest.data, rest.size);
    if (h->to == home_of(g->links))
        adopt_handover(&h->item);
    else
        shard_post(h->to->shard, &h->item, adopt_handover);
}

/* Once per peer and reason: it will try again. A stranger's own pauses bound what it causes. */
static void tell_refused(const struct peer_hello *hello, struct peer_remote *peer,
                         enum peer_refusal refusal)
{
    if (refusal == PEER_REFUSED_NOT_FOUNDED)
        return; /* how a cluster begins */
    if (peer != NULL && peer->refusal == refusal)
        return;
    if (peer != NULL)
        peer->refusal = refusal;
    event_warn("peer_refused", "peer=%u peer_site=%s channel=%s by=us reason=\"%s\"",
               hello->identity.node_id, hello->identity.site, peer_channel_name(hello->channel),
               peer_refusal_text(refusal));
}

/* NULL when it stays a stranger. */
static struct peer_remote *take_stranger(struct peer_links *l, const struct peer_hello *hello,
                                         const struct peer_identity *self)
{
    const struct peer_identity *peer = &hello->identity;
    struct peer_address address = {.node_id = peer->node_id};
    memcpy(address.site, peer->site, sizeof address.site);
    memcpy(address.host, peer->peer_host, sizeof address.host);
    address.port = peer->peer_host[0] == '\0' ? 0 : peer->peer_port;
    if (!l->takes_strangers || peer->node_id >= PEER_NODES_MAX || !peer_identity_is_founded(peer) ||
        !peer_identity_is_founded(self) || peer_hello_judge(hello, self, &address) != PEER_ACCEPTED)
        return NULL;
    event_info("peer_taken_in", "peer=%u peer_site=%s host=%s port=%u", address.node_id,
               address.site, address.host, address.port);
    peer_links_set_peer(l, &address);
    return peer_links_find(l, address.node_id);
}

static int welcome(struct peer_guest *g, const struct peer_frame *f, size_t consumed)
{
    struct peer_hello hello;
    bool is_call = f->kind == PEER_FRAME_CALL;
    if ((!is_call && f->kind != PEER_FRAME_HELLO) || peer_hello_decode(f->body, &hello) < 0 ||
        hello.channel != f->channel)
        return ERR_MALFORMED;
    struct peer_identity self = peer_links_self(g->links);
    struct peer_remote *peer = peer_links_find(g->links, hello.identity.node_id);
    struct peer_address expected = {0};
    if (peer == NULL)
        peer = take_stranger(g->links, &hello, &self);
    if (peer != NULL)
        expected = peer_remote_expected(peer);
    enum peer_refusal refusal = peer_hello_judge(&hello, &self, peer != NULL ? &expected : NULL);
    if (peer != NULL && atomic_load(&peer->is_removed))
        refusal = PEER_REFUSED_REMOVED;
    if (refusal != PEER_ACCEPTED) {
        tell_refused(&hello, peer, refusal);
        refuse_guest(g, refusal);
        return 0;
    }
    assert(peer != NULL); /* a node that is not configured was refused */
    peer->refusal = PEER_ACCEPTED;
    if (is_call != peer->is_called_by_us)
        return ERR_MALFORMED; /* the wrong side connects */
    if (is_call) {
        close_guest(g);
        peer_remote_heard(g->links, peer, &hello.identity);
        peer_links_hurry(g->links, peer);
    } else {
        hand_over(g, &hello, consumed);
    }
    return 0;
}

static void on_guest_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct peer_guest *g = handle->data;
    *buf = (uv_buf_t){.base = (char *)g->bytes + g->size, .len = sizeof g->bytes - g->size};
}

static void tell_bad(struct peer_guest *g, int err)
{
    struct sockaddr_storage from = {0};
    int size = sizeof from;
    char name[64] = "?";
    if (uv_tcp_getpeername(&g->tcp, (struct sockaddr *)&from, &size) == 0)
        (void)uv_ip_name((struct sockaddr *)&from, name, sizeof name);
    event_warn("peer_stream_bad", "from=%s error=%s", name, err_name(err));
}

static void on_guest_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct peer_guest *g = stream->data;
    if (g->is_closing || size == 0)
        return;
    if (size < 0) {
        close_guest(g);
        return;
    }
    g->size += (size_t)size;
    struct peer_frame f;
    size_t needed;
    int got = peer_frame_decode(bytes_of(g->bytes, g->size), &peer_frame_limits_greeting, &f,
                                &needed);
    if (got == ERR_NEED_MORE)
        return; /* the limits keep any greeting below GUEST_ROOM */
    int err = got < 0 ? got : welcome(g, &f, (size_t)got);
    if (err == 0)
        return;
    tell_bad(g, err);
    if (err == ERR_VERSION)
        refuse_guest(g, PEER_REFUSED_VERSION);
    else
        close_guest(g);
}

static struct peer_guest *create_guest(struct peer_links *l)
{
    struct peer_guest *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    uv_loop_t *loop = shard_loop(home_of(l)->shard);
    if (uv_tcp_init(loop, &g->tcp) < 0) {
        free(g);
        return NULL;
    }
    (void)uv_timer_init(loop, &g->deadline); /* can't fail */
    g->tcp.data = g->deadline.data = g;
    g->links = l;
    g->open_count = 2;
    peer_shard_opened(home_of(l));
    peer_shard_opened(home_of(l));
    g->next = l->guests;
    if (g->next != NULL)
        g->next->previous = g;
    l->guests = g;
    l->guest_count++;
    return g;
}

static void on_knock(uv_stream_t *listener, int status)
{
    struct peer_links *l = listener->data;
    if (status < 0) {
        event_warn("peer_accept_failed", "error=%s", err_name(status));
        return;
    }
    struct peer_guest *g = create_guest(l);
    if (g == NULL)
        return; /* libuv listens no more: peers then come by our own connections and knocks only */
    if (uv_accept(listener, (uv_stream_t *)&g->tcp) < 0 || l->guest_count > GUESTS_MAX ||
        uv_timer_start(&g->deadline, on_deadline, GUEST_MS_MAX, 0) < 0 ||
        uv_read_start((uv_stream_t *)&g->tcp, on_guest_room, on_guest_read) < 0)
        close_guest(g);
}

static int resolve(struct peer_links *l, struct sockaddr_storage *address, struct err_note *note)
{
    const char *host = l->listen_host;
    int port = l->options.listen_port;
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0)
        return 0;
    char port_text[8];
    snprintf(port_text, sizeof port_text, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t lookup;
    int err = uv_getaddrinfo(shard_loop(home_of(l)->shard), &lookup, NULL, host, port_text, &hints);
    if (err < 0)
        return err_set(note, err, "look up %s: %s", host, err_text(err));
    memcpy(address, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
    uv_freeaddrinfo(lookup.addrinfo);
    return 0;
}

/* Our connections come from the address we listen on, so that a rule between sites (a firewall's,
 * a fault drill's) sees both directions as the same pair. A wildcard leaves it to the kernel. */
static void set_source(struct peer_links *l, const struct sockaddr_storage *address)
{
    struct sockaddr_storage source = *address;
    bool is_any;
    if (source.ss_family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&source;
        v4->sin_port = 0;
        is_any = v4->sin_addr.s_addr == htonl(INADDR_ANY);
    } else {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&source;
        v6->sin6_port = 0;
        is_any = IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
    }
    if (!is_any)
        l->source = source;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct peer_links *l = handle->data;
    peer_shard_closed(home_of(l));
}

int peer_accept_listen(struct peer_links *l, struct err_note *note)
{
    struct sockaddr_storage address = {0};
    int err = resolve(l, &address, note);
    if (err < 0)
        return err;
    set_source(l, &address);
    err = uv_tcp_init(shard_loop(home_of(l)->shard), &l->listener);
    if (err < 0)
        return err;
    l->listener.data = l;
    l->is_listening = true;
    peer_shard_opened(home_of(l));
    err = uv_tcp_bind(&l->listener, (struct sockaddr *)&address, 0);
    if (err == 0)
        err = uv_listen((uv_stream_t *)&l->listener, BACKLOG, on_knock);
    if (err < 0)
        return err_set(note, err, "listen for peers on %s:%u: %s", l->listen_host,
                       l->options.listen_port, err_text(err));
    return 0;
}

void peer_accept_close(struct peer_links *l)
{
    while (l->guests != NULL)
        close_guest(l->guests);
    if (l->is_listening)
        uv_close((uv_handle_t *)&l->listener, on_listener_closed);
    l->is_listening = false;
}
