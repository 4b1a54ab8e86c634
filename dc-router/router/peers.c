/*   not known --answers--> live --refuses, or is silent--> lost --answers for a while--> live */
#include "router/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "router/frame_input.h"
#include "router/router.h"

#define ASK_EVERY_MS     500
#define TRY_EVERY_MS     250
#define ANSWER_BYTES_MAX (64u << 10)
#define NUMBER           7 /* of every question: there is one at a time */

/* A connection to it. */
struct peer_way {
    uv_tcp_t tcp; /* data points back here */
    uv_connect_t connect;
    uv_write_t write;
    struct peer *peer; /* NULL: given up, it ends */
    struct frame_input input;
    bool is_open, is_asking;
};

struct peer {
    struct router_shard *owner;
    struct conf_router conf;
    uv_getaddrinfo_t resolve;
    struct peer_way *way; /* NULL: none */
    bool is_resolving, is_gone;
    bool was_live, is_live;
    uint64_t tried_ms, asked_ms, answered_ms;
    uint64_t since_ms; /* it answers without a gap; 0: it does not */
    struct peer *next;
};

/* ---- what is found ---- */

static void tell(struct router_shard *s)
{
    struct view *v = &s->view;
    v->live_count = 0;
    for (const struct peer *p = s->peers.first; p != NULL; p = p->next) {
        unsigned at = v->live_count;
        if (!p->is_live || p->is_gone)
            continue;
        for (; at > 0 && v->live[at - 1] > (int32_t)p->conf.router_id; at--)
            v->live[at] = v->live[at - 1];
        v->live[at] = (int32_t)p->conf.router_id;
        v->live_count++;
    }
    view_publish(s);
}

static void set_live(struct peer *p, bool is_live, const char *why)
{
    if (p->is_live == is_live)
        return;
    p->is_live = is_live;
    p->was_live |= is_live;
    if (is_live)
        event_info("router_live", "router=%u address=%s:%u", p->conf.router_id,
                   p->conf.address.host, p->conf.address.port);
    else
        event_warn("router_lost", "router=%u address=%s:%u reason=\"%s\"", p->conf.router_id,
                   p->conf.address.host, p->conf.address.port, why);
    tell(p->owner);
}

static void take_answer(struct peer *p)
{
    uint64_t now_ms = router_now_ms(p->owner);
    p->answered_ms = now_ms;
    if (p->since_ms == 0)
        p->since_ms = now_ms;
    if (!p->was_live || now_ms - p->since_ms >= PEER_RETURN_MS)
        set_live(p, true, "");
}

static void lose(struct peer *p, const char *why)
{
    p->since_ms = 0;
    set_live(p, false, why);
}

/* ---- a connection ---- */

static void free_if_over(struct peer *p)
{
    if (!p->is_gone || p->is_resolving || p->way != NULL)
        return;
    struct peer **at = &p->owner->peers.first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->owner->peers.count--;
    free(p);
}

static void on_way_closed(uv_handle_t *handle)
{
    struct peer_way *way = handle->data;
    frame_input_close(&way->input);
    free(way);
}

static void end_way(struct peer *p)
{
    struct peer_way *way = p->way;
    if (way == NULL)
        return;
    p->way = NULL;
    way->peer = NULL;
    uv_close((uv_handle_t *)&way->tcp, on_way_closed);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    struct peer_way *way = handle->data;
    (void)suggested;
    frame_input_room(&way->input, into);
}

