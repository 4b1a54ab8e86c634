/* One client's connection: bytes in, requests out, answers back in order.
 *
 * Input goes into counted buffers that requests refer to: a batch travels to the WAL, the peers
 * and the tail in the buffer that the socket filled. A frame that does not fit gets a buffer of
 * its own size, whole from the start: frames that grew as they came could hold all memory between
 * them and none could end. Back-pressure is not to read: too many unanswered requests, too many
 * bytes of requests in the whole node, or too many answers that the client does not take.
 *
 * A connection outlives its socket until its last request has been answered. */
#include "server/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"

#define INPUT_BYTES         (64u * 1024) /* of an ordinary input buffer */
#define UNWRITTEN_BYTES_MAX (16u << 20)  /* answers not taken by the client: stop reading */
#define CLAIM_MS_MAX        30000        /* of a large half frame while memory is short */

struct answer_write {
    uv_write_t write;      /* data points to the connection */
    struct request *first; /* written requests, to be freed */
    size_t size_bytes;     /* of the answers */
};

static struct connection *connection_of(void *handle)
{
    return ((uv_handle_t *)handle)->data;
}

/* ---- memory for large frames ---- */

static bool claim_memory(struct connection *c, size_t size)
{
    struct broker *b = c->clients->broker;
    size_t before = atomic_fetch_add(&b->request_bytes, size);
    if (before > 0 && before + size > (size_t)b->conf.memory_bytes_max) {
        atomic_fetch_sub(&b->request_bytes, size);
        return false; /* a later tick tries again */
    }
    c->claimed_bytes = size;
    c->claimed_at_ms = clock_now_ms(&b->clock);
    return true;
}

static void unclaim_memory(struct connection *c)
{
    atomic_fetch_sub(&c->clients->broker->request_bytes, c->claimed_bytes);
    c->claimed_bytes = 0;
}

/* A client that begins large requests and does not end them must not keep others waiting. */
static bool is_claim_too_old(const struct connection *c, uint64_t now_ms)
{
    const struct broker *b = c->clients->broker;
    return c->claimed_bytes > 0 && now_ms - c->claimed_at_ms > CLAIM_MS_MAX &&
           atomic_load(&b->request_bytes) > (size_t)b->conf.memory_bytes_max / 2;
}

/* ---- lifetime ---- */

void connection_release(struct connection *c)
{
    assert(c->claims > 0);
    if (--c->claims > 0)
        return;
    unclaim_memory(c);
    buffer_unref(c->input);
    atomic_fetch_sub(&c->clients->broker->connection_count, 1);
    free(c);
}

