/* resolve --> connect --> write --> read one frame --> decoded, or the deadline --> closed
 *
 * A question is freed when both of its handles are closed and no resolver works for it. */
#include "admin/ask.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_parts.h"
#include "base/err.h"
#include "protocol/frame.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

#define CORRELATION_ID     1
#define QUESTION_BYTES_MAX (4u << 20)
#define PIECE_BYTES        16384

struct ask {
    struct admin *admin;
    const void *owner;
    ask_cb cb; /* NULL once it was called, or is not to be */
    void *data;
    const struct kafka_api *api;
    int16_t version;
    bool is_sent;      /* a part of it may have left */
    bool is_resolving; /* the resolver still has `resolve` */
    unsigned open_handles;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    uint8_t *question; /* the frame; owned */
    size_t question_size;
    uint8_t *received; /* owned */
    size_t received_size, received_space;
    struct ask *next, **previous;
};

/* ---- ending ---- */

static void free_when_over(struct ask *q)
{
    if (q->open_handles > 0 || q->is_resolving)
        return;
    free(q->question);
    free(q->received);
    free(q);
}

static void on_closed(uv_handle_t *handle)
{
    struct ask *q = handle->data;
    q->open_handles--;
    free_when_over(q);
}

static void let_go(struct ask *q)
{
    q->cb = NULL;
    *q->previous = q->next;
    if (q->next != NULL)
        q->next->previous = q->previous;
    q->admin->ask_count--;
    if (q->is_resolving)
        uv_cancel((uv_req_t *)&q->resolve); /* its callback comes in any case */
    uv_close((uv_handle_t *)&q->tcp, on_closed);
    uv_close((uv_handle_t *)&q->timer, on_closed);
}

static void finish(struct ask *q, int status, const void *answer)
{
    ask_cb cb = q->cb;
    void *data = q->data;
    assert(cb != NULL);
    q->cb = NULL; /* what it calls may cancel its owner's other questions, not this one */
    cb(data, status, answer);
    let_go(q);
}

static void fail(struct ask *q)
{
    finish(q, q->is_sent ? ERR_TIMEOUT : ERR_CLOSED, NULL);
}

/* ---- the answer ---- */

