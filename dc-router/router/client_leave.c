/* Connections that end in peace, because the router is told to end.
 *
 *   at rest, or heard no more --answered--> shut down --the client's end, or time--> closed
 *
 * Closed with something unread, a connection is reset, and takes answers with it that the client
 * has not read yet. So it is told the end first; what it still sends is dropped, and stays its own
 * to send elsewhere. */
#include "router/client_parts.h"
#include "router/router.h"

#define LINGER_MS 1000 /* for a client to hear that its connection ends */

static void on_shut_down(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown; /* the client's end says it, or time */
    (void)status;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *into)
{
    static _Thread_local char dropped[4096];
    (void)handle;
    (void)suggested;
    *into = uv_buf_init(dropped, sizeof dropped);
}

static void on_rest(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
    (void)from;
    if (size < 0)
        client_close(stream->data);
}

void client_linger(struct client *c)
{
    if (c->is_lingering)
        return;
    c->is_lingering = true;
    c->lingers_ms = router_now_ms(c->shard);
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut_down) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_allocate, on_rest) != 0)
        client_close(c);
}

/* Nothing that is soon answered by itself, or whose answer the client would miss. */
static bool has_only_parked(const struct client *c)
{
    for (const struct client_request *r = c->first; r != NULL; r = r->next) {
        int16_t key = r->header.api == NULL ? -1 : r->header.api->key;
        if (key != KAFKA_API_FETCH && key != KAFKA_API_JOIN_GROUP && key != KAFKA_API_SYNC_GROUP)
            return false;
    }
    return true;
}

void client_drain(struct router_shard *s, bool is_late)
{
    uint64_t now_ms = router_now_ms(s);
    for (struct client *c = s->clients, *next; c != NULL; c = next) {
        next = c->next;
        if (c->is_lingering && now_ms - c->lingers_ms > LINGER_MS)
            client_close(c);
        else if (!c->is_ending &&
                 (is_late || (has_only_parked(c) && frame_input_wanted_bytes(&c->input) == 0)))
            client_leave(c);
    }
}
