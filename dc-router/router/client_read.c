/* What is read of a client, and when nothing is.
 *
 * Back-pressure is not to read: as many unanswered requests as the settings allow, a client that
 * does not take its answers, or as many bytes in the shard as it may hold; those of frames that are
 * not whole yet count. At that bound everyone may still have one small request, for what keeps a
 * member in its group is small, and one client at a time one large request, or nobody would ever
 * end; for as long as more of it comes.
 *
 * A request that has begun has to be there in a time that its size gives it; while it is not read,
 * time stands still. So nobody holds bytes for longer by sending them one by one. */
#include "base/err.h"
#include "router/client_parts.h"
#include "router/router.h"

#define UNWRITTEN_BYTES_MAX (16u << 20)
#define STALLED_MS_MAX      10000 /* that a client for whom others wait may send nothing */
#define INPUT_MS_MAX        30000 /* that a request takes to come, … */
#define INPUT_BYTES_A_MS    256   /* … and as much more as this speed needs */

/* ---- may it be read? ---- */

static bool wants_much(const struct client *c)
{
    return frame_input_wanted_bytes(&c->input) > FRAME_INPUT_BYTES;
}

static bool has_room(const struct client *c)
{
    const struct router_shard *s = c->shard;
    if (s->held_bytes < router_shard_memory_bytes(s))
        return true;
    return c->request_count == 0 && (!wants_much(c) || s->beyond == NULL || s->beyond == c);
}

static bool may_read(const struct client *c)
{
    return !c->is_ending &&
           c->request_count < (unsigned)c->shard->settings->requests_in_flight_max &&
           c->unwritten_bytes < UNWRITTEN_BYTES_MAX && has_room(c);
}

/* Whose large request goes beyond the bound, until it was answered. */
static void choose_beyond(struct client *c)
{
    struct router_shard *s = c->shard;
    bool is_over = s->beyond == c && c->request_count == 0 && !wants_much(c);
    if (is_over || (s->beyond == c && c->is_ending))
        s->beyond = NULL;
    if (s->beyond == NULL && !c->is_ending && wants_much(c) &&
        s->held_bytes >= router_shard_memory_bytes(s))
        s->beyond = c;
    if (s->beyond == c)
        s->beyond_ms = router_now_ms(s);
}

/* It holds the others up, and has sent nothing for a while. */
static void end_beyond_if_stalled(struct router_shard *s)
{
    struct client *c = s->beyond;
    if (c != NULL && c->is_reading && c->request_count == 0 && wants_much(c) &&
        s->held_bytes >= router_shard_memory_bytes(s) &&
        router_now_ms(s) - s->beyond_ms > STALLED_MS_MAX)
        client_end(c, "a half request held memory that others wait for");
}

static void count_input(struct client *c)
{
    size_t held_bytes = frame_input_held_bytes(&c->input);
    c->shard->held_bytes += held_bytes - c->input_bytes;
    c->input_bytes = held_bytes;
}

/* ---- pauses ---- */

static void end_pause(struct client *c)
{
    if (c->paused_previous == NULL)
        return;
    *c->paused_previous = c->paused_next;
    if (c->paused_next != NULL)
        c->paused_next->paused_previous = c->paused_previous;
    c->paused_previous = NULL;
}

static void begin_pause(struct client *c)
{
    struct router_shard *s = c->shard;
    if (c->paused_previous != NULL)
        return;
    c->paused_next = s->paused;
    c->paused_previous = &s->paused;
    if (c->paused_next != NULL)
        c->paused_next->paused_previous = &c->paused_next;
    s->paused = c;
}

/* Those that still may not be read wait for the next time. */
void client_tick(struct router_shard *s)
{
    struct client *paused = s->paused;
    s->paused = NULL;
    if (paused != NULL)
        paused->paused_previous = &paused;
    while (paused != NULL) {
        struct client *c = paused;
        end_pause(c);
        client_read(c);
    }
    end_beyond_if_stalled(s);
}

/* ---- requests that do not come ---- */

static void on_input_late(struct deadline *d)
{
    client_end(d->data, "a request has begun and did not come in time");
}

static uint64_t input_due_ms(const struct client *c)
{
    return c->input_begun_ms + INPUT_MS_MAX +
           frame_input_wanted_bytes(&c->input) / INPUT_BYTES_A_MS;
}

/* After what was there has been looked at. */
static void watch_input(struct client *c, bool has_taken)
{
    struct router_shard *s = c->shard;
    bool has_begun = frame_input_held_bytes(&c->input) > 0 && !c->is_ending;
    if (has_taken || !has_begun)
        c->input_begun_ms = 0;
    if (has_begun && c->input_begun_ms == 0)
        c->input_begun_ms = router_now_ms(s);
    c->input_deadline.data = c;
    if (has_begun && c->is_reading)
        deadline_set(&s->deadlines, &c->input_deadline, input_due_ms(c), on_input_late);
    else
        deadline_drop(&c->input_deadline);
}

static void let_time_pass(struct client *c, bool should_read)
{
    uint64_t now_ms = router_now_ms(c->shard);
    if (!should_read)
        c->input_unread_ms = now_ms;
    else if (c->input_begun_ms != 0 && c->input_unread_ms >= c->input_begun_ms)
        c->input_begun_ms += now_ms - c->input_unread_ms;
}

/* ---- reading ---- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    struct client *c = handle->data;
    (void)suggested;
    frame_input_room(&c->input, into);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    struct client *c = stream->data;
    (void)from;
    if (size < 0) {
        client_close(c);
        return;
    }
    frame_input_add(&c->input, (size_t)size);
    client_read(c);
    if (c->request_count == 0)
        frame_input_rest(&c->input);
}

static void set_reading(struct client *c, bool should_read)
{
    if (should_read)
        end_pause(c);
    else
        begin_pause(c);
    if (c->is_reading == should_read)
        return;
    c->is_reading = should_read;
    let_time_pass(c, should_read);
    if (!should_read)
        uv_read_stop((uv_stream_t *)&c->tcp);
    else if (uv_read_start((uv_stream_t *)&c->tcp, on_allocate, on_read) != 0)
        client_close(c);
}

void client_read(struct client *c)
{
    struct slice frame;
    int has = 1;
    bool has_taken = false;
    count_input(c);
    while (may_read(c) && (has = frame_input_next(&c->input, &frame)) > 0) {
        has_taken = true;
        struct client_request *r = client_request_create(c, frame);
        if (r == NULL)
            has = UV_ENOMEM;
        else
            client_request_dispatch(r);
        if (has < 0)
            break;
    }
    count_input(c);
    if (has < 0)
        client_end(c, err_text(has));
    choose_beyond(c);
    if (!c->is_ending)
        set_reading(c, may_read(c));
    watch_input(c, has_taken);
}

void client_read_stop(struct client *c)
{
    end_pause(c);
    deadline_drop(&c->input_deadline);
    if (c->is_reading && !c->is_closed)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->is_reading = false;
    choose_beyond(c);
}

void client_read_end(struct client *c)
{
    frame_input_close(&c->input);
    count_input(c);
}
