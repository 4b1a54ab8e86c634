/* claimed by its handle, its requests and its writes ──▶ the last one gives it back
 *
 * What is answered within a turn of the loop leaves with one write at its end. */
#include "router/client_parts.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/event.h"
#include "router/fetch_state.h"
#include "router/group_part.h"
#include "router/router.h"

#define ANSWER_BYTES_MAX  (256u << 20)
#define ASKED_BYTES_MAX   (256u << 20)
#define KEEPALIVE_SECONDS 60 /* of silence: is the client's machine still there? */
#define SHARDS_MAX        64

/* ---- life ---- */

void client_claim(struct client *c)
{
    c->claims++;
}

static void uncount(struct router_shard *s, const struct client_address *from)
{
    if (s->connections != NULL)
        client_count_remove(s->connections, from);
}

void client_release(struct client *c)
{
    if (--c->claims > 0)
        return;
    client_read_end(c);
    fetch_state_destroy(c->fetches);
    free(c->identity.since);
    c->shard->client_count--;
    uncount(c->shard, &c->counted_address);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    *c->previous = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    client_release(c);
}

static void answer_soon(struct client *c)
{
    if (c->is_answering)
        return;
    c->is_answering = true;
    c->claims++;
    c->answering_next = c->shard->answering;
    c->shard->answering = c;
}

static void give_up_parked(struct client *c)
{
    client_claim(c);
    fetch_state_abandon(c->fetches);
    group_parts_abandon(c);
    client_release(c);
}

