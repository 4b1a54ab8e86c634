/* HTTP, by libmicrohttpd on this thread's own loop.
 *
 * libmicrohttpd runs without threads of its own: its epoll descriptor is polled by our loop, so
 * that callbacks, answers of shards and deadlines all happen on one thread, one after the other,
 * without a lock. A call that waits is suspended there and costs nothing.
 *
 *   headers --guard, route--> body --handler--> answer at once
 *                                     '--> suspended --post back from shards--> answer
 *
 * What a client can take is bounded: connections, header bytes, body bytes, and the time for a
 * whole request to come and for its answer to be taken. libmicrohttpd's own timeout counts silence
 * only, which a byte now and then breaks for ever; so connections are looked at here, and closed.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/admin_parts.h"
#include "admin/ask.h"
#include "admin/route.h"
#include "base/event.h"

#define TICK_MS     250
#define RUNS_A_TURN 100 /* the loop has other work, too */

/* ---- a call's life ---- */

static const char *header(const struct admin_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->http, MHD_HEADER_KIND, name);
}

/* False when the call was refused. */
static bool may_ask(struct admin_call *call)
{
    const struct admin_guard *guard = &call->admin->guard;
    if (header(call, MHD_HTTP_HEADER_ORIGIN) != NULL)
        call_refuse(call, MHD_HTTP_FORBIDDEN, "foreign_origin",
                    "this port is for programs, not for pages in a browser");
    else if (guard->token_size == 0 && !guard_is_own_host(guard, header(call, "Host")))
        call_refuse(call, MHD_HTTP_FORBIDDEN, "foreign_host",
                    "ask this port by its address or as localhost");
    else if ((call->route->flags & ROUTE_OPEN) == 0 &&
             !guard_has_token(guard, header(call, MHD_HTTP_HEADER_AUTHORIZATION)))
        call_refuse(call, MHD_HTTP_UNAUTHORIZED, "no_token",
                    "the header 'Authorization: Bearer TOKEN' is missing or has another token");
    return call->state == CALL_READING;
}

/* Before a byte of the body is taken. */
static void on_headers(struct admin_call *call, const char *method, const char *path)
{
    const char *allow, *type = header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
    call->route = route_find(method, path, &allow);
    if (call->route == NULL && allow == NULL) {
        call_refuse(call, MHD_HTTP_NOT_FOUND, "no_such_path", "there is nothing at %.100s", path);
    } else if (call->route == NULL) {
        call->allow = allow;
        call_refuse(call, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong_method", "%.100s is for %s", path,
                    allow);
    } else if (may_ask(call) && strcmp(call->route->method, "POST") == 0 &&
               (type == NULL || strncmp(type, "application/json", 16) != 0)) {
        call_refuse(call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "not_json",
                    "the body must be of type application/json");
    } else if (call->state == CALL_READING && (call->route->flags & ROUTE_QUERY) == 0) {
        call_allows_query(call, NULL, 0);
    }
}

static void take_body(struct admin_call *call, const char *bytes, size_t size)
{
    if (call->is_too_large || call->body_size + size > ADMIN_BODY_BYTES_MAX) {
        call->is_too_large = true;
        return;
    }
    uint8_t *body = realloc(call->body, call->body_size + size);
    if (body == NULL) {
        call->is_too_large = true;
        return;
    }
    memcpy(body + call->body_size, bytes, size);
    call->body = body;
    call->body_size += size;
}

static bool parse_body(struct admin_call *call)
{
    json_error_t error;
    if (call->is_too_large) {
        call_refuse(call, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", "a request has at most %u bytes",
                    ADMIN_BODY_BYTES_MAX);
        return false;
    }
    if (strcmp(call->route->method, "POST") != 0)
        return true;
    call->json = json_loadb((const char *)call->body, call->body_size, JSON_REJECT_DUPLICATES,
                            &error);
    if (json_is_object(call->json))
        return true;
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "bad_json", "line %d: %s", error.line,
                call->json == NULL ? error.text : "not an object");
    return false;
}

static void on_whole(struct admin_call *call)
{
    struct admin *a = call->admin;
    if (!parse_body(call))
        return;
    call->state = CALL_WORKING;
    bool is_any_time = (call->route->flags & ROUTE_ANY_TIME) != 0;
    call->broker = atomic_load(&a->is_stopping) ? NULL : atomic_load(&a->broker);
    if (call->broker == NULL && !is_any_time)
        call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE,
                    atomic_load(&a->is_stopping) ? "stopping" : "starting",
                    "the node does not serve; /readyz says why");
    else
        call->route->handle(call);
}

