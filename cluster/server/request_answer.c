/* From an answer to bytes, and what a request gives back.
 *
 * Each is answered exactly once. A client's own answer is a frame; to what came in an envelope it
 * is the content of one in the answer to the envelope (envelope.c), whose slices refer to the same
 * records. What would close a client's connection is told to its router by a code: others use that
 * connection too. */
#include <assert.h>
#include <stdlib.h>

#include "base/event.h"
#include "protocol/error.h"
#include "request.h"
#include "request/text.h"
#include "server/connection.h"
#include "server/envelope.h"

static void count_answer(struct request *r, size_t copied_bytes, size_t fetched_bytes)
{
    r->answer_bytes += copied_bytes;
    r->untaken_bytes += copied_bytes + fetched_bytes;
    r->connection->untaken_bytes += copied_bytes + fetched_bytes;
    atomic_fetch_add(&r->broker->answer_bytes, copied_bytes);
}

static void uncount_answer(struct request *r, size_t copied_bytes, size_t fetched_bytes)
{
    r->answer_bytes -= copied_bytes;
    r->untaken_bytes -= copied_bytes + fetched_bytes;
    r->connection->untaken_bytes -= copied_bytes + fetched_bytes;
    atomic_fetch_sub(&r->broker->answer_bytes, copied_bytes);
}

void request_release_work(struct request *r)
{
    atomic_fetch_sub(&r->broker->request_bytes, r->counted_bytes);
    r->counted_bytes = 0;
    if (r->state == REQUEST_ANSWERED) /* its bytes stay until they are taken */
        uncount_answer(r, r->answer_bytes - (r->writer.size_bytes - r->fetched_bytes), 0);
    kafka_arena_close(&r->arena);
    slice_unref(&r->frame);
}

void request_free(struct request *r)
{
    request_release_work(r);
    uncount_answer(r, r->answer_bytes, r->untaken_bytes - r->answer_bytes);
    atomic_fetch_sub(&r->broker->fetched_bytes, r->fetched_bytes);
    kafka_writer_close(&r->writer);
    free(r);
}

/* `is_closed`: its client loses the connection by it. */
static void end(struct request *r, enum request_state state, bool is_closed)
{
    assert(r->state == REQUEST_WORKING); /* each request is answered exactly once */
    assert(shard_is_here(r->shard));
    r->state = state;
    request_count_ended(&r->clients->count, r->header.api, is_closed,
                        clock_now_ms(&r->broker->clock) - r->received_ms);
    connection_answer_soon(r->connection);
}

void request_drop(struct request *r)
{
    end(r, REQUEST_CLOSING, true);
}

/* What stands in r->writer can leave. */
static void end_answered(struct request *r, bool is_closed)
{
    count_answer(r, r->writer.size_bytes - r->fetched_bytes + kafka_arena_held_bytes(&r->arena),
                 r->fetched_bytes);
    request_count_fetched(&r->clients->count, r->fetched_bytes);
    end(r, REQUEST_ANSWERED, is_closed);
}

static void close_own_connection(struct request *r, const char *why)
{
    end(r, REQUEST_CLOSING, true);
    connection_end(r->connection, why);
}

/* The router is told; NULL: there is nothing for its client. */
static void answer_router(struct request *r, const struct kafka_writer *client_answer,
                          int16_t error_code)
{
    struct envelope_moment moment = envelope_moment_of(r->broker);
    if (envelope_answer(&r->envelope, &r->writer, client_answer, error_code, &moment) == 0)
        end_answered(r, error_code != KAFKA_ERROR_NONE);
    else
        close_own_connection(r, "the answer to a router could not be encoded");
}

/* Others can cause it as often as they like: not a line for each. */
static void tell_refused(const struct request *r, const char *why)
{
    char client[TEXT_EVENT_SIZE];
    uint64_t left_out;
    if (event_pace_allows(&r->clients->refused_pace, clock_now_ms(&r->broker->clock), &left_out))
        event_info("routed_request_refused",
                   "client=%s client_id=%s router=%s reason=\"%s\" left_out=%llu",
                   r->context.address, text_for_event(client, r->context.client_id),
                   r->connection->address, why, (unsigned long long)left_out);
}

void request_refuse(struct request *r, int16_t error_code, const char *why)
{
    if (!r->envelope.is_there) {
        close_own_connection(r, why);
        return;
    }
    tell_refused(r, why);
    answer_router(r, NULL, error_code);
}

static int encode_answer(const struct request *r, struct kafka_writer *into, const void *response)
{
    const struct kafka_api *api = r->header.api;
    int16_t version = r->header.api_version;
    if (r->envelope.is_there)
        kafka_response_content_begin(into, api, version, r->header.correlation_id);
    else
        kafka_response_header_encode(into, api, version, r->header.correlation_id);
    api->response.encode(into, version, response);
    return kafka_writer_finish(into);
}

void request_answer(struct request *r, const void *response)
{
    struct kafka_writer in_envelope;
    struct kafka_writer *into = r->envelope.is_there ? &in_envelope : &r->writer;
    kafka_writer_init(&in_envelope, REQUEST_ANSWER_BYTES_MAX);
    int err = encode_answer(r, into, response);
    if (err != 0) {
        event_error("answer_failed", "api=%s version=%d reason=\"%s\"", r->header.api->name,
                    r->header.api_version, err_text(err));
        request_close_connection(r, "its answer could not be encoded");
    } else if (r->envelope.is_there) {
        answer_router(r, &in_envelope, KAFKA_ERROR_NONE);
    } else {
        end_answered(r, false);
    }
    kafka_writer_close(&in_envelope);
}

void request_answer_nothing(struct request *r)
{
    if (r->envelope.is_there)
        answer_router(r, NULL, KAFKA_ERROR_NONE); /* it counts on an answer to each */
    else
        end(r, REQUEST_SILENT, false);
}

void request_close_connection(struct request *r, const char *why)
{
    request_refuse(r, KAFKA_ERROR_INVALID_REQUEST, why);
}
