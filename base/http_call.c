/* A request on the port, from its headers to its answer. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_parts.h"

#define JSON_TYPE "application/json"

/* ---- answers ---- */

/* Without memory for the answer: this needs none. */
static const char out_of_memory[] =
    "{\"error\": \"out_of_memory\", \"message\": \"there is no memory for this answer\"}\n";

static void answer(struct http_call *call)
{
    assert(call->state == HTTP_CALL_READING || call->state == HTTP_CALL_WORKING); /* exactly once */
    call->state = HTTP_CALL_ANSWERED;
    call->connection->since_ms = clock_now_ms(&call->port->clock); /* from now on it is hurried */
    call->port->answered_count++;
    if (call->status >= 400)
        call->port->refused_count++;
    if (call->is_suspended) {
        call->is_suspended = false;
        MHD_resume_connection(call->http); /* MHD asks for the answer in this turn */
    }
}

void http_answer_text(struct http_call *call, unsigned status, const char *content_type, char *text,
                      size_t size)
{
    call->status = text == NULL ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    call->content_type = text == NULL ? JSON_TYPE : content_type;
    call->text = text;
    call->text_size = size;
    if (text == NULL && (call->text = strdup(out_of_memory)) != NULL)
        call->text_size = sizeof out_of_memory - 1;
    answer(call);
}

void http_answer_json(struct http_call *call, unsigned status, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_INDENT(2));
    size_t size = text == NULL ? 0 : strlen(text);
    json_decref(json);
    if (text != NULL)
        text[size++] = '\n'; /* in the place of the NUL: a size goes with it */
    http_answer_text(call, status, JSON_TYPE, text, size);
}

static void make_plain(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            *text = '?';
}

void http_refuse_list(struct http_call *call, unsigned status, const char *code, const char *format,
                      va_list arguments)
{
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    json_t *json = json_pack("{s:s, s:s}", "error", code, "message", message);
    if (json == NULL) { /* text of the client's that is not UTF-8, or was cut within a character */
        make_plain(message);
        json = json_pack("{s:s, s:s}", "error", code, "message", message);
    }
    http_answer_json(call, status, json);
}

void http_refuse(struct http_call *call, unsigned status, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    http_refuse_list(call, status, code, format, arguments);
    va_end(arguments);
}

/* ---- the query ---- */

struct query_check {
    const char *const *names;
    size_t count;
    uint64_t given;      /* bits of those that were met */
    const char *strange; /* one that is not among them */
    const char *wrong;   /* one that stands there twice, or has a NUL in its value */
};

static enum MHD_Result check_argument(void *data, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size)
{
    struct query_check *check = data;
    size_t i = 0;
    (void)kind;
    while (i < check->count &&
           (strlen(check->names[i]) != name_size || memcmp(check->names[i], name, name_size) != 0))
        i++;
    if (i == check->count)
        check->strange = name;
    else if ((check->given & UINT64_C(1) << i) != 0 ||
             (value != NULL && memchr(value, 0, value_size) != NULL))
        check->wrong = name;
    else
        check->given |= UINT64_C(1) << i;
    return check->strange == NULL && check->wrong == NULL ? MHD_YES : MHD_NO;
}

bool http_allows_query(struct http_call *call, const char *const *names, size_t count)
{
    struct query_check check = {.names = names, .count = count};
    assert(count < 64);
    MHD_get_connection_values_n(call->http, MHD_GET_ARGUMENT_KIND, check_argument, &check);
    if (check.strange != NULL)
        http_refuse(call, MHD_HTTP_BAD_REQUEST, "unknown_field", "'%.64s' is not an argument here",
                    check.strange);
    else if (check.wrong != NULL)
        http_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                    "'%s' must be given once, as text without a NUL", check.wrong);
    return check.strange == NULL && check.wrong == NULL;
}

const char *http_query(struct http_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->http, MHD_GET_ARGUMENT_KIND, name);
}

/* ---- a call's life ---- */

static const char *header(const struct http_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->http, MHD_HEADER_KIND, name);
}

/* False when the call was refused. */
static bool may_ask(struct http_call *call)
{
    const struct http_guard *guard = &call->port->guard;
    if (header(call, MHD_HTTP_HEADER_ORIGIN) != NULL)
        http_refuse(call, MHD_HTTP_FORBIDDEN, "foreign_origin",
                    "this port is for programs, not for pages in a browser");
    else if (guard->token_size == 0 && !guard_is_own_host(guard, header(call, "Host")))
        http_refuse(call, MHD_HTTP_FORBIDDEN, "foreign_host",
                    "ask this port by its address or as localhost");
    else if ((call->route.flags & HTTP_OPEN) == 0 &&
             !guard_has_token(guard, header(call, MHD_HTTP_HEADER_AUTHORIZATION)))
        http_refuse(call, MHD_HTTP_UNAUTHORIZED, "no_token",
                    "the header 'Authorization: Bearer TOKEN' is missing or has another token");
    return call->state == HTTP_CALL_READING;
}

