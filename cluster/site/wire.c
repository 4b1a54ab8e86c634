/* resolve --> connect --> write --> read one frame --> decoded --> write ...
 *
 * It frees itself when its handle is closed and no resolver works for it. */
#include "site/wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

#define REQUEST_BYTES_MAX 65536
#define ANSWER_BYTES_MAX  65536 /* a larger one is none: the canary asks for little */
#define CLIENT_ID         "trilog-canary"

struct site_wire {
    const struct site_wire_events *events; /* NULL: it is being closed */
    void *data;
    bool is_resolving, is_connected, is_handle_open, is_writing;
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    uint8_t *request; /* the frame that is written; owned */
    const struct kafka_api *api;
    int16_t version;
    int32_t correlation_id;
    uint8_t received[ANSWER_BYTES_MAX];
    size_t received_size;
};

static void free_when_over(struct site_wire *w)
{
    if (w->is_handle_open || w->is_resolving)
        return;
    free(w->request);
    free(w);
}

static void on_closed(uv_handle_t *handle)
{
    struct site_wire *w = handle->data;
    w->is_handle_open = false;
    free_when_over(w);
}

void site_wire_close(struct site_wire *w)
{
    w->events = NULL;
    if (w->is_resolving)
        uv_cancel((uv_req_t *)&w->resolve); /* its callback comes in any case */
    uv_close((uv_handle_t *)&w->tcp, on_closed);
}

static void breaks(struct site_wire *w)
{
    const struct site_wire_events *events = w->events;
    void *data = w->data;
    if (events == NULL)
        return;
    site_wire_close(w);
    events->broke(data);
}

/* ---- answers ---- */

static void decode(struct site_wire *w, struct bytes frame)
{
    struct kafka_arena arena;
    struct kafka_reader r = kafka_reader_of(frame);
    const struct kafka_api *api = w->api;
    int32_t correlation_id;
    kafka_arena_init(&arena, kafka_arena_limit_for(frame.size) + KAFKA_ARENA_BLOCK_BYTES);
    void *answer = kafka_arena_allocate(&arena, api->response.size);
    int err = answer == NULL ? UV_ENOMEM
                             : kafka_response_header_decode(&r, api, w->version, &correlation_id);
    if (err == 0)
        err = api->response.decode(&r, w->version, &arena, answer);
    w->api = NULL;
    if (err == 0 && correlation_id == w->correlation_id)
        w->events->answered(w->data, (enum kafka_api_key)api->key, answer);
    else
        breaks(w);
    kafka_arena_close(&arena);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct site_wire *w = handle->data;
    (void)wanted;
    *room = uv_buf_init((char *)w->received + w->received_size,
                        (unsigned)(sizeof w->received - w->received_size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct site_wire *w = stream->data;
    struct bytes frame;
    (void)room;
    if (w->events == NULL || size == 0)
        return;
    if (size < 0 || w->api == NULL) { /* closed, or an answer that nobody asked for */
        breaks(w);
        return;
    }
    w->received_size += (size_t)size;
    int used = kafka_frame_decode(bytes_of(w->received, w->received_size), sizeof w->received,
                                  &frame);
    if (used == ERR_NEED_MORE)
        return;
    if (used < 0 || (size_t)used != w->received_size) {
        breaks(w);
        return;
    }
    w->received_size = 0; /* its bytes stay until the next request is answered */
    decode(w, frame);
}

/* ---- requests ---- */

static void on_written(uv_write_t *write, int status)
{
    struct site_wire *w = write->data;
    w->is_writing = false;
    if (status != 0)
        breaks(w);
}

static int encode(struct site_wire *w, const void *message, size_t *size)
{
    struct kafka_writer writer;
    struct kafka_request_header header = {.api = w->api,
                                          .api_key = w->api->key,
                                          .api_version = w->version,
                                          .correlation_id = ++w->correlation_id,
                                          .client_id = kafka_string_of(CLIENT_ID)};
    kafka_writer_init(&writer, REQUEST_BYTES_MAX);
    kafka_request_header_encode(&writer, &header);
    int err = w->api->request.encode(&writer, w->version, message);
    if (err == 0)
        err = kafka_writer_finish(&writer);
    if (err == 0) {
        free(w->request);
        w->request = malloc(writer.size_bytes);
        err = w->request == NULL ? UV_ENOMEM : 0;
    }
    if (err == 0)
        *size = kafka_writer_copy(&writer, w->request, writer.size_bytes);
    kafka_writer_close(&writer);
    return err;
}

int site_wire_ask(struct site_wire *w, enum kafka_api_key api, int16_t version, const void *message)
{
    size_t size;
    if (w->is_writing || w->api != NULL || !w->is_connected)
        return ERR_BUSY; /* the one before is not over */
    w->api = kafka_api_find((int16_t)api);
    w->version = version;
    assert(w->api != NULL && kafka_api_has_version(w->api, version));
    int err = encode(w, message, &size);
    if (err != 0)
        return err;
    uv_buf_t bytes = uv_buf_init((char *)w->request, (unsigned)size);
    w->write.data = w;
    err = uv_write(&w->write, (uv_stream_t *)&w->tcp, &bytes, 1, on_written);
    w->is_writing = err == 0;
    return err;
}

/* ---- the way there ---- */

static void on_connected(uv_connect_t *connect, int status)
{
    struct site_wire *w = connect->data;
    if (w->events == NULL)
        return;
    if (status != 0 || uv_read_start((uv_stream_t *)&w->tcp, on_room, on_read) != 0) {
        breaks(w);
        return;
    }
    uv_tcp_nodelay(&w->tcp, 1);
    w->is_connected = true;
    w->events->connected(w->data);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct site_wire *w = resolve->data;
    w->is_resolving = false;
    w->connect.data = w;
    if (w->events == NULL)
        free_when_over(w);
    else if (status != 0 || uv_tcp_connect(&w->connect, &w->tcp, found->ai_addr, on_connected) != 0)
        breaks(w);
    uv_freeaddrinfo(found);
}

struct site_wire *site_wire_open(uv_loop_t *loop, const struct conf_address *address,
                                 const struct site_wire_events *events, void *data)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct site_wire *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->events = events;
    w->data = data;
    w->tcp.data = w->resolve.data = w;
    uv_tcp_init(loop, &w->tcp);
    w->is_handle_open = true;
    snprintf(port, sizeof port, "%u", address->port);
    w->is_resolving = uv_getaddrinfo(loop, &w->resolve, on_resolved, address->host, port, &hints) ==
                      0;
    if (w->is_resolving)
        return w;
    site_wire_close(w);
    return NULL;
}