static enum MHD_Result send_answer(struct admin_call *call)
{
    call->state = CALL_SENT;
    call->connection->since_ms = clock_now_ms(&call->admin->clock);
    struct MHD_Response *response = MHD_create_response_from_buffer(call->text_size, call->text,
                                                                    MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    call->text = NULL; /* the response's now */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, call->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (call->allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, call->allow);
    if (call->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    enum MHD_Result result = MHD_queue_response(call->http, call->status, response);
    MHD_destroy_response(response);
    return result;
}

static struct admin_connection *connection_of(struct MHD_Connection *http)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static struct admin_call *begin_call(struct admin *a, struct MHD_Connection *http)
{
    struct admin_connection *connection = connection_of(http);
    struct admin_call *call = connection == NULL ? NULL : calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->admin = a;
    call->http = http;
    call->connection = connection;
    connection->call = call;
    return call;
}

/* libmicrohttpd: first with the headers, then with pieces of the body, then without any, and once
 * more after a suspended call was resumed. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *http, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **own)
{
    struct admin_call *call = *own;
    (void)version;
    if (call == NULL) {
        call = *own = begin_call(data, http);
        if (call == NULL)
            return MHD_NO;
        on_headers(call, method, path);
        return call->state == CALL_ANSWERED ? send_answer(call) : MHD_YES;
    }
    if (call->state == CALL_READING && *size > 0) {
        take_body(call, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    if (call->state == CALL_READING)
        on_whole(call);
    if (call->state == CALL_WORKING && !call->is_suspended) {
        call->is_suspended = true;
        MHD_suspend_connection(http);
    }
    return call->state == CALL_ANSWERED ? send_answer(call) : MHD_YES;
}

static void on_completed(void *data, struct MHD_Connection *http, void **own,
                         enum MHD_RequestTerminationCode code)
{
    struct admin_call *call = *own;
    (void)data;
    (void)http;
    (void)code;
    if (call == NULL)
        return;
    call->connection->call = NULL;
    json_decref(call->json);
    free(call->body);
    free(call->text);
    free(call);
    *own = NULL;
}

/* ---- connections ---- */

static void begin_connection(struct admin *a, struct MHD_Connection *http, void **own)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        http, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct admin_connection *c = info == NULL ? NULL : calloc(1, sizeof *c);
    *own = c;
    if (c == NULL)
        return; /* its requests are refused */
    c->descriptor = info->connect_fd;
    c->since_ms = clock_now_ms(&a->clock);
    c->next = a->connections;
    c->previous = &a->connections;
    if (c->next != NULL)
        c->next->previous = &c->next;
    a->connections = c;
    a->connection_count++;
}

static void on_connection(void *data, struct MHD_Connection *http, void **own,
                          enum MHD_ConnectionNotificationCode code)
{
    struct admin *a = data;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(a, http, own);
        return;
    }
    struct admin_connection *c = *own;
    if (c == NULL)
        return;
    *c->previous = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    a->connection_count--;
    free(c);
    *own = NULL;
}

/* A call that is worked on ends by its own bound, so only clients are hurried here. */
static void close_slow(struct admin *a)
{
    uint64_t now_ms = clock_now_ms(&a->clock);
    uint64_t ms_max = a->connection_count < ADMIN_CROWDED_CONNECTIONS
                          ? ADMIN_REQUEST_MS_MAX
                          : ADMIN_CROWDED_REQUEST_MS_MAX;
    for (struct admin_connection *c = a->connections; c != NULL; c = c->next) {
        bool is_working = c->call != NULL && c->call->state == CALL_WORKING;
        if (!is_working && now_ms - c->since_ms > ms_max)
            shutdown(c->descriptor, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
    }
}

/* ---- the loop ---- */

/* One run takes one piece of what has come on each connection, and no event tells of the rest: only
 * libmicrohttpd knows of it, by a timeout of 0. */
static void on_turn(void *data)
{
    struct admin *a = data;
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    for (unsigned i = 0; a->daemon != NULL && wait_ms == 0 && i < RUNS_A_TURN; i++) {
        MHD_run(a->daemon);
        if (MHD_get_timeout(a->daemon, &wait_ms) != MHD_YES)
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
    struct admin *a = timer->data;
    struct broker *b = atomic_load(&a->is_stopping) ? NULL : atomic_load(&a->broker);
    close_slow(a);
    if (b != NULL)
        watch_tick(a, b);
}

static struct MHD_Daemon *start_daemon(struct admin *a)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    unsigned per_address = conf_is_loopback(a->conf->admin_listen.host) ? ADMIN_CONNECTIONS_MAX
                                                                        : ADMIN_PER_ADDRESS_MAX;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, a, MHD_OPTION_LISTEN_SOCKET,
                            (MHD_socket)a->descriptor, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)ADMIN_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            per_address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)ADMIN_HEADER_BYTES_MAX, MHD_OPTION_NOTIFY_COMPLETED,
                            on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

int admin_http_open(struct admin *a, struct err_note *note)
{
    a->daemon = start_daemon(a);
    const union MHD_DaemonInfo *info = a->daemon == NULL ? NULL
                                                         : MHD_get_daemon_info(
                                                               a->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return err_set(note, UV_ENOMEM, "admin_listen: libmicrohttpd does not start");
    int err = uv_poll_init(shard_loop(a->shard), &a->poll, info->epoll_fd);
    if (err != 0)
        return err_set(note, err, "admin_listen: %s", err_text(err));
    a->poll.data = a;
    uv_poll_start(&a->poll, UV_READABLE, on_ready);
    uv_timer_init(shard_loop(a->shard), &a->timer);
    a->timer.data = a;
    uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
    shard_on_turn(a->shard, on_turn, a);
    return 0;
}

/* Who still waits hears that the node ends: libmicrohttpd ends no suspended connection. */
static void end_calls(struct admin *a)
{
    for (struct admin_connection *c = a->connections; c != NULL; c = c->next)
        if (c->call != NULL && c->call->state == CALL_WORKING) {
            c->call->on_abandoned(c->call);
            call_refuse(c->call, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "the node ends");
        }
    MHD_run(a->daemon);
}

void admin_http_close(struct admin *a)
{
    uv_close((uv_handle_t *)&a->poll, NULL);
    uv_close((uv_handle_t *)&a->timer, NULL);
    end_calls(a);
    ask_close(a);
    MHD_stop_daemon(a->daemon);
    a->daemon = NULL;
}