static void drop_answered(struct connection *c)
{
    while (c->first != NULL && c->first->state != REQUEST_WORKING) {
        struct request *r = c->first;
        c->first = r->next;
        if (c->first == NULL)
            c->last = NULL;
        c->request_count--;
        request_free(r);
        connection_release(c);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = connection_of(handle);
    *c->previous = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    connection_release(c);
}

void connection_close(struct connection *c)
{
    if (c->is_closed)
        return;
    c->is_closed = true;
    c->is_ending = true;
    c->is_reading = false;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    connection_answer_soon(c); /* what is answered already goes with the turn */
}

void connection_end(struct connection *c, const char *why)
{
    if (c->is_ending)
        return;
    event_info("client_refused", "address=%s reason=\"%s\"", c->address, why);
    c->is_ending = true;
    if (c->is_reading)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->is_reading = false;
    connection_answer_soon(c);
}

/* ---- input ---- */

/* How large the frame at input_start is, as far as can be seen; 0 when its size is not there. */
static size_t frame_total_bytes(const struct connection *c)
{
    if (c->input_end - c->input_start < KAFKA_FRAME_SIZE_BYTES)
        return 0;
    return KAFKA_FRAME_SIZE_BYTES + (size_t)bytes_get_be32(c->input->data + c->input_start);
}

static int replace_input(struct connection *c, size_t capacity)
{
    size_t held = c->input == NULL ? 0 : c->input_end - c->input_start;
    struct buffer *grown = buffer_create(capacity);
    if (grown == NULL)
        return UV_ENOMEM;
    if (held > 0)
        memcpy(grown->data, c->input->data + c->input_start, held);
    buffer_unref(c->input);
    c->input = grown;
    c->input_start = 0;
    c->input_end = held;
    return 0;
}

/* Gives a large frame that has begun its own buffer. False: no memory for it now. */
static bool has_room_for_frame(struct connection *c)
{
    size_t wanted = c->input == NULL ? 0 : frame_total_bytes(c);
    if (wanted <= INPUT_BYTES || c->input->capacity - c->input_start >= wanted)
        return true;
    if (!claim_memory(c, wanted))
        return false;
    if (replace_input(c, wanted) != 0)
        connection_close(c);
    return !c->is_closed;
}

/* Room for what comes next: the rest of the frame that has begun, or an ordinary buffer. */
static int make_room(struct connection *c)
{
    size_t held = c->input == NULL ? 0 : c->input_end - c->input_start;
    size_t wanted = c->input == NULL ? 0 : frame_total_bytes(c);
    bool is_shared = c->input != NULL && atomic_load(&c->input->references) > 1;
    if (c->input != NULL && !is_shared && held == 0)
        c->input_start = c->input_end = 0;
    if (c->input != NULL && c->input->capacity - c->input_start >= wanted &&
        c->input_end < c->input->capacity)
        return 0;
    assert(wanted <= INPUT_BYTES); /* a larger one had its buffer before reading went on */
    return replace_input(c, INPUT_BYTES);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    struct connection *c = connection_of(handle);
    (void)suggested;
    if (make_room(c) != 0) {
        *into = uv_buf_init(NULL, 0); /* libuv reports ENOBUFS: the connection closes */
        return;
    }
    *into = uv_buf_init((char *)c->input->data + c->input_end,
                        (unsigned)(c->input->capacity - c->input_end));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    struct connection *c = connection_of(stream);
    (void)from;
    if (size < 0) {
        connection_close(c);
        return;
    }
    c->input_end += (size_t)size;
    connection_take_requests(c);
}

static bool may_read(const struct connection *c)
{
    const struct broker *b = c->clients->broker;
    return !c->is_ending && c->request_count < (unsigned)b->conf.requests_in_flight_max &&
           c->unwritten_bytes < UNWRITTEN_BYTES_MAX &&
           (c->request_count == 0 || /* everyone may have one: no connection starves */
            atomic_load(&b->request_bytes) < (size_t)b->conf.memory_bytes_max);
}

static void set_reading(struct connection *c, bool should_read)
{
    if (c->is_reading == should_read || c->is_closed)
        return;
    c->is_reading = should_read;
    if (!should_read)
        uv_read_stop((uv_stream_t *)&c->tcp);
    else if (uv_read_start((uv_stream_t *)&c->tcp, on_allocate, on_read) != 0)
        connection_close(c);
}

/* One whole frame from the input: false when there is none, or the connection has to end. */
static bool take_one(struct connection *c)
{
    if (c->input == NULL)
        return false;
    struct bytes held = bytes_of(c->input->data + c->input_start, c->input_end - c->input_start),
                 frame;
    int used = kafka_frame_decode(held, (uint32_t)c->clients->broker->conf.request_bytes_max,
                                  &frame);
    if (used == ERR_NEED_MORE)
        return false;
    if (used < 0) {
        connection_end(c, err_text(used));
        return false;
    }
    c->input_start += (size_t)used;
    c->active_at_ms = clock_now_ms(&c->clients->broker->clock);
    unclaim_memory(c); /* the request counts itself */
    request_begin(c, frame);
    if (c->input_start == c->input_end && c->input->capacity > INPUT_BYTES) {
        buffer_unref(c->input); /* the request's alone */
        c->input = NULL;
    }
    return true;
}

void connection_take_requests(struct connection *c)
{
    bool has_more = true;
    while (has_more && may_read(c))
        has_more = take_one(c);
    set_reading(c, may_read(c) && has_room_for_frame(c));
}

/* ---- answers ---- */

void connection_answer_soon(struct connection *c)
{
    if (c->is_answering)
        return;
    c->is_answering = true;
    c->claims++;
    c->answering_next = c->clients->answering;
    c->clients->answering = c;
}

static void free_written(struct connection *c, struct request *r)
{
    while (r != NULL) {
        struct request *next = r->next;
        request_free(r);
        connection_release(c);
        r = next;
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct answer_write *w = (struct answer_write *)write;
    struct connection *c = write->data;
    c->unwritten_bytes -= w->size_bytes;
    c->active_at_ms = clock_now_ms(&c->clients->broker->clock);
    if (status != 0)
        connection_close(c);
    else if (c->is_ending)
        connection_answer_soon(c); /* perhaps that was all */
    c->claims++;                   /* the requests' claims go first */
    free_written(c, w->first);
    free(w);
    connection_release(c);
}

/* Takes the answered requests at the head of the queue; `slice_count` counts their pieces. */
static struct request *take_answered(struct connection *c, size_t *slice_count)
{
    struct request *first = c->first, *last = NULL;
    *slice_count = 0;
    while (c->first != NULL &&
           (c->first->state == REQUEST_ANSWERED || c->first->state == REQUEST_SILENT)) {
        size_t count = 0;
        if (c->first->state == REQUEST_ANSWERED)
            kafka_writer_slices(&c->first->writer, &count);
        *slice_count += count;
        last = c->first;
        c->first = last->next;
        c->request_count--;
    }
    if (c->first == NULL)
        c->last = NULL;
    if (last == NULL)
        return NULL;
    last->next = NULL;
    return first;
}

static void fill_buffers(const struct request *r, uv_buf_t *buffers, size_t *size_bytes)
{
    size_t at = 0;
    *size_bytes = 0;
    for (; r != NULL; r = r->next) {
        size_t count = 0;
        const struct slice *slices = r->state == REQUEST_ANSWERED
                                         ? kafka_writer_slices(&r->writer, &count)
                                         : NULL;
        for (size_t i = 0; i < count; i++) {
            buffers[at++] = uv_buf_init((char *)(uintptr_t)slices[i].bytes.data,
                                        (unsigned)slices[i].bytes.size);
            *size_bytes += slices[i].bytes.size;
        }
    }
}

static void write_answers(struct connection *c, struct request *first, size_t slice_count)
{
    struct answer_write *w = malloc(sizeof *w);
    uv_buf_t *buffers = malloc((slice_count + 1) * sizeof *buffers);
    if (w == NULL || buffers == NULL) {
        free(w);
        free(buffers);
        free_written(c, first);
        connection_close(c);
        return;
    }
    w->first = first;
    w->write.data = c;
    fill_buffers(first, buffers, &w->size_bytes);
    c->unwritten_bytes += w->size_bytes;
    int err = uv_write(&w->write, (uv_stream_t *)&c->tcp, buffers, (unsigned)slice_count,
                       on_written); /* copies the array of buffers, not the bytes */
    free(buffers);
    if (err != 0) {
        c->unwritten_bytes -= w->size_bytes;
        free(w);
        free_written(c, first);
        connection_close(c);
    }
}

void connection_write_answers(struct connection *c)
{
    if (c->is_closed) {
        drop_answered(c);
        return;
    }
    size_t slice_count;
    struct request *first = take_answered(c, &slice_count);
    if (slice_count > 0)
        write_answers(c, first, slice_count);
    else
        free_written(c, first);
    bool is_last_out = c->first == NULL || c->first->state == REQUEST_CLOSING;
    if (c->is_ending && is_last_out && c->unwritten_bytes == 0)
        connection_close(c); /* else on_written looks again */
    if (!c->is_ending)
        connection_take_requests(c);
}

/* ---- the shard's connections ---- */

static void name_address(struct connection *c)
{
    struct sockaddr_storage peer;
    int size = sizeof peer;
    strcpy(c->address, "unknown");
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &size) != 0)
        return;
    if (peer.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&peer, c->address, sizeof c->address);
    else if (peer.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&peer, c->address, sizeof c->address);
}

