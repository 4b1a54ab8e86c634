/* Bytes in, requests out.
 *
 * Input goes into counted buffers that requests refer to: a batch travels to the WAL, the peers
 * and the tail in the buffer that the socket filled. A frame that does not fit gets a buffer of
 * its own size, whole from the start: frames that grew as they came could hold all memory between
 * them and none could end. Back-pressure is not to read: too many unanswered requests, too many
 * bytes of requests in the whole node, or too many answers that the client does not take. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "server/connection.h"
#include "server/envelope.h"

#define INPUT_BYTES       (64u * 1024) /* of an ordinary input buffer */
#define UNTAKEN_BYTES_MAX (16u << 20)  /* answers not taken by the client: stop reading */
#define CLAIM_MS_MAX      30000        /* of a large half frame while memory is short */

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

void connection_unclaim_memory(struct connection *c)
{
    atomic_fetch_sub(&c->clients->broker->request_bytes, c->claimed_bytes);
    c->claimed_bytes = 0;
}

bool connection_is_claim_too_old(const struct connection *c, uint64_t now_ms)
{
    const struct broker *b = c->clients->broker;
    return c->claimed_bytes > 0 && now_ms - c->claimed_at_ms > CLAIM_MS_MAX &&
           atomic_load(&b->request_bytes) > (size_t)b->conf.memory_bytes_max / 2;
}

/* ---- room ---- */

/* How large the frame at input_start is, as far as can be seen; 0 when its size is not there. */
static size_t frame_total_bytes(const struct connection *c)
{
    if (c->input_end - c->input_start < KAFKA_FRAME_SIZE_BYTES)
        return 0;
    return KAFKA_FRAME_SIZE_BYTES + (size_t)bytes_get_be32(c->input->data + c->input_start);
}

/* The shard keeps one ordinary buffer, for the next connection that reads. */
static struct buffer *take_buffer(struct connection *c, size_t capacity)
{
    struct buffer *spare = c->clients->spare_input;
    if (capacity != INPUT_BYTES || spare == NULL)
        return buffer_create(capacity);
    c->clients->spare_input = NULL;
    return spare;
}

/* No request refers to it. */
static bool is_input_own(const struct connection *c)
{
    return atomic_load(&c->input->references) == 1;
}

/* An idle connection holds no buffer: there may be many thousands of them. */
void connection_rest(struct connection *c)
{
    struct buffer *input = c->input;
    if (input == NULL || c->input_start < c->input_end || !is_input_own(c))
        return;
    bool is_spare = input->capacity == INPUT_BYTES && c->clients->spare_input == NULL;
    c->input = NULL;
    c->input_start = c->input_end = 0;
    if (is_spare)
        c->clients->spare_input = input;
    else
        buffer_unref(input);
}

static int replace_input(struct connection *c, size_t capacity)
{
    size_t held = c->input == NULL ? 0 : c->input_end - c->input_start;
    struct buffer *grown = take_buffer(c, capacity);
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
    if (c->input != NULL && held == 0 && is_input_own(c))
        c->input_start = c->input_end = 0;
    if (c->input != NULL && c->input->capacity - c->input_start >= wanted &&
        c->input_end < c->input->capacity)
        return 0;
    assert(wanted <= INPUT_BYTES); /* a larger one had its buffer before reading went on */
    return replace_input(c, INPUT_BYTES);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    struct connection *c = handle->data;
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
    struct connection *c = stream->data;
    (void)from;
    if (size < 0) {
        connection_close(c);
        return;
    }
    c->input_end += (size_t)size;
    connection_take_requests(c);
    connection_rest(c);
}

/* Many clients share a router's. */
static unsigned in_flight_max(const struct connection *c)
{
    const struct conf_settings *conf = &c->clients->broker->conf;
    return (unsigned)(c->is_router ? conf->router_requests_in_flight_max
                                   : conf->requests_in_flight_max);
}

static bool may_read(const struct connection *c)
{
    const struct broker *b = c->clients->broker;
    bool is_short = atomic_load(&b->answer_bytes) > (size_t)b->conf.memory_bytes_max;
    return !c->is_ending && c->request_count < in_flight_max(c) &&
           c->untaken_bytes < (is_short ? 1 : UNTAKEN_BYTES_MAX) &&
           (c->request_count == 0 || /* everyone may have one: no connection starves */
            atomic_load(&b->request_bytes) < (size_t)b->conf.memory_bytes_max);
}

/* At which limit it is. */
static void count_pause(const struct connection *c)
{
    enum request_count_pause why = REQUEST_COUNT_MEMORY;
    if (c->request_count >= in_flight_max(c))
        why = REQUEST_COUNT_IN_FLIGHT;
    else if (c->untaken_bytes > 0)
        why = REQUEST_COUNT_ANSWERS;
    request_count_paused(&c->clients->count, why);
}

static void set_reading(struct connection *c, bool should_read)
{
    if (c->is_reading == should_read || c->is_closed)
        return;
    c->is_reading = should_read;
    if (!should_read && !c->is_ending)
        count_pause(c);
    if (!should_read)
        uv_read_stop((uv_stream_t *)&c->tcp);
    else if (uv_read_start((uv_stream_t *)&c->tcp, on_allocate, on_read) != 0)
        connection_close(c);
}

/* A client's largest request fits a router's frame, too. */
static uint32_t frame_bytes_max(const struct connection *c)
{
    uint32_t request_bytes_max = (uint32_t)c->clients->broker->conf.request_bytes_max;
    return request_bytes_max + (c->may_pass_on ? ENVELOPE_BYTES_MAX : 0);
}

/* One whole frame from the input: false when there is none, or the connection has to end. */
static bool take_one(struct connection *c)
{
    if (c->input == NULL)
        return false;
    struct bytes held = bytes_of(c->input->data + c->input_start, c->input_end - c->input_start),
                 frame;
    int used = kafka_frame_decode(held, frame_bytes_max(c), &frame);
    if (used == ERR_NEED_MORE)
        return false;
    if (used < 0) {
        connection_end(c, err_text(used));
        return false;
    }
    c->input_start += (size_t)used;
    c->active_at_ms = clock_now_ms(&c->clients->broker->clock);
    connection_unclaim_memory(c); /* the request counts itself */
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
