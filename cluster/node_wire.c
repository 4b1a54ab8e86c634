/* resolve --> connect --> write --> read one frame --> decoded --> write ...
 *                 '--refused: the name's next address
 *
 * It frees itself when its handle is closed and no resolver works for it. */
#include "node_wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "broker.h"
#include "protocol/frame.h"
#include "protocol/messages.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

#define PIECE_BYTES 16384

struct node_wire {
    const struct node_wire_user *user; /* NULL: it is being closed */
    void *data;
    bool is_resolving; /* the resolver still has `resolve` */
    bool is_connected, is_handle_open, is_writing;
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses;          /* that its name has; owned */
    const struct addrinfo *next_address; /* to be tried, or NULL */
    uv_connect_t connect;
    uv_write_t write;
    uint8_t *request; /* the frame that is written, or waits for that; owned */
    size_t request_size;
    const struct kafka_api *api; /* of the request that is not answered, or NULL */
    int16_t version;
    int32_t correlation_id;
    uint8_t *received; /* owned */
    size_t received_size, received_space;
};

static void free_when_over(struct node_wire *w)
{
    if (w->is_handle_open || w->is_resolving)
        return;
    uv_freeaddrinfo(w->addresses);
    free(w->request);
    free(w->received);
    free(w);
}

static void on_closed(uv_handle_t *handle)
{
    struct node_wire *w = handle->data;
    w->is_handle_open = false;
    free_when_over(w);
}

void node_wire_close(struct node_wire *w)
{
    w->user = NULL;
    if (w->is_resolving)
        uv_cancel((uv_req_t *)&w->resolve); /* its callback comes in any case */
    if (!uv_is_closing((uv_handle_t *)&w->tcp))
        uv_close((uv_handle_t *)&w->tcp, on_closed);
}

static void breaks(struct node_wire *w)
{
    const struct node_wire_user *user = w->user;
    void *data = w->data;
    if (user == NULL)
        return;
    node_wire_close(w);
    user->broke(data);
}

/* ---- answers ---- */

