/* The port's thread and its table of paths. What is told is read from the shards' boards, so that
 * no answer waits for anyone; what is asked of the router is done on this thread. */
#include "router/admin.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/listen_socket.h"
#include "router/admin_parts.h"

#define BACKLOG 64

struct path {
    const char *method, *path;
    void (*handle)(struct http_call *call);
    unsigned flags;
};

/* Probes and scrapers put into a query what they like. */
static const struct path paths[] = {
    {"GET", "/livez", router_resource_livez, HTTP_OPEN | HTTP_QUERY},
    {"GET", "/readyz", router_resource_readyz, HTTP_OPEN | HTTP_QUERY},
    {"GET", "/metrics", router_resource_metrics, HTTP_QUERY},
    {"GET", "/v1/router", router_resource_state, 0},
    {"POST", "/v1/router/reload", router_resource_reload, 0},
};

static struct http_route find(void *data, const char *method, const char *path)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    (void)data;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(paths[i].path, path) != 0)
            continue;
        if (strcmp(paths[i].method, wanted) != 0)
            return (struct http_route){.allow = paths[i].method};
        return (struct http_route){
            .method = paths[i].method, .flags = paths[i].flags, .own = &paths[i]};
    }
    return (struct http_route){0};
}

static void handle(struct http_call *call)
{
    ((const struct path *)call->route.own)->handle(call);
}

static void abandon(struct http_call *call)
{
    (void)call; /* all are answered at once */
}

/* ---- life ---- */

static void on_begin(struct work_item *item)
{
    (void)item;
    pthread_setname_np(pthread_self(), "admin");
    event_set_shard(-1);
}

static int open_port(struct router_admin *a, const struct router_settings *settings, int descriptor,
                     struct err_note *note)
{
    a->shard = shard_create(ROUTER_SHARDS_MAX);
    if (a->shard == NULL)
        return UV_ENOMEM;
    struct http_port_options options = {
        .shard = a->shard,
        .descriptor = descriptor,
        .is_loopback = conf_is_loopback(settings->admin_listen.host),
        .listen_host = a->host,
        .token_file = settings->admin_token_file,
        .data = a,
        .find = find,
        .handle = handle,
        .abandon = abandon,
    };
    int err = http_port_open(&options, &a->port, note);
    if (err != 0)
        return err;
    shard_post(a->shard, &a->begin_item, on_begin);
    return shard_start(a->shard);
}

int router_admin_start(struct router_process *p, const struct router_settings *settings,
                       struct router_admin **admin, struct err_note *note)
{
    const struct conf_address *listen = &settings->admin_listen;
    int descriptor;
    *admin = NULL;
    if (listen->port == 0)
        return 0;
    int err = listen_socket_open(listen->host, listen->port, "admin_listen", BACKLOG, &descriptor,
                                 note);
    if (err == UV_EADDRINUSE && settings->lines[ROUTER_SETTING_admin_listen] == 0) {
        event_warn("admin_unavailable",
                   "listen=%s:%u reason=\"another process has this port; set admin_listen\"",
                   listen->host, listen->port);
        return 0;
    }
    struct router_admin *a = err == 0 ? calloc(1, sizeof *a) : NULL;
    if (a == NULL)
        return err != 0 ? err : UV_ENOMEM;
    a->process = p;
    a->clock = clock_system();
    memcpy(a->host, listen->host, sizeof a->host);
    err = open_port(a, settings, descriptor, note);
    if (err != 0)
        return err; /* the process ends: what is half open goes with it */
    event_info("admin", "listen=%s:%u token=%d", listen->host, listen->port,
               http_port_has_token(a->port));
    *admin = a;
    return 0;
}

static void on_end(struct work_item *item)
{
    struct router_admin *a = item->data;
    http_port_close(a->port);
}

void router_admin_stop(struct router_admin *a)
{
    if (a == NULL)
        return;
    struct work_item item = {.data = a};
    shard_post(a->shard, &item, on_end);
    shard_stop(a->shard);
    shard_destroy(a->shard);
    http_port_destroy(a->port);
    free(a);
}