void client_close(struct client *c)
{
    if (c->is_closed)
        return;
    c->is_closed = c->is_ending = true;
    client_read_stop(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
    give_up_parked(c);
    answer_soon(c);
}

void client_end(struct client *c, const char *why)
{
    if (c->is_ending)
        return;
    event_info("client_refused", "address=%s reason=\"%s\"", c->address, why);
    c->shard->counts.troubles[TROUBLE_CLIENT_ENDED]++;
    c->is_ending = true;
    client_read_stop(c);
    give_up_parked(c); /* it would hold up the end */
    answer_soon(c);
}

/* ---- requests ---- */

void *client_request_allocate(struct client_request *r, size_t size)
{
    return kafka_arena_allocate(&r->arena, size);
}

void client_request_claim(struct client_request *r)
{
    r->claims++;
}

void client_request_release(struct client_request *r)
{
    if (--r->claims > 0)
        return;
    struct client *c = r->client;
    assert(r->state != CLIENT_REQUEST_WORKING); /* no handler has lost it */
    c->shard->held_bytes -= r->counted_bytes;
    kafka_writer_close(&r->writer);
    kafka_arena_close(&r->arena);
    slice_unref(&r->frame);
    slice_unref(&r->instead);
    free(r);
    client_release(c);
}

bool client_request_is_abandoned(const struct client_request *r)
{
    return r->client->is_closed;
}

static void count_bytes(struct client_request *r, size_t size)
{
    r->counted_bytes += size;
    r->shard->held_bytes += size;
}

static void finish(struct client_request *r, enum client_request_state state)
{
    assert(r->state == CLIENT_REQUEST_WORKING); /* answered once */
    r->state = state;
    answer_soon(r->client);
}

void client_request_answer_nothing(struct client_request *r)
{
    finish(r, CLIENT_REQUEST_SILENT);
}

void client_request_end_client(struct client_request *r, const char *why)
{
    client_end(r->client, why);
    finish(r, CLIENT_REQUEST_CLOSING);
}

static void end_answer(struct client_request *r, int err)
{
    if (err == 0)
        err = kafka_writer_finish(&r->writer);
    if (err != 0) {
        client_request_end_client(r, err_text(err));
        return;
    }
    count_bytes(r, r->writer.size_bytes);
    finish(r, CLIENT_REQUEST_ANSWERED);
}

void client_request_answer(struct client_request *r, const void *message)
{
    const struct kafka_api *api = r->header.api;
    kafka_response_header_encode(&r->writer, api, r->header.api_version, r->header.correlation_id);
    end_answer(r, api->response.encode(&r->writer, r->header.api_version, message));
}

int client_request_ask_instead(struct client_request *r, const void *message)
{
    struct kafka_writer w;
    kafka_writer_init(&w, ASKED_BYTES_MAX);
    kafka_request_header_encode(&w, &r->header);
    int err = r->header.api->request.encode(&w, r->header.api_version, message);
    if (err == 0)
        err = kafka_writer_finish(&w);
    struct buffer *copy = err == 0 ? buffer_create(w.size_bytes) : NULL;
    if (copy != NULL) {
        kafka_writer_copy(&w, copy->data, w.size_bytes);
        slice_unref(&r->instead);
        r->instead = (struct slice){.owner = copy,
                                    .bytes = bytes_of(copy->data + KAFKA_FRAME_SIZE_BYTES,
                                                      w.size_bytes - KAFKA_FRAME_SIZE_BYTES)};
    }
    kafka_writer_close(&w);
    return copy == NULL ? UV_ENOMEM : 0;
}

static bool is_answer_to(const struct client_request *r, struct bytes answer)
{
    return answer.size >= sizeof r->header.correlation_id &&
           (int32_t)bytes_get_be32(answer.data) == r->header.correlation_id;
}

void client_request_answer_bytes(struct client_request *r, struct slice answer)
{
    if (!is_answer_to(r, answer.bytes)) {
        client_request_end_client(r, "a node's answer is none");
        return;
    }
    kafka_writer_begin_frame(&r->writer);
    kafka_write_slice(&r->writer, answer);
    end_answer(r, 0);
}

struct client_request *client_request_create(struct client *c, struct slice frame)
{
    struct client_request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->client = c;
    r->shard = c->shard;
    r->frame = slice_ref(frame);
    r->claims = 1;
    r->received_ms = router_now_ms(c->shard);
    kafka_arena_init(&r->arena, 3 * kafka_arena_limit_for(frame.bytes.size) + (256u << 10));
    kafka_writer_init(&r->writer, ANSWER_BYTES_MAX);
    count_bytes(r, frame.bytes.size);
    c->shard->counts.request_bytes += frame.bytes.size;
    c->claims++;
    c->request_count++;
    if (c->last != NULL)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
    return r;
}

/* ---- writing ---- */

struct answer_write {
    uv_write_t write;
    struct client *client;
    struct client_request *first; /* written */
    size_t size_bytes;
};

static void release_all(struct client_request *r)
{
    while (r != NULL) {
        struct client_request *next = r->next;
        client_request_release(r);
        r = next;
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct answer_write *w = (struct answer_write *)write;
    struct client *c = w->client;
    c->unwritten_bytes -= w->size_bytes;
    if (status != 0)
        client_close(c);
    else if (c->is_ending || !c->is_reading)
        answer_soon(c); /* perhaps that was all; or it may be read again */
    release_all(w->first);
    free(w);
    client_release(c);
}

/* Whoever waits for an answer would take the next one for it. */
static bool is_cut_off(const struct client *c)
{
    return c->first != NULL && c->first->state == CLIENT_REQUEST_CLOSING;
}

static struct client_request *take_answered(struct client *c)
{
    struct client_request *first = c->first, *last = NULL;
    while (c->first != NULL && c->first->state != CLIENT_REQUEST_WORKING &&
           (c->is_closed || !is_cut_off(c))) {
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

static size_t count_slices(const struct client_request *r)
{
    size_t sum = 0;
    for (; r != NULL; r = r->next) {
        size_t count = 0;
        if (r->state == CLIENT_REQUEST_ANSWERED)
            kafka_writer_slices(&r->writer, &count);
        sum += count;
    }
    return sum;
}

static size_t fill_buffers(const struct client_request *r, uv_buf_t *buffers)
{
    size_t at = 0, size_bytes = 0;
    for (; r != NULL; r = r->next) {
        size_t count = 0;
        const struct slice *slices = r->state == CLIENT_REQUEST_ANSWERED
                                         ? kafka_writer_slices(&r->writer, &count)
                                         : NULL;
        for (size_t i = 0; i < count; i++) {
            buffers[at++] = uv_buf_init((char *)(uintptr_t)slices[i].bytes.data,
                                        (unsigned)slices[i].bytes.size);
            size_bytes += slices[i].bytes.size;
        }
    }
    return size_bytes;
}

static void write_answers(struct client *c, struct client_request *first, size_t slice_count)
{
    struct answer_write *w = calloc(1, sizeof *w);
    uv_buf_t *buffers = malloc(slice_count * sizeof *buffers);
    int err = w == NULL || buffers == NULL ? UV_ENOMEM : 0;
    if (err == 0) {
        w->client = c;
        w->first = first;
        w->size_bytes = fill_buffers(first, buffers);
        err = uv_write(&w->write, (uv_stream_t *)&c->tcp, buffers, (unsigned)slice_count,
                       on_written);
    }
    free(buffers);
    if (err == 0) {
        c->claims++;
        c->unwritten_bytes += w->size_bytes;
        c->shard->counts.answer_bytes += w->size_bytes;
        return;
    }
    free(w);
    client_close(c);
    release_all(first);
}

static void end_connection(struct client *c)
{
    if (c->is_leaving)
        client_linger(c);
    else
        client_close(c);
}

static void answer(struct client *c)
{
    struct client_request *first = take_answered(c);
    size_t slice_count = c->is_closed ? 0 : count_slices(first);
    if (slice_count > 0)
        write_answers(c, first, slice_count);
    else
        release_all(first);
    if (c->is_closed)
        return;
    if (c->request_count == 0)
        frame_input_rest(&c->input);
    if (c->is_ending && (c->first == NULL || is_cut_off(c)) && c->unwritten_bytes == 0)
        end_connection(c); /* else on_written looks again */
    else if (!c->is_ending)
        client_read(c);
}

void client_turn(void *shard)
{
    struct router_shard *s = shard;
    while (s->answering != NULL) {
        struct client *c = s->answering;
        s->answering = c->answering_next;
        c->is_answering = false;
        answer(c);
        client_release(c);
    }
}

/* ---- all of them ---- */

static void take_peer(struct client *c)
{
    struct sockaddr_storage peer = {0};
    int size = sizeof peer;
    strcpy(c->address, "unknown");
    c->identity.address = bytes_of(c->address_bytes, sizeof(struct in_addr));
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &size) != 0)
        return;
    if (peer.ss_family == AF_INET6) {
        const struct in6_addr *from = &((struct sockaddr_in6 *)&peer)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(from);
        size_t skip = is_mapped ? sizeof *from - sizeof(struct in_addr) : 0;
        memcpy(c->address_bytes, from->s6_addr + skip, sizeof *from - skip);
        c->identity.address.size = sizeof *from - skip;
    } else {
        memcpy(c->address_bytes, &((struct sockaddr_in *)&peer)->sin_addr, sizeof(struct in_addr));
    }
    inet_ntop(c->identity.address.size == sizeof(struct in_addr) ? AF_INET : AF_INET6,
              c->address_bytes, c->address, sizeof c->address);
}

void client_address(const struct client *c, uint8_t into[16])
{
    static const uint8_t ipv4_prefix[12] = {[10] = 0xff, [11] = 0xff};
    size_t size = c->identity.address.size;
    memset(into, 0, 16);
    if (size == 16) {
        memcpy(into, c->identity.address.data, 16);
    } else {
        memcpy(into, ipv4_prefix, sizeof ipv4_prefix);
        memcpy(into + 12, c->identity.address.data, size < 4 ? size : 4);
    }
}

void client_accept(struct router_shard *s, int descriptor, const struct client_address *from)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(shard_loop(s->shard), &c->tcp) != 0) {
        free(c);
        close(descriptor);
        uncount(s, from);
        return;
    }
    c->counted_address = *from;
    c->tcp.data = c;
    c->shard = s;
    c->claims = 1;
    c->input.frame_bytes_max = (uint32_t)s->settings->request_bytes_max;
    s->client_count++;
    s->counts.connections++;
    c->identity.since = node_pool_moments(s, &c->identity.since_count);
    c->identity.turn = (unsigned)s->client_number;
    c->identity.pipe_count = (unsigned)s->settings->pipes_per_node;
    c->identity.number = (int64_t)(++s->client_number * SHARDS_MAX + shard_index(s->shard));
    c->next = s->clients;
    c->previous = &s->clients;
    if (c->next != NULL)
        c->next->previous = &c->next;
    s->clients = c;
    if (uv_tcp_open(&c->tcp, descriptor) != 0) {
        close(descriptor);
        client_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, KEEPALIVE_SECONDS);
    take_peer(c);
    client_read(c);
}

void client_leave(struct client *c)
{
    c->is_ending = c->is_leaving = true;
    client_read_stop(c);
    give_up_parked(c);
    answer_soon(c);
}

void client_take_settings(struct router_shard *s)
{
    for (struct client *c = s->clients; c != NULL; c = c->next)
        c->input.frame_bytes_max = (uint32_t)s->settings->request_bytes_max;
}

void client_close_all(struct router_shard *s)
{
    for (struct client *c = s->clients, *next; c != NULL; c = next) {
        next = c->next;
        client_close(c);
    }
}
