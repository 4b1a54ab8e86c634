/* connecting ──▶ open ──▶ closing
 *
 * What is sent while it connects goes out when it has: libuv keeps writes of a connecting socket.
 * So only the connection's own word says whether a node may have seen a call: none has before it
 * was connected. */
#include "router/upstream.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "protocol/error.h"

#define ENVELOPE_BYTES_MAX (INT32_MAX - 4u)

struct upstream {
    uv_tcp_t tcp; /* data points back here */
    uv_connect_t connect;
    struct upstream_options options;
    struct frame_input input;
    size_t input_bytes;                 /* in options.held_bytes */
    struct upstream_call *first, *last; /* sent, not answered */
    unsigned call_count;                /* of them */
    int32_t number;                     /* of the last call */
    unsigned writes;                    /* under way */
    bool is_connected, is_closing, is_closed;
};

struct envelope_write {
    uv_write_t write;
    struct upstream *upstream;
    struct kafka_writer writer;
};

static void count_input(struct upstream *u)
{
    size_t held_bytes = frame_input_held_bytes(&u->input);
    if (u->options.held_bytes != NULL)
        *u->options.held_bytes += held_bytes - u->input_bytes;
    u->input_bytes = held_bytes;
}

static void free_when_over(struct upstream *u)
{
    if (!u->is_closed || u->writes > 0)
        return;
    frame_input_close(&u->input);
    count_input(u);
    u->options.on_end(u->options.data, u);
    free(u);
}

static void on_closed(uv_handle_t *handle)
{
    struct upstream *u = handle->data;
    u->is_closed = true;
    free_when_over(u);
}

static struct upstream_call *take_first(struct upstream *u)
{
    struct upstream_call *call = u->first;
    u->first = call->next;
    if (u->first == NULL)
        u->last = NULL;
    u->call_count--;
    call->upstream = NULL;
    return call;
}

void upstream_close(struct upstream *u)
{
    if (u->is_closing)
        return;
    u->is_closing = true;
    uv_close((uv_handle_t *)&u->tcp, on_closed);
    int status = u->is_connected ? ERR_CLOSED : UV_ENOTCONN;
    while (u->first != NULL) {
        struct upstream_call *call = take_first(u);
        call->cb(call, status, (struct slice){0});
    }
}

/* ---- answers ---- */

/* False: what came is not an answer to the oldest call. */
static bool take_answer(struct upstream *u, struct slice frame)
{
    struct kafka_envelope_answer answer;
    if (u->first == NULL || kafka_envelope_answer_read(frame.bytes, &answer) != 0 ||
        answer.correlation_id != u->first->number)
        return false;
    struct upstream_call *call = take_first(u);
    *u->options.moment = (struct node_moment){.life = answer.life, .now = answer.now};
    call->cb(call, answer.error_code == KAFKA_ERROR_NONE ? 0 : ERR_INVALID,
             (struct slice){.owner = frame.owner, .bytes = answer.data});
    return true;
}

static void take_answers(struct upstream *u)
{
    struct slice frame;
    int has = 1;
    while (!u->is_closing && (has = frame_input_next(&u->input, &frame)) > 0) {
        buffer_ref(frame.owner); /* the call may close this very connection */
        if (!take_answer(u, frame))
            has = ERR_MALFORMED;
        buffer_unref(frame.owner);
        if (has < 0)
            break;
    }
    if (has < 0)
        upstream_close(u);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    struct upstream *u = handle->data;
    (void)suggested;
    frame_input_room(&u->input, into);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    struct upstream *u = stream->data;
    (void)from;
    if (size < 0) {
        upstream_close(u);
        return;
    }
    frame_input_add(&u->input, (size_t)size);
    take_answers(u);
    count_input(u);
    if (!u->is_closing)
        frame_input_rest(&u->input);
}

/* ---- connecting ---- */

static void on_connected(uv_connect_t *connect, int status)
{
    struct upstream *u = connect->data;
    if (u->is_closing)
        return;
    if (status != 0) {
        upstream_close(u);
        return;
    }
    u->is_connected = true;
    uv_tcp_nodelay(&u->tcp, 1);
    if (uv_read_start((uv_stream_t *)&u->tcp, on_allocate, on_read) != 0)
        upstream_close(u);
}

struct upstream *upstream_open(const struct upstream_options *options)
{
    struct upstream *u = calloc(1, sizeof *u);
    if (u == NULL || uv_tcp_init(options->loop, &u->tcp) != 0) {
        free(u);
        return NULL;
    }
    u->options = *options;
    u->tcp.data = u->connect.data = u;
    u->input.frame_bytes_max = options->frame_bytes_max;
    if (uv_tcp_connect(&u->connect, &u->tcp, options->address, on_connected) != 0)
        upstream_close(u);
    return u;
}

/* ---- calls ---- */

static void on_written(uv_write_t *write, int status)
{
    struct envelope_write *w = (struct envelope_write *)write;
    struct upstream *u = w->upstream;
    u->writes--;
    kafka_writer_close(&w->writer);
    free(w);
    if (status != 0)
        upstream_close(u);
    free_when_over(u);
}

static int write_envelope(struct upstream *u, struct envelope_write *w)
{
    size_t count;
    const struct slice *slices = kafka_writer_slices(&w->writer, &count);
    uv_buf_t *buffers = malloc(count * sizeof *buffers);
    if (buffers == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < count; i++)
        buffers[i] = uv_buf_init((char *)(uintptr_t)slices[i].bytes.data,
                                 (unsigned)slices[i].bytes.size);
    int err = uv_write(&w->write, (uv_stream_t *)&u->tcp, buffers, (unsigned)count, on_written);
    free(buffers); /* libuv has copied the array */
    return err;
}

static void queue_call(struct upstream *u, struct upstream_call *call)
{
    if (u->last != NULL)
        u->last->next = call;
    else
        u->first = call;
    u->last = call;
    u->call_count++;
}

int upstream_send(struct upstream *u, struct upstream_call *call,
                  const struct kafka_envelope_client *client, struct kafka_slices inner,
                  uint64_t now_ms, upstream_cb cb)
{
    if (u->is_closing)
        return ERR_CLOSED;
    struct envelope_write *w = calloc(1, sizeof *w);
    if (w == NULL)
        return UV_ENOMEM;
    w->upstream = u;
    call->number = u->number = (u->number + 1) & INT32_MAX;
    kafka_writer_init(&w->writer, ENVELOPE_BYTES_MAX);
    kafka_envelope_write(&w->writer, call->number, kafka_string_of("trilog-router"), client, inner);
    int err = kafka_writer_finish(&w->writer);
    if (err == 0)
        err = write_envelope(u, w);
    if (err != 0) {
        kafka_writer_close(&w->writer);
        free(w);
        return err;
    }
    u->writes++;
    call->cb = cb;
    call->upstream = u;
    call->next = NULL;
    call->sent_ms = now_ms;
    queue_call(u, call);
    return 0;
}

unsigned upstream_call_count(const struct upstream *u)
{
    return u->call_count;
}

uint64_t upstream_oldest_ms(const struct upstream *u)
{
    return u->first == NULL ? 0 : u->first->sent_ms;
}

bool upstream_is_late(const struct upstream *u, uint64_t now_ms)
{
    return u->first != NULL && u->first->give_up_ms != 0 && now_ms >= u->first->give_up_ms;
}

bool upstream_was_connected(const struct upstream *u)
{
    return u->is_connected;
}

bool upstream_is_closing(const struct upstream *u)
{
    return u->is_closing;
}
