#include "router/shard.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "router/client.h"

#define TICK_MS        20
#define SLEPT_MS       250 /* between two ticks: it was stopped, or had no processor */
#define BACKLOG        1024
#define ACCEPTS_A_TURN 64
#define REST_MS        2000 /* that a drain waits for a connection to come to rest by itself */

/* ---- listening ---- */

static int listen_on(const struct addrinfo *at)
{
    int on = 1;
    int descriptor = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); /* one for each shard */
    if (bind(descriptor, at->ai_addr, at->ai_addrlen) == 0 && listen(descriptor, BACKLOG) == 0)
        return descriptor;
    int err = -errno;
    close(descriptor);
    return err;
}

static int open_listener(const struct conf_address *address, struct err_note *note)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    snprintf(port, sizeof port, "%u", address->port);
    int err = getaddrinfo(address->host, port, &hints, &found);
    if (err != 0)
        return err_set(note, ERR_INVALID, "listen: %s: %s", address->host, gai_strerror(err));
    int descriptor = listen_on(found);
    freeaddrinfo(found);
    if (descriptor < 0)
        err_set(note, descriptor, "listen: %s:%u: %s", address->host, address->port,
                strerror(-descriptor));
    return descriptor;
}

static void admit(struct router_shard *s, int descriptor, const struct sockaddr_storage *from)
{
    struct client_address address = client_address_of(from);
    int err = client_count_add(s->connections, &address);
    if (err == 0) {
        client_accept(s, descriptor, &address);
        return;
    }
    close(descriptor);
    s->counts.troubles[TROUBLE_CLIENT_LIMIT]++;
    client_refusals_add(&s->refusals, &address,
                        err == ERR_FULL ? "too many connections" : err_text(err), router_now_ms(s));
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct router_shard *s = poll->data;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int descriptor = accept4(s->listen_descriptor, (struct sockaddr *)&from, &size,
                                 SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor < 0)
            return;
        admit(s, descriptor, &from);
    }
}

/* ---- the loop ---- */

void router_shard_tick(struct router_shard *s)
{
    uint64_t now_ms = router_now_ms(s);
    if (now_ms - s->ticked_ms > SLEPT_MS)
        s->woke_ms = now_ms;
    s->ticked_ms = now_ms;
    node_pool_tick(s, now_ms);
    cluster_map_tick(s, now_ms);
    deadline_wheel_turn(&s->deadlines, now_ms);
    client_tick(s);
    if (s->is_draining)
        client_drain(s, now_ms - s->drains_ms > REST_MS);
    peers_tick(s, now_ms);
    backlogs_tick(s, now_ms);
    if (s->all != NULL) {
        site_verdict_tick(s, now_ms);
        site_report_tick(s, now_ms);
    }
    board_tick(s, now_ms);
}

static void on_tick(uv_timer_t *timer)
{
    router_shard_tick(timer->data);
}

static int open_handles(struct router_shard *s)
{
    uv_loop_t *loop = shard_loop(s->shard);
    int err = uv_timer_init(loop, &s->tick);
    if (err == 0)
        err = uv_poll_init(loop, &s->listen_poll, s->listen_descriptor);
    if (err != 0)
        return err;
    s->tick.data = s->listen_poll.data = s;
    uv_timer_start(&s->tick, on_tick, 0, TICK_MS);
    return uv_poll_start(&s->listen_poll, UV_READABLE, on_connections);
}

/* ---- settings ---- */

static void take_settings(struct router_shard *s, struct kept_settings *kept)
{
    kept_settings_release(s->kept);
    s->kept = kept;
    s->settings = &kept->values;
    s->settings_number = kept->number;
}

/* What the first shard finds out for all. */
static void begin_watch(struct router_shard *s)
{
    peers_take_settings(s);
    backlogs_take_settings(s);
}

struct setting_change {
    struct work_item item;
    struct router_shard *shard;
    struct kept_settings *kept;
};