static void decode(struct ask *q, struct bytes frame)
{
    struct kafka_arena arena;
    struct kafka_reader r = kafka_reader_of(frame);
    int32_t correlation_id;
    kafka_arena_init(&arena, kafka_arena_limit_for(frame.size) + KAFKA_ARENA_BLOCK_BYTES);
    void *answer = kafka_arena_allocate(&arena, q->api->response.size);
    int err = answer == NULL
                  ? UV_ENOMEM
                  : kafka_response_header_decode(&r, q->api, q->version, &correlation_id);
    if (err == 0)
        err = q->api->response.decode(&r, q->version, &arena, answer);
    if (err == 0 && correlation_id == CORRELATION_ID)
        finish(q, 0, answer);
    else
        fail(q);
    kafka_arena_close(&arena);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
    struct ask *q = handle->data;
    size_t space = q->received_size + PIECE_BYTES;
    (void)wanted;
    *room = uv_buf_init(NULL, 0);
    if (q->received_space < space) {
        size_t larger = space > 2 * q->received_space ? space : 2 * q->received_space;
        uint8_t *bytes = realloc(q->received, larger);
        if (bytes == NULL)
            return; /* libuv says so to on_read */
        q->received = bytes;
        q->received_space = larger;
    }
    *room = uv_buf_init((char *)q->received + q->received_size,
                        (unsigned)(q->received_space - q->received_size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct ask *q = stream->data;
    struct bytes frame;
    (void)room;
    if (q->cb == NULL || size == 0)
        return;
    if (size < 0) {
        fail(q);
        return;
    }
    q->received_size += (size_t)size;
    int used = kafka_frame_decode(bytes_of(q->received, q->received_size), ASK_ANSWER_BYTES_MAX,
                                  &frame);
    if (used >= 0)
        decode(q, frame);
    else if (used != ERR_NEED_MORE)
        fail(q);
}

/* ---- the way there ---- */

static void on_written(uv_write_t *write, int status)
{
    struct ask *q = write->data;
    if (status != 0 && q->cb != NULL)
        fail(q);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct ask *q = connect->data;
    uv_buf_t bytes = uv_buf_init((char *)q->question, (unsigned)q->question_size);
    if (q->cb == NULL)
        return;
    q->write.data = q;
    if (status != 0 || uv_read_start((uv_stream_t *)&q->tcp, on_room, on_read) != 0) {
        fail(q);
        return;
    }
    q->is_sent = true;
    if (uv_write(&q->write, (uv_stream_t *)&q->tcp, &bytes, 1, on_written) != 0)
        fail(q);
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct ask *q = resolve->data;
    q->is_resolving = false;
    q->connect.data = q;
    if (q->cb == NULL)
        free_when_over(q);
    else if (status != 0 || uv_tcp_connect(&q->connect, &q->tcp, found->ai_addr, on_connected) != 0)
        fail(q);
    uv_freeaddrinfo(found);
}

static void on_timeout(uv_timer_t *timer)
{
    fail(timer->data);
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

static int encode(struct ask *q, const struct ask_question *question)
{
    struct kafka_writer w;
    struct kafka_request_header header = {.api = q->api,
                                          .api_key = q->api->key,
                                          .api_version = q->version,
                                          .correlation_id = CORRELATION_ID,
                                          .client_id = kafka_string_of(question->client_id)};
    kafka_writer_init(&w, QUESTION_BYTES_MAX);
    kafka_request_header_encode(&w, &header);
    int err = q->api->request.encode(&w, q->version, question->message);
    if (err == 0)
        err = kafka_writer_finish(&w);
    if (err == 0 && (q->question = malloc(w.size_bytes)) == NULL)
        err = UV_ENOMEM;
    if (err == 0)
        q->question_size = kafka_writer_copy(&w, q->question, w.size_bytes);
    kafka_writer_close(&w);
    return err;
}

static struct ask *create(struct admin *a, const struct ask_question *question, int *err)
{
    struct ask *q = calloc(1, sizeof *q);
    *err = UV_ENOMEM;
    if (q == NULL)
        return NULL;
    q->api = kafka_api_find((int16_t)question->api);
    q->version = question->version;
    assert(q->api != NULL && kafka_api_has_version(q->api, q->version));
    *err = encode(q, question);
    if (*err != 0) {
        free(q->question);
        free(q);
        return NULL;
    }
    q->admin = a;
    q->owner = question->owner;
    return q;
}

static void enlist(struct admin *a, struct ask *q)
{
    q->next = a->asks;
    q->previous = &a->asks;
    if (q->next != NULL)
        q->next->previous = &q->next;
    a->asks = q;
    a->ask_count++;
}

int ask_send(struct admin *a, struct broker *b, const struct ask_question *question, ask_cb cb,
             void *data)
{
    struct conf_address address;
    char port[8];
    int err;
    uv_loop_t *loop = shard_loop(a->shard);
    if (a->ask_count >= ASKS_MAX)
        return ERR_BUSY;
    if (!find_address(b, question->node_id, &address))
        return ERR_NOT_FOUND;
    struct ask *q = create(a, question, &err);
    if (q == NULL)
        return err;
    q->cb = cb;
    q->data = data;
    q->tcp.data = q->timer.data = q->resolve.data = q;
    uv_tcp_init(loop, &q->tcp);
    uv_timer_init(loop, &q->timer);
    q->open_handles = 2;
    enlist(a, q);
    uv_timer_start(&q->timer, on_timeout, question->timeout_ms, 0);
    snprintf(port, sizeof port, "%u", address.port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    err = uv_getaddrinfo(loop, &q->resolve, on_resolved, address.host, port, &hints);
    q->is_resolving = err == 0;
    if (err != 0)
        let_go(q);
    return err == 0 ? 0 : UV_ENOMEM;
}

/* ---- cancelling ---- */

void ask_cancel(struct admin *a, const void *owner)
{
    for (struct ask *q = a->asks, *next; q != NULL; q = next) {
        next = q->next;
        if (q->owner == owner && q->cb != NULL)
            let_go(q);
    }
}

void ask_close(struct admin *a)
{
    while (a->asks != NULL)
        let_go(a->asks);
}

const char *ask_trouble(int status)
{
    switch (status) {
    case ERR_BUSY:
        return "this node asks others too much already; try again";
    case ERR_NOT_FOUND:
        return "nobody is known to lead it now; try again";
    case ERR_CLOSED:
        return "the node that leads it can't be reached at its clients' address";
    case ERR_TIMEOUT:
        return "the node that leads it gave no sound answer in time";
    default:
        return err_text(status);
    }
}
