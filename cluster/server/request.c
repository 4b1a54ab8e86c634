/* From a frame to a request, and to its handler. What becomes of it is in request_answer.c.
 *
 * Decoding is the same for all: the generated table knows each API's struct. What can't be
 * answered in the protocol (unknown API, a version that is not known, malformed bytes) closes the
 * connection with an event, as Kafka does; only ApiVersions of a too new version is answered, in
 * version 0, for that is how a client finds out (KIP-511). What came in an envelope goes the same
 * way; only where its client would lose the connection, its router gets an error (envelope.c). */
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "server/connection.h"
#include "server/envelope.h"

/* Small requests (a heartbeat) still need room for their answer's arrays. */
#define ARENA_BYTES_MIN (256u * 1024)
#define FRAMES_A_BUFFER 4 /* a request that fills less than this part of a buffer is small */

static const struct {
    int16_t key;
    request_handler handle;
} handlers[] = {
    {KAFKA_API_PRODUCE, request_handle_produce},
    {KAFKA_API_FETCH, request_handle_fetch},
    {KAFKA_API_LIST_OFFSETS, request_handle_list_offsets},
    {KAFKA_API_METADATA, request_handle_metadata},
    {KAFKA_API_OFFSET_COMMIT, request_handle_offset_commit},
    {KAFKA_API_OFFSET_FETCH, request_handle_offset_fetch},
    {KAFKA_API_FIND_COORDINATOR, request_handle_find_coordinator},
    {KAFKA_API_JOIN_GROUP, request_handle_join_group},
    {KAFKA_API_HEARTBEAT, request_handle_heartbeat},
    {KAFKA_API_LEAVE_GROUP, request_handle_leave_group},
    {KAFKA_API_SYNC_GROUP, request_handle_sync_group},
    {KAFKA_API_DESCRIBE_GROUPS, request_handle_describe_groups},
    {KAFKA_API_LIST_GROUPS, request_handle_list_groups},
    {KAFKA_API_SASL_HANDSHAKE, request_handle_sasl_handshake},
    {KAFKA_API_API_VERSIONS, request_handle_api_versions},
    {KAFKA_API_CREATE_TOPICS, request_handle_create_topics},
    {KAFKA_API_DELETE_TOPICS, request_handle_delete_topics},
    {KAFKA_API_DELETE_RECORDS, request_handle_delete_records},
    {KAFKA_API_INIT_PRODUCER_ID, request_handle_init_producer_id},
    {KAFKA_API_OFFSET_FOR_LEADER_EPOCH, request_handle_offset_for_leader_epoch},
    {KAFKA_API_DESCRIBE_CONFIGS, request_handle_describe_configs},
    {KAFKA_API_ALTER_CONFIGS, request_handle_alter_configs},
    {KAFKA_API_DESCRIBE_LOG_DIRS, request_handle_describe_log_dirs},
    {KAFKA_API_CREATE_PARTITIONS, request_handle_create_partitions},
    {KAFKA_API_DELETE_GROUPS, request_handle_delete_groups},
    {KAFKA_API_ELECT_LEADERS, request_handle_elect_leaders},
    {KAFKA_API_INCREMENTAL_ALTER_CONFIGS, request_handle_incremental_alter_configs},
    {KAFKA_API_LIST_PARTITION_REASSIGNMENTS, request_handle_list_partition_reassignments},
    {KAFKA_API_OFFSET_DELETE, request_handle_offset_delete},
    {KAFKA_API_DESCRIBE_CLUSTER, request_handle_describe_cluster},
};

static request_handler handler_of(int16_t key)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].key == key)
            return handlers[i].handle;
    return NULL;
}

/* Record batches stay where the socket put them, and so does what has a large buffer of its own.
 * Anything else is small and may be parked for long: it must not hold a whole input buffer. */
static struct slice keep_frame(struct connection *c, struct bytes frame)
{
    bool is_small = frame.size * FRAMES_A_BUFFER < c->input->capacity;
    bool is_produce = frame.size >= 2 && bytes_get_be16(frame.data) == KAFKA_API_PRODUCE;
    if (!is_small || is_produce)
        return (struct slice){.owner = buffer_ref(c->input), .bytes = frame};
    struct buffer *copy = buffer_create(frame.size);
    if (copy != NULL)
        memcpy(copy->data, frame.data, frame.size);
    return (struct slice){.owner = copy,
                          .bytes = bytes_of(copy == NULL ? NULL : copy->data, frame.size)};
}

static struct request *create_request(struct connection *c, struct bytes frame)
{
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->broker = c->clients->broker;
    r->connection = c;
    r->clients = c->clients;
    r->shard = c->clients->shard;
    struct envelope_rules rules = {
        .may_pass_on = c->may_pass_on,
        .request_bytes_max = (size_t)r->broker->conf.request_bytes_max,
        .moment = envelope_moment_of(r->broker),
    };
    r->frame = keep_frame(c, envelope_open(&r->envelope, frame, &rules));
    c->is_router |= r->envelope.is_there && r->envelope.error_code == KAFKA_ERROR_NONE;
    if (r->frame.owner == NULL) {
        free(r);
        return NULL;
    }
    size_t limit = 3 * kafka_arena_limit_for(frame.size); /* the answer and its bookkeeping too */
    kafka_arena_init(&r->arena, limit + ARENA_BYTES_MIN);
    kafka_writer_init(&r->writer, REQUEST_ANSWER_BYTES_MAX);
    r->received_ms = clock_now_ms(&r->broker->clock);
    request_count_bytes(r, frame.size);
    return r;
}

