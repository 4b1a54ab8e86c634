/* Answers back, in the order of the requests.
 *
 * Whoever answers only marks the connection; at the end of the shard's turn all answers that can
 * leave go in one write. A request is freed when its answer was written, so that what it refers to
 * (records, mostly) is never copied. */
#include <stdlib.h>

#include "server/connection.h"

#define STUCK_MS_MAX     30000 /* without a byte taken, while memory is short */
#define WATCH_GAP_MS_MAX 1000  /* not looked at for so long: what was seen is of another time */

struct answer_write {
    uv_write_t write;      /* data points to the connection */
    struct request *first; /* written requests, to be freed */
    size_t size_bytes;     /* of the answers */
};

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
    connection_rest(c);
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

bool connection_is_stuck(struct connection *c, uint64_t now_ms)
{
    size_t queued = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    bool was_watched = now_ms - c->watched_at_ms < WATCH_GAP_MS_MAX;
    if (!was_watched || queued == 0 || queued != c->watched_bytes) {
        c->watched_bytes = queued;
        c->moved_at_ms = now_ms;
    }
    c->watched_at_ms = now_ms;
    return now_ms - c->moved_at_ms > STUCK_MS_MAX;
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
    request_run_held(c);
    if (c->is_closed) {
        connection_drop_answered(c);
        return;
    }
    size_t slice_count;
    struct request *first = take_answered(c, &slice_count);
    for (struct request *r = first; r != NULL; r = r->next)
        request_release_work(r);
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