static void decode(struct node_wire *w, struct bytes frame)
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
        w->user->answered(w->data, (enum kafka_api_key)api->key, answer);
    else
        breaks(w);
    kafka_arena_close(&arena);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct node_wire *w = handle->data;
    size_t space = w->received_size + PIECE_BYTES;
    (void)wanted;
    *room = uv_buf_init(NULL, 0);
    if (w->received_space < space) {
        size_t larger = space > 2 * w->received_space ? space : 2 * w->received_space;
        uint8_t *bytes = realloc(w->received, larger);
        if (bytes == NULL)
            return; /* libuv says so to on_read */
        w->received = bytes;
        w->received_space = larger;
    }
    *room = uv_buf_init((char *)w->received + w->received_size,
                        (unsigned)(w->received_space - w->received_size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct node_wire *w = stream->data;
    struct bytes frame;
    (void)room;
    if (w->user == NULL || size == 0)
        return;
    if (size < 0 || w->api == NULL) { /* closed, or an answer that nobody asked for */
        breaks(w);
        return;
    }
    w->received_size += (size_t)size;
    int used = kafka_frame_decode(bytes_of(w->received, w->received_size),
                                  w->user->answer_bytes_max, &frame);
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
    struct node_wire *w = write->data;
    w->is_writing = false;
    if (status != 0)
        breaks(w);
}

static int send_request(struct node_wire *w)
{
    uv_buf_t bytes = uv_buf_init((char *)w->request, (unsigned)w->request_size);
    w->write.data = w;
    int err = uv_write(&w->write, (uv_stream_t *)&w->tcp, &bytes, 1, on_written);
    w->is_writing = err == 0;
    return err;
}

static int encode(struct node_wire *w, const struct kafka_request_header *header,
                  const void *message)
{
    struct kafka_writer writer;
    kafka_writer_init(&writer, w->user->request_bytes_max);
    kafka_request_header_encode(&writer, header);
    int err = header->api->request.encode(&writer, header->api_version, message);
    if (err == 0)
        err = kafka_writer_finish(&writer);
    if (err == 0) {
        free(w->request);
        w->request = malloc(writer.size_bytes);
        err = w->request == NULL ? UV_ENOMEM : 0;
    }
    if (err == 0)
        w->request_size = kafka_writer_copy(&writer, w->request, writer.size_bytes);
    kafka_writer_close(&writer);
    return err;
}

int node_wire_ask(struct node_wire *w, const char *client_id, enum kafka_api_key api,
                  int16_t version, const void *message)
{
    struct kafka_request_header header = {.api = kafka_api_find((int16_t)api),
                                          .api_key = (int16_t)api,
                                          .api_version = version,
                                          .correlation_id = w->correlation_id + 1,
                                          .client_id = kafka_string_of(client_id)};
    assert(header.api != NULL && kafka_api_has_version(header.api, version));
    if (w->is_writing || w->api != NULL)
        return ERR_BUSY;
    int err = encode(w, &header, message);
    if (err != 0)
        return err;
    w->api = header.api;
    w->version = version;
    w->correlation_id = header.correlation_id;
    return w->is_connected ? send_request(w) : 0;
}

/* ---- the way there ---- */

static void on_given_up(uv_handle_t *handle);

/* A handle connects once: the next address needs a fresh one. */
static void give_up_address(struct node_wire *w)
{
    if (w->next_address == NULL)
        breaks(w);
    else
        uv_close((uv_handle_t *)&w->tcp, on_given_up);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct node_wire *w = connect->data;
    if (w->user == NULL)
        return;
    if (status != 0) {
        give_up_address(w);
        return;
    }
    if (uv_read_start((uv_stream_t *)&w->tcp, on_room, on_read) != 0) {
        breaks(w);
        return;
    }
    uv_tcp_nodelay(&w->tcp, 1);
    bool is_waiting = w->api != NULL;
    w->is_connected = true;
    w->user->connected(w->data);
    if (is_waiting && w->user != NULL && send_request(w) != 0)
        breaks(w);
}

static void connect_next(struct node_wire *w)
{
    const struct addrinfo *to = w->next_address;
    w->next_address = to->ai_next;
    w->connect.data = w;
    if (uv_tcp_connect(&w->connect, &w->tcp, to->ai_addr, on_connected) != 0)
        give_up_address(w);
}

static void on_given_up(uv_handle_t *handle)
{
    struct node_wire *w = handle->data;
    if (w->user == NULL) {
        on_closed(handle);
        return;
    }
    uv_tcp_init(handle->loop, &w->tcp);
    connect_next(w);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct node_wire *w = resolve->data;
    w->is_resolving = false;
    w->addresses = found;
    w->next_address = found;
    if (w->user == NULL)
        free_when_over(w);
    else if (status != 0)
        breaks(w);
    else
        connect_next(w);
}

/* Where clients reach the node; this one by where it listens. False when nobody has told it. */
static bool find_address(struct broker *b, uint32_t node_id, struct conf_address *address)
{
    if (node_id == (uint32_t)b->conf.node_id) {
        *address = b->conf.listen;
        if (strcmp(address->host, "0.0.0.0") == 0 || address->host[0] == '\0')
            strcpy(address->host, "127.0.0.1");
        else if (strcmp(address->host, "::") == 0)
            strcpy(address->host, "::1");
        return true;
    }
    metadata_read_lock(b->metadata);
    const struct metadata_node *node = metadata_node_by_id(b->metadata, node_id);
    bool is_known = node != NULL && node->host[0] != '\0' && node->port != 0;
    if (is_known) {
        bytes_copy_text(address->host, sizeof address->host, node->host);
        address->port = node->port;
    }
    metadata_read_unlock(b->metadata);
    return is_known;
}

int node_wire_open(struct broker *b, uint32_t node_id, uv_loop_t *loop,
                   const struct node_wire_user *user, void *data, struct node_wire **wire)
{
    struct conf_address address;
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (!find_address(b, node_id, &address))
        return ERR_NOT_FOUND;
    struct node_wire *w = calloc(1, sizeof *w);
    if (w == NULL)
        return UV_ENOMEM;
    w->user = user;
    w->data = data;
    w->tcp.data = w->resolve.data = w;
    uv_tcp_init(loop, &w->tcp);
    w->is_handle_open = true;
    snprintf(port, sizeof port, "%u", address.port);
    w->is_resolving = uv_getaddrinfo(loop, &w->resolve, on_resolved, address.host, port, &hints) ==
                      0;
    if (!w->is_resolving) {
        node_wire_close(w);
        return UV_ENOMEM;
    }
    *wire = w;
    return 0;
}