void request_count_bytes(struct request *r, size_t size)
{
    r->counted_bytes += size;
    atomic_fetch_add(&r->broker->request_bytes, size);
}

static void queue_request(struct connection *c, struct request *r)
{
    if (c->last != NULL)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
    c->request_count++;
    c->claims++;
}

static void answer_too_new(struct request *r)
{
    struct kafka_api_versions_response response;
    kafka_api_versions_response_init(&response);
    struct kafka_api_versions_response_api_key row = {
        .api_key = r->header.api->key,
        .min_version = r->header.api->version_advertised,
        .max_version = r->header.api->version_max,
    };
    response.error_code = 35; /* UNSUPPORTED_VERSION */
    response.api_keys = &row;
    response.api_keys_count = 1;
    r->header.api_version = 0;
    request_answer(r, &response);
}

/* Whose request it is, and by which way it came. */
static struct request_context context_of(const struct request *r)
{
    const struct connection *c = r->connection;
    const struct request_envelope *e = &r->envelope;
    bool is_passed_on = e->is_there && e->error_code == KAFKA_ERROR_NONE;
    return (struct request_context){
        .listener = is_passed_on ? "router" : "client",
        .principal = "User:ANONYMOUS",
        .client_id = r->header.client_id,
        .address = is_passed_on ? e->address : c->address,
        .connection = c->number,
        .router_id = is_passed_on ? e->router_id : 0,
        .client_number = is_passed_on ? e->client_number : c->number,
        .client_since = is_passed_on ? e->client_since : c->number,
        .may_pass_on = c->may_pass_on && !is_passed_on,
    };
}

static int decode_message(struct request *r, struct kafka_reader *reader)
{
    const struct kafka_message_type *type = &r->header.api->request;
    r->message = kafka_arena_allocate(&r->arena, type->size);
    if (r->message == NULL)
        return UV_ENOMEM;
    return type->decode(reader, r->header.api_version, &r->arena, r->message);
}

/* Decodes it and hands it over, unless an earlier one has to be first. */
static void work(struct request *r, struct kafka_reader *reader)
{
    int err = decode_message(r, reader);
    if (err != 0) {
        request_close_connection(r, err_text(err));
    } else if (request_has_to_wait(r)) {
        r->is_held = true;
        r->connection->held_count++;
    } else {
        handler_of(r->header.api->key)(r);
    }
}

static void dispatch(struct request *r)
{
    struct kafka_reader reader = kafka_reader_of(r->frame.bytes);
    int err = kafka_request_header_decode(&reader, &r->header);
    const struct kafka_api *api = r->header.api;
    request_count_begun(&r->clients->count, api);
    r->context = context_of(r);
    if (r->envelope.error_code != KAFKA_ERROR_NONE)
        request_refuse(r, r->envelope.error_code, r->envelope.why);
    else if (err != 0)
        request_refuse(r, KAFKA_ERROR_INVALID_REQUEST, err_text(err));
    else if (api != NULL && api->key == KAFKA_API_ENVELOPE)
        request_refuse(r, KAFKA_ERROR_INVALID_REQUEST, "an envelope that can't be read");
    else if (api == NULL || handler_of(api->key) == NULL)
        request_refuse(r, KAFKA_ERROR_UNSUPPORTED_VERSION, "the API is not known");
    else if (kafka_api_has_version(api, r->header.api_version))
        work(r, &reader);
    else if (api->key == KAFKA_API_API_VERSIONS)
        answer_too_new(r);
    else
        request_refuse(r, KAFKA_ERROR_UNSUPPORTED_VERSION,
                       "the version of the request is not known");
}

void request_begin(struct connection *c, struct bytes frame)
{
    struct request *r = create_request(c, frame);
    if (r == NULL) {
        connection_end(c, "out of memory");
        return;
    }
    queue_request(c, r);
    dispatch(r);
    if (r->state == REQUEST_WORKING) /* for as long as it takes */
        request_count_bytes(r, kafka_arena_held_bytes(&r->arena));
}

void request_run_held(struct connection *c)
{
    for (struct request *r = c->first; r != NULL && c->held_count > 0; r = r->next) {
        bool is_dropped = c->is_closed && !request_changes_something(r);
        if (!r->is_held || (!is_dropped && request_has_to_wait(r)))
            continue;
        r->is_held = false;
        c->held_count--;
        if (is_dropped)
            request_drop(r); /* nobody waits for it any more */
        else
            handler_of(r->header.api->key)(r);
    }
}

void *request_allocate(struct request *r, size_t size)
{
    return kafka_arena_allocate(&r->arena, size);
}

void *request_array(struct request *r, size_t count, size_t element_size)
{
    return kafka_arena_array(&r->arena, count, element_size);
}

void request_post_back(struct request *r, struct work_item *item, work_cb run)
{
    shard_post(r->shard, item, run);
}

bool request_is_abandoned(const struct request *r)
{
    return r->connection->is_closed;
}
