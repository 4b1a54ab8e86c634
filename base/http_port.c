/* HTTP, by libmicrohttpd on this thread's own loop.
 *
 * libmicrohttpd runs without threads of its own: its epoll descriptor is polled by our loop, so
 * that callbacks, answers of shards and deadlines all happen on one thread, one after the other,
 * without a lock. A call that waits is suspended there and costs nothing.
 *
 * What a client can take is bounded: connections, header bytes, body bytes, and the time for a
 * whole request to come and for its answer to be taken. libmicrohttpd's own timeout counts silence
 * only, which a byte now and then breaks for ever; so connections are looked at here, and closed.
 */
#include "base/http_port.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "http_parts.h"

#define PER_ADDRESS_MAX        32          /* beyond loopback, where all have one address */
#define HEADER_BYTES_MAX       (32u << 10) /* request line, headers and MHD's own, a connection */
#define REQUEST_MS_MAX         15000 /* for a whole request to come, or its answer to be taken */
#define CROWDED_CONNECTIONS    48
#define CROWDED_REQUEST_MS_MAX 2000 /* so long when most connections are in use */

#define TICK_MS     250
#define RUNS_A_TURN 100 /* the loop has other work, too */

/* ---- connections ---- */

static void begin_connection(struct http_port *p, struct MHD_Connection *http, void **own)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        http, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_connection *c = info == NULL ? NULL : calloc(1, sizeof *c);
    *own = c;
    if (c == NULL)
        return; /* its requests are refused */
    c->descriptor = info->connect_fd;
    c->since_ms = clock_now_ms(&p->clock);
    c->next = p->connections;
    c->previous = &p->connections;
    if (c->next != NULL)
        c->next->previous = &c->next;
    p->connections = c;
    p->connection_count++;
}

static void on_connection(void *data, struct MHD_Connection *http, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_port *p = data;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(p, http, own);
        return;
    }
    struct http_connection *c = *own;
    if (c == NULL)
        return;
    *c->previous = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    p->connection_count--;
    free(c);
    *own = NULL;
}

/* A call that is worked on ends by its own bound, so only clients are hurried here. */
static void close_slow(struct http_port *p)
{
    uint64_t now_ms = clock_now_ms(&p->clock);
    uint64_t ms_max = p->connection_count < CROWDED_CONNECTIONS ? REQUEST_MS_MAX
                                                                : CROWDED_REQUEST_MS_MAX;
    for (struct http_connection *c = p->connections; c != NULL; c = c->next) {
        bool is_working = c->call != NULL && c->call->state == HTTP_CALL_WORKING;
        if (!is_working && now_ms - c->since_ms > ms_max)
            shutdown(c->descriptor, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
    }
}

/* ---- the loop ---- */

/* One run takes one piece of what has come on each connection, and no event tells of the rest: only
 * libmicrohttpd knows of it, by a timeout of 0. */
static void on_turn(void *data)
{
    struct http_port *p = data;
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    for (unsigned i = 0; p->daemon != NULL && wait_ms == 0 && i < RUNS_A_TURN; i++) {
        MHD_run(p->daemon);
        if (MHD_get_timeout(p->daemon, &wait_ms) != MHD_YES)
            return;
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)poll; /* the turn that follows does it */
    (void)status;
    (void)events;
}

static void on_tick(uv_timer_t *timer)
{
    struct http_port *p = timer->data;
    close_slow(p);
    if (p->options.on_tick != NULL)
        p->options.on_tick(p->options.data);
}

static struct MHD_Daemon *start_daemon(struct http_port *p)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    unsigned per_address = p->options.is_loopback ? HTTP_CONNECTIONS_MAX : PER_ADDRESS_MAX;
    return MHD_start_daemon(flags, 0, NULL, NULL, http_on_request, p, MHD_OPTION_LISTEN_SOCKET,
                            (MHD_socket)p->options.descriptor, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)HEADER_BYTES_MAX, MHD_OPTION_NOTIFY_COMPLETED,
                            http_on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, p,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

static int start(struct http_port *p, struct err_note *note)
{
    uv_loop_t *loop = shard_loop(p->options.shard);
    p->daemon = start_daemon(p);
    const union MHD_DaemonInfo *info = p->daemon == NULL ? NULL
                                                         : MHD_get_daemon_info(
                                                               p->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return err_set(note, UV_ENOMEM, "admin_listen: libmicrohttpd does not start");
    int err = uv_poll_init(loop, &p->poll, info->epoll_fd);
    if (err != 0)
        return err_set(note, err, "admin_listen: %s", err_text(err));
    p->poll.data = p->timer.data = p;
    uv_poll_start(&p->poll, UV_READABLE, on_ready);
    uv_timer_init(loop, &p->timer);
    uv_timer_start(&p->timer, on_tick, TICK_MS, TICK_MS);
    shard_on_turn(p->options.shard, on_turn, p);
    return 0;
}

int http_port_open(const struct http_port_options *options, struct http_port **port,
                   struct err_note *note)
{
    struct http_port *p = calloc(1, sizeof *p);
    if (p == NULL)
        return UV_ENOMEM;
    p->options = *options;
    if (p->options.call_size == 0)
        p->options.call_size = sizeof(struct http_call);
    p->clock = clock_system();
    p->guard.listen_host = options->listen_host;
    int err = options->token_file[0] == '\0'
                  ? 0
                  : guard_read_token(&p->guard, options->token_file, note);
    if (err == 0)
        err = start(p, note);
    if (err != 0) {
        free(p);
        return err;
    }
    *port = p;
    return 0;
}

/* Who still waits hears that it ends: libmicrohttpd ends no suspended connection. */
static void end_calls(struct http_port *p)
{
    for (struct http_connection *c = p->connections; c != NULL; c = c->next)
        if (c->call != NULL && c->call->state == HTTP_CALL_WORKING) {
            p->options.abandon(c->call);
            http_refuse(c->call, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "the process ends");
        }
    MHD_run(p->daemon);
}

void http_port_close(struct http_port *p)
{
    uv_close((uv_handle_t *)&p->poll, NULL);
    uv_close((uv_handle_t *)&p->timer, NULL);
    end_calls(p);
    MHD_stop_daemon(p->daemon);
    p->daemon = NULL;
}

void http_port_destroy(struct http_port *p)
{
    free(p);
}

void *http_port_data(const struct http_port *p)
{
    return p->options.data;
}

bool http_port_has_token(const struct http_port *p)
{
    return p->guard.token_size > 0;
}

uint64_t http_port_answered(const struct http_port *p)
{
    return p->answered_count;
}

uint64_t http_port_refused(const struct http_port *p)
{
    return p->refused_count;
}