static void on_change(struct work_item *item)
{
    struct setting_change *change = item->data;
    struct router_shard *s = change->shard;
    take_settings(s, change->kept);
    free(change);
    if (s->is_stopping)
        return;
    node_pool_take_settings(s);
    client_take_settings(s);
    if (s->all != NULL)
        begin_watch(s);
}

int router_shard_set(struct router_shard *s, struct kept_settings *settings)
{
    struct setting_change *change = calloc(1, sizeof *change);
    if (change == NULL)
        return UV_ENOMEM;
    *change = (struct setting_change){
        .item = {.data = change}, .shard = s, .kept = kept_settings_claim(settings)};
    shard_post(s->shard, &change->item, on_change);
    return 0;
}

/* ---- beginning and end ---- */

int router_shard_create(struct kept_settings *settings, unsigned index, uint64_t number,
                        struct client_count *connections, struct router_shard **shard,
                        struct err_note *note)
{
    struct router_shard *s = calloc(1, sizeof *s);
    if (s == NULL)
        return UV_ENOMEM;
    take_settings(s, kept_settings_claim(settings));
    s->clock = clock_system();
    s->router_id = (int64_t)number;
    s->connections = connections;
    s->shard_count = s->settings->shards == 0 ? 1 : (unsigned)s->settings->shards;
    board_init(&s->board);
    s->shard = shard_create(index);
    s->listen_descriptor = s->shard == NULL ? UV_ENOMEM : open_listener(&s->settings->listen, note);
    int err = s->listen_descriptor < 0 ? s->listen_descriptor : open_handles(s);
    if (err == 0) {
        node_pool_take_settings(s);
        shard_on_turn(s->shard, client_turn, s);
        err = shard_start(s->shard);
    }
    *shard = s;
    return err; /* the process ends: nothing is taken apart */
}

struct watch_begin {
    struct work_item item;
    struct router_shard *shard;
    struct router_shard *const *all;
};

static void on_watch(struct work_item *item)
{
    struct watch_begin *begin = item->data;
    struct router_shard *s = begin->shard;
    s->all = begin->all;
    free(begin);
    if (!s->is_stopping)
        begin_watch(s);
}

void router_shard_watch(struct router_shard *s, struct router_shard *const *all)
{
    struct watch_begin *begin = calloc(1, sizeof *begin);
    if (begin == NULL)
        return; /* it then knows itself only */
    *begin = (struct watch_begin){.item = {.data = begin}, .shard = s, .all = all};
    shard_post(s->shard, &begin->item, on_watch);
}

static void on_handle_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void stop_listening(struct router_shard *s)
{
    if (s->listen_descriptor < 0)
        return;
    uv_close((uv_handle_t *)&s->listen_poll, on_handle_closed);
    close(s->listen_descriptor);
    s->listen_descriptor = -1;
}

static void on_drain(struct work_item *item)
{
    struct router_shard *s = item->data;
    s->is_draining = true;
    s->drains_ms = router_now_ms(s);
    stop_listening(s);
}

void router_shard_drain(struct router_shard *s, struct work_item *item)
{
    item->data = s;
    shard_post(s->shard, item, on_drain);
}

static void end_here(struct work_item *item)
{
    struct router_shard *s = item->data;
    s->is_stopping = true;
    s->all = NULL; /* others may have ended */
    peers_close(s);
    stop_listening(s);
    uv_close((uv_handle_t *)&s->tick, on_handle_closed);
    client_close_all(s);
    node_pool_close(s);
    cluster_map_stop(s);
}

void router_shard_destroy(struct router_shard *s)
{
    struct work_item item = {.data = s};
    shard_post(s->shard, &item, end_here);
    shard_stop(s->shard);
    shard_destroy(s->shard);
    cluster_map_close(s);
    backlogs_close(s);
    node_pool_free(s);
    kept_settings_release(s->kept);
    free(s);
}