/* Before a byte of the body is taken. */
static void on_headers(struct http_call *call, const char *method, const char *path)
{
    const struct http_port_options *options = &call->port->options;
    const char *type = header(call, MHD_HTTP_HEADER_CONTENT_TYPE);
    call->route = options->find(options->data, method, path);
    if (call->route.method == NULL && call->route.allow == NULL) {
        http_refuse(call, MHD_HTTP_NOT_FOUND, "no_such_path", "there is nothing at %.100s", path);
    } else if (call->route.method == NULL) {
        http_refuse(call, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong_method", "%.100s is for %s", path,
                    call->route.allow);
    } else if (may_ask(call) && strcmp(call->route.method, "POST") == 0 &&
               (type == NULL || strncmp(type, "application/json", 16) != 0)) {
        http_refuse(call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "not_json",
                    "the body must be of type application/json");
    } else if (call->state == HTTP_CALL_READING && (call->route.flags & HTTP_QUERY) == 0) {
        http_allows_query(call, NULL, 0);
    }
}

static void take_body(struct http_call *call, const char *bytes, size_t size)
{
    if (call->is_too_large || call->body_size + size > HTTP_BODY_BYTES_MAX) {
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

static bool parse_body(struct http_call *call)
{
    json_error_t error;
    if (call->is_too_large) {
        http_refuse(call, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", "a request has at most %u bytes",
                    HTTP_BODY_BYTES_MAX);
        return false;
    }
    if (strcmp(call->route.method, "POST") != 0)
        return true;
    call->json = json_loadb((const char *)call->body, call->body_size, JSON_REJECT_DUPLICATES,
                            &error);
    if (json_is_object(call->json))
        return true;
    http_refuse(call, MHD_HTTP_BAD_REQUEST, "bad_json", "line %d: %s", error.line,
                call->json == NULL ? error.text : "not an object");
    return false;
}

static void on_whole(struct http_call *call)
{
    if (!parse_body(call))
        return;
    call->state = HTTP_CALL_WORKING;
    call->port->options.handle(call);
}

static enum MHD_Result send_answer(struct http_call *call)
{
    call->state = HTTP_CALL_SENT;
    struct MHD_Response *response = MHD_create_response_from_buffer(call->text_size, call->text,
                                                                    MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    call->text = NULL; /* the response's now */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, call->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (call->route.allow != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, call->route.allow);
    if (call->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    enum MHD_Result result = MHD_queue_response(call->http, call->status, response);
    MHD_destroy_response(response);
    return result;
}

static struct http_connection *connection_of(struct MHD_Connection *http)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static struct http_call *begin_call(struct http_port *port, struct MHD_Connection *http)
{
    struct http_connection *connection = connection_of(http);
    struct http_call *call = connection == NULL ? NULL : calloc(1, port->options.call_size);
    if (call == NULL)
        return NULL;
    call->port = port;
    call->http = http;
    call->connection = connection;
    connection->call = call;
    return call;
}

/* libmicrohttpd: first with the headers, then with pieces of the body, then without any, and once
 * more after a suspended call was resumed. */
enum MHD_Result http_on_request(void *data, struct MHD_Connection *http, const char *path,
                                const char *method, const char *version, const char *bytes,
                                size_t *size, void **own)
{
    struct http_call *call = *own;
    (void)version;
    if (call == NULL) {
        call = *own = begin_call(data, http);
        if (call == NULL)
            return MHD_NO;
        on_headers(call, method, path);
        return call->state == HTTP_CALL_ANSWERED ? send_answer(call) : MHD_YES;
    }
    if (call->state == HTTP_CALL_READING && *size > 0) {
        take_body(call, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    if (call->state == HTTP_CALL_READING)
        on_whole(call);
    if (call->state == HTTP_CALL_WORKING && !call->is_suspended) {
        call->is_suspended = true;
        MHD_suspend_connection(http);
    }
    return call->state == HTTP_CALL_ANSWERED ? send_answer(call) : MHD_YES;
}

void http_on_completed(void *data, struct MHD_Connection *http, void **own,
                       enum MHD_RequestTerminationCode code)
{
    struct http_call *call = *own;
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