static unsigned connections_from(const struct client_shard *s, const char *address)
{
    unsigned count = 0;
    for (const struct connection *c = s->connections; c != NULL; c = c->next)
        count += strcmp(c->address, address) == 0;
    return count;
}

static void list_connection(struct client_shard *s, struct connection *c)
{
    c->next = s->connections;
    c->previous = &s->connections;
    if (c->next != NULL)
        c->next->previous = &c->next;
    s->connections = c;
}

void client_shard_accept(struct client_shard *s, int descriptor)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(shard_loop(s->shard), &c->tcp) != 0) {
        free(c);
        uv_fs_t request;
        uv_fs_close(NULL, &request, descriptor, NULL);
        atomic_fetch_sub(&s->broker->connection_count, 1);
        return;
    }
    c->tcp.data = c;
    c->clients = s;
    c->claims = 1;
    c->active_at_ms = clock_now_ms(&s->broker->clock);
    if (uv_tcp_open(&c->tcp, descriptor) != 0) {
        uv_fs_t request;
        uv_fs_close(NULL, &request, descriptor, NULL);
    } else {
        uv_tcp_nodelay(&c->tcp, 1);
        uv_tcp_keepalive(&c->tcp, 1, 60);
        name_address(c);
    }
    unsigned from_there = connections_from(s, c->address);
    list_connection(s, c);
    if (from_there >= (unsigned)s->broker->conf.connections_per_address_max) {
        event_warn("client_limit", "address=%s connections=%u", c->address, from_there);
        connection_close(c);
        return;
    }
    set_reading(c, true);
}

