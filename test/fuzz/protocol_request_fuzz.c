/* A client's bytes: frames, request headers, and each request by the key and version in it. What
 * is accepted is written again, and read once more, to the same bytes. In an Envelope there is
 * another one. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "protocol/frame.h"
#include "protocol/messages.h"

#define FRAME_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The largest struct of a request; the table says how much each needs. */
static _Alignas(16) uint8_t message[4096];

static int decode(const struct kafka_request_header *header, struct bytes body,
                  struct kafka_arena *arena)
{
    struct kafka_reader r = kafka_reader_of(body);
    kafka_arena_init(arena, kafka_arena_limit_for(body.size));
    assert(header->api->request.size <= sizeof message);
    int err = header->api->request.decode(&r, header->api_version, arena, message);
    assert(err == 0 || err == ERR_MALFORMED || err == ERR_TOO_LARGE || err == ERR_VERSION);
    assert(kafka_arena_held_bytes(arena) <= 2 * arena->limit_bytes + 2 * KAFKA_ARENA_BLOCK_BYTES);
    return err;
}

/* Unknown tagged fields and odd booleans are gone after the first writing: so the second must
 * give the same bytes as the first. */
static struct bytes encode(const struct kafka_request_header *header)
{
    struct kafka_writer w;
    kafka_writer_init(&w, 2 * FRAME_BYTES_MAX);
    int err = header->api->request.encode(&w, header->api_version, message);
    assert(err == 0 && kafka_writer_finish(&w) == 0);
    uint8_t *copy = malloc(w.size_bytes + 1);
    assert(copy != NULL);
    struct bytes written = bytes_of(copy, kafka_writer_copy(&w, copy, w.size_bytes));
    kafka_writer_close(&w);
    return written;
}

static void check_round_trip(const struct kafka_request_header *header)
{
    struct kafka_arena arena;
    struct bytes first = encode(header);
    int err = decode(header, first, &arena);
    assert(err == 0);
    struct bytes second = encode(header);
    assert(bytes_is_equal(first, second));
    free((void *)first.data);
    free((void *)second.data);
    kafka_arena_close(&arena);
}

static void take_frame(struct bytes frame, bool is_passed_on);

/* As a node opens it, which needs no memory for that. */
static void take_passed_on(const struct kafka_request_header *header, struct bytes body)
{
    struct kafka_envelope_request envelope;
    struct kafka_reader r = kafka_reader_of(body);
    if (kafka_envelope_request_decode(&r, header->api_version, NULL, &envelope) == 0)
        take_frame(envelope.request_data, true);
}

static void take_frame(struct bytes frame, bool is_passed_on)
{
    struct kafka_reader r = kafka_reader_of(frame);
    struct kafka_request_header header;
    struct kafka_arena arena;
    if (kafka_request_header_decode(&r, &header) != 0 || header.api == NULL)
        return;
    if (decode(&header, bytes_of(r.at, kafka_reader_left(&r)), &arena) == 0)
        check_round_trip(&header);
    kafka_arena_close(&arena);
    if (header.api_key == KAFKA_API_ENVELOPE && !is_passed_on) /* no nesting */
        take_passed_on(&header, bytes_of(r.at, kafka_reader_left(&r)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes source = bytes_of(data, size);
    struct bytes frame;
    int used;
    while ((used = kafka_frame_decode(source, FRAME_BYTES_MAX, &frame)) > 0) {
        take_frame(frame, false);
        source = bytes_of(source.data + used, source.size - (size_t)used);
    }
    assert(used == ERR_NEED_MORE || used == ERR_MALFORMED || used == ERR_TOO_LARGE);
    return 0;
}
