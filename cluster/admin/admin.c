/* The operator's port: opened, told what to speak of, closed.
 *
 * Its thread is a shard of its own, without raft groups or clients: the same loop, queue and
 * posting as theirs, so that asking a shard is one post there and one back. */
#include "admin/admin.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/admin_parts.h"
#include "admin/ask.h"
#include "admin/route.h"
#include "base/event.h"
#include "base/listen_socket.h"

#define BACKLOG 64

static void on_begin(struct work_item *item)
{
    (void)item;
    pthread_setname_np(pthread_self(), "admin");
    event_set_shard(-1);
}

/* ---- calls ---- */

static struct http_route find(void *data, const char *method, const char *path)
{
    struct http_route found = {0};
    const struct admin_route *route = route_find(method, path, &found.allow);
    (void)data;
    if (route == NULL)
        return found;
    return (struct http_route){.method = route->method, .flags = route->flags, .own = route};
}

static void handle(struct http_call *http)
{
    struct admin_call *call = (struct admin_call *)http;
    const struct admin_route *route = http->route.own;
    struct admin *a = http_port_data(http->port);
    bool is_any_time = (route->flags & ROUTE_ANY_TIME) != 0;
    call->admin = a;
    call->json = http->json;
    call->broker = atomic_load(&a->is_stopping) ? NULL : atomic_load(&a->broker);
    if (call->broker == NULL && !is_any_time)
        call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE,
                    atomic_load(&a->is_stopping) ? "stopping" : "starting",
                    "the node does not serve; /readyz says why");
    else
        route->handle(call);
}

static void abandon(struct http_call *http)
{
    struct admin_call *call = (struct admin_call *)http;
    call->on_abandoned(call);
}

static void on_tick(void *data)
{
    struct admin *a = data;
    struct broker *b = atomic_load(&a->is_stopping) ? NULL : atomic_load(&a->broker);
    if (b != NULL)
        watch_tick(a, b);
}

/* ---- life ---- */

static int open_port(struct admin *a, int descriptor, struct err_note *note)
{
    const struct conf_settings *conf = a->conf;
    a->shard = shard_create(REPL_SHARDS_MAX); /* behind all that can have groups */
    if (a->shard == NULL)
        return UV_ENOMEM;
    struct http_port_options options = {
        .shard = a->shard,
        .descriptor = descriptor,
        .is_loopback = conf_is_loopback(conf->admin_listen.host),
        .listen_host = conf->admin_listen.host,
        .token_file = conf->admin_token_file,
        .call_size = sizeof(struct admin_call),
        .data = a,
        .find = find,
        .handle = handle,
        .abandon = abandon,
        .on_tick = on_tick,
    };
    return http_port_open(&options, &a->port, note);
}

static int open_parts(struct admin *a, struct err_note *note)
{
    const struct conf_address *listen = &a->conf->admin_listen;
    int descriptor;
    a->clock = clock_system();
    a->started_ms = clock_now_ms(&a->clock);
    int err = listen_socket_open(listen->host, listen->port, "admin_listen", BACKLOG, &descriptor,
                                 note);
    if (err == 0 && (err = open_port(a, descriptor, note)) != 0)
        close(descriptor);
    if (err != 0)
        return err;
    shard_post(a->shard, &a->begin_item, on_begin);
    return shard_start(a->shard);
}

int admin_start(const struct conf_settings *conf, struct admin **admin, struct err_note *note)
{
    *admin = NULL;
    if (conf->admin_listen.port == 0)
        return 0;
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL)
        return UV_ENOMEM;
    a->conf = conf;
    int err = open_parts(a, note);
    if (err == UV_EADDRINUSE && conf->lines[CONF_ID_admin_listen] == 0) {
        event_warn("admin_unavailable",
                   "listen=%s:%u reason=\"another process has this port; set "
                   "admin_listen\"",
                   conf->admin_listen.host, conf->admin_listen.port);
        free(a);
        return 0;
    }
    if (err != 0)
        return err; /* the process ends: what is half open goes with it */
    event_info("admin", "listen=%s:%u token=%d", conf->admin_listen.host, conf->admin_listen.port,
               http_port_has_token(a->port));
    *admin = a;
    return 0;
}

void admin_attach(struct admin *a, struct broker *b)
{
    if (a != NULL)
        atomic_store(&a->broker, b);
}

void admin_detach(struct admin *a)
{
    if (a != NULL)
        atomic_store(&a->is_stopping, true);
}

static void on_end(struct work_item *item)
{
    struct admin *a = item->data;
    http_port_close(a->port);
    ask_close(a);
}

void admin_stop(struct admin *a)
{
    if (a == NULL)
        return;
    a->end_item.data = a;
    shard_post(a->shard, &a->end_item, on_end);
    shard_stop(a->shard);
    if (a->is_salvaging)
        return; /* a worker has its item, and will post it to the shard: the process ends */
    shard_destroy(a->shard);
    http_port_destroy(a->port);
    free(a);
}