void client_shard_turn(void *data)
{
    struct client_shard *s = data;
    while (s->answering != NULL) {
        struct connection *c = s->answering;
        s->answering = c->answering_next;
        c->is_answering = false;
        connection_write_answers(c);
        connection_release(c);
    }
}

static void tick_deadlines(struct client_shard *s, uint64_t now_ms)
{
    uint64_t slot_now = now_ms / DEADLINE_SLOT_MS;
    if (slot_now - s->ticked_slot > DEADLINE_SLOTS)
        s->ticked_slot = slot_now - DEADLINE_SLOTS; /* every slot once is enough */
    for (; s->ticked_slot < slot_now; s->ticked_slot++) {
        struct request_deadline *d = s->deadlines[s->ticked_slot % DEADLINE_SLOTS];
        struct request_deadline *next;
        struct request_deadline *due = NULL; /* collected first: a callback may stop others */
        for (; d != NULL; d = next) {
            next = d->next;
            if (d->at_ms > now_ms)
                continue;
            request_deadline_stop(d);
            d->next = due;
            d->previous = &due;
            if (due != NULL)
                due->previous = &d->next;
            due = d;
        }
        while (due != NULL) {
            d = due;
            request_deadline_stop(d);
            d->on_timeout(d);
        }
    }
}

void client_shard_tick(struct client_shard *s)
{
    uint64_t now_ms = clock_now_ms(&s->broker->clock);
    uint64_t idle_ms_max = (uint64_t)s->broker->conf.connections_idle_ms_max;
    tick_deadlines(s, now_ms);
    struct connection *next;
    for (struct connection *c = s->connections; c != NULL; c = next) {
        next = c->next;
        if (c->is_closed)
            continue;
        if (c->request_count == 0 && now_ms - c->active_at_ms > idle_ms_max)
            connection_close(c);
        else if (is_claim_too_old(c, now_ms))
            connection_end(c, "a half request held memory that others wait for");
        else if (!c->is_reading && !c->is_ending)
            connection_take_requests(c);
    }
}

void client_shard_close_all(struct client_shard *s)
{
    struct connection *next;
    for (struct connection *c = s->connections; c != NULL; c = next) {
        next = c->next;
        connection_close(c);
    }
}
