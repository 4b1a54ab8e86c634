/* A connection's life.
 *
 * It outlives its socket until its last request has been answered: each queued request, the open
 * handle, and a write under way hold a claim, and the last one frees. To end is to take no more
 * requests and close once what was taken is answered; to close is at once. */
#include "server/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "base/event.h"
#include "base/client_count.h"

void connection_release(struct connection *c)
{
    assert(c->claims > 0);
    if (--c->claims > 0)
        return;
    connection_unclaim_memory(c);
    buffer_unref(c->input);
    free(c);
}

void connection_drop_answered(struct connection *c)
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
    struct connection *c = handle->data;
    *c->previous = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    client_count_remove(c->clients->broker->client_count, &c->counted_address);
    connection_release(c);
}

/* What is parked would hold its memory for as long as the client said that it would wait. */
static void abandon_requests(struct connection *c)
{
    for (struct request *r = c->first; r != NULL; r = r->next)
        if (r->state == REQUEST_WORKING && r->on_abandoned != NULL)
            r->on_abandoned(r);
}

void connection_close(struct connection *c)
{
    if (c->is_closed)
        return;
    c->is_closed = true;
    c->is_ending = true;
    c->is_reading = false;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    abandon_requests(c);
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