/* False: it is none to the question. */
static bool is_answer(struct bytes frame)
{
    return frame.size >= 6 && bytes_get_be32(frame.data) == NUMBER && frame.data[4] == 0 &&
           frame.data[5] == 0;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    struct peer_way *way = stream->data;
    struct peer *p = way->peer;
    struct slice frame;
    int has = size < 0 ? (int)size : 0;
    (void)from;
    if (p == NULL)
        return;
    if (size > 0) {
        frame_input_add(&way->input, (size_t)size);
        has = frame_input_next(&way->input, &frame);
    }
    if (has > 0 && is_answer(frame.bytes)) {
        way->is_asking = false;
        take_answer(p);
        frame_input_rest(&way->input);
    } else if (has != 0) {
        p->tried_ms = 0; /* at once: does it refuse? */
        end_way(p);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct peer_way *way = connect->data;
    struct peer *p = way->peer;
    if (p == NULL)
        return;
    way->is_open = status == 0 &&
                   uv_read_start((uv_stream_t *)&way->tcp, on_allocate, on_read) == 0;
    if (way->is_open)
        return;
    end_way(p);
    if (status == UV_ECONNREFUSED)
        lose(p, "it refuses connections");
}

static void open_way(struct peer *p, const struct sockaddr *address)
{
    struct peer_way *way = calloc(1, sizeof *way);
    if (way == NULL || uv_tcp_init(shard_loop(p->owner->shard), &way->tcp) != 0) {
        free(way);
        return;
    }
    p->way = way;
    way->peer = p;
    way->tcp.data = way->connect.data = way;
    way->input.frame_bytes_max = ANSWER_BYTES_MAX;
    if (uv_tcp_connect(&way->connect, &way->tcp, address, on_connected) != 0)
        end_way(p);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct peer *p = resolve->data;
    p->is_resolving = false;
    if (status == 0 && !p->is_gone)
        open_way(p, found->ai_addr);
    uv_freeaddrinfo(found);
    free_if_over(p);
}

static void connect_to(struct peer *p)
{
    const struct conf_address *at = &p->conf.address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct sockaddr_storage address = {0};
    char port[8];
    if (uv_ip4_addr(at->host, at->port, (struct sockaddr_in *)&address) == 0 ||
        uv_ip6_addr(at->host, at->port, (struct sockaddr_in6 *)&address) == 0) {
        open_way(p, (const struct sockaddr *)&address);
        return;
    }
    snprintf(port, sizeof port, "%u", at->port);
    p->resolve.data = p;
    p->is_resolving = uv_getaddrinfo(shard_loop(p->owner->shard), &p->resolve, on_resolved,
                                     at->host, port, &hints) == 0;
}

static void on_written(uv_write_t *write, int status)
{
    (void)write; /* the answer says it, or its absence */
    (void)status;
}

static void ask(struct peer *p)
{
    static uint8_t question[] = {0,   0,   0,      23,  0,   18,  0,   0,   0,
                                 0,   0,   NUMBER, 0,   13,  't', 'r', 'i', 'l',
                                 'o', 'g', '-',    'r', 'o', 'u', 't', 'e', 'r'};
    uv_buf_t buffer = uv_buf_init((char *)question, sizeof question);
    p->way->is_asking = uv_write(&p->way->write, (uv_stream_t *)&p->way->tcp, &buffer, 1,
                                 on_written) == 0;
}

/* ---- time ---- */

static void look_at(struct peer *p, uint64_t now_ms)
{
    uint64_t silent_ms_max = (uint64_t)p->owner->settings->node_silent_ms;
    if (p->is_gone)
        return;
    if (p->way == NULL && !p->is_resolving && now_ms - p->tried_ms >= TRY_EVERY_MS) {
        p->tried_ms = p->asked_ms = now_ms;
        connect_to(p);
    } else if (p->way != NULL && p->way->is_open && !p->way->is_asking &&
               (p->answered_ms < p->tried_ms || now_ms - p->asked_ms >= ASK_EVERY_MS)) {
        p->asked_ms = now_ms;
        ask(p);
    } else if (p->way != NULL && (p->way->is_asking || !p->way->is_open) &&
               router_silence_ms(p->owner, p->asked_ms) > silent_ms_max) {
        end_way(p);
        lose(p, "it answers nothing");
    }
    if (p->is_live && router_silence_ms(p->owner, p->answered_ms) > silent_ms_max + ASK_EVERY_MS)
        lose(p, "it answers nothing");
}

void peers_tick(struct router_shard *s, uint64_t now_ms)
{
    for (struct peer *p = s->peers.first; p != NULL; p = p->next)
        look_at(p, now_ms);
}

/* ---- settings ---- */

static bool is_same(const struct conf_router *a, const struct conf_router *b)
{
    return a->router_id == b->router_id && a->address.port == b->address.port &&
           strcmp(a->address.host, b->address.host) == 0;
}

bool peers_watch_site(const struct router_settings *settings, const char *site)
{
    for (unsigned i = 0; i < settings->site_networks.count; i++)
        if (strcmp(settings->site_networks.entries[i].site, site) == 0)
            return true;
    return strcmp(settings->site, site) == 0;
}

static bool is_wanted(const struct router_settings *settings, const struct conf_router *peer)
{
    for (unsigned i = 0; i < settings->routers.count; i++)
        if (is_same(&settings->routers.entries[i], peer))
            return peers_watch_site(settings, settings->routers.entries[i].site);
    return false;
}

static bool is_there(const struct router_shard *s, const struct conf_router *wanted)
{
    for (const struct peer *p = s->peers.first; p != NULL; p = p->next)
        if (!p->is_gone && is_same(&p->conf, wanted))
            return true;
    return false;
}

static void drop_unwanted(struct router_shard *s, bool is_all)
{
    for (struct peer *p = s->peers.first, *next; p != NULL; p = next) {
        next = p->next;
        if (!is_all && (p->is_gone || is_wanted(s->settings, &p->conf)))
            continue;
        p->is_gone = true;
        if (p->is_resolving)
            uv_cancel((uv_req_t *)&p->resolve);
        end_way(p);
        free_if_over(p);
    }
}

void peers_take_settings(struct router_shard *s)
{
    const struct conf_routers *routers = &s->settings->routers;
    drop_unwanted(s, false);
    for (unsigned i = 0; i < routers->count; i++) {
        const struct conf_router *wanted = &routers->entries[i];
        if (!peers_watch_site(s->settings, wanted->site) || is_there(s, wanted))
            continue;
        struct peer *p = calloc(1, sizeof *p);
        if (p == NULL)
            return;
        p->owner = s;
        p->conf = *wanted;
        p->next = s->peers.first;
        s->peers.first = p;
        s->peers.count++;
    }
    tell(s);
}

void peers_close(struct router_shard *s)
{
    drop_unwanted(s, true);
}
