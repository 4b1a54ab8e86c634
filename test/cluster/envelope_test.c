/* What a router passes on: opened, worked on as any request, answered in an envelope; and what is
 * not believed. */
#include "../cluster/server/envelope.h"

#include "connection_stage.h"
#include "protocol/error.h"

#define ROUTER 77

/* ---- a router ---- */

struct passed_on {
    struct bytes request;
    const char *principal; /* NULL: null */
    uint8_t address[16];
    size_t address_size;
    int64_t router_id, client_number, client_since, node_life;
    int32_t correlation_id;
};

/* An ApiVersions request of version 0 with correlation id 7, as its client sent it. */
static const uint8_t api_versions[] = {0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff};
/* A fetch of nothing that waits for ten minutes. */
static const uint8_t fetch_of_nothing[] = {0,    1,    0,    4, 0, 0,    0,    7, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0, 9, 0x27, 0xc0, 0, 0,    0,    1,
                                           0,    1,    0,    0, 0, 0,    0,    0, 0};

static struct passed_on pass_on(const void *request, size_t size)
{
    return (struct passed_on){.request = bytes_of(request, size),
                              .principal = "",
                              .address = {10, 1, 2, 3},
                              .address_size = 4,
                              .router_id = ROUTER,
                              .client_number = 5,
                              .correlation_id = 99};
}

/* The whole frame, to be freed. */
static struct bytes wrap(const struct passed_on *p)
{
    struct kafka_writer w;
    struct kafka_request_header header = {.api = kafka_api_find(KAFKA_API_ENVELOPE),
                                          .api_key = KAFKA_API_ENVELOPE,
                                          .correlation_id = p->correlation_id,
                                          .client_id = kafka_string_of("router")};
    struct kafka_envelope_request message = {
        .request_data = p->request,
        .request_principal = p->principal == NULL ? bytes_of(NULL, 0)
                                                  : bytes_of(p->principal, strlen(p->principal)),
        .client_host_address = bytes_of(p->address, p->address_size),
        .router_id = p->router_id,
        .client_number = p->client_number,
        .client_since = p->client_since,
        .node_life = p->node_life,
    };
    kafka_writer_init(&w, 1u << 20);
    kafka_request_header_encode(&w, &header);
    kafka_envelope_request_encode(&w, 0, &message);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    uint8_t *copy = malloc(w.size_bytes);
    cr_assert_not_null(copy);
    size_t size = kafka_writer_copy(&w, copy, w.size_bytes);
    kafka_writer_close(&w);
    return bytes_of(copy, size);
}

static void send_on(struct connection_stage *s, int end, const struct passed_on *p)
{
    struct bytes frame = wrap(p);
    cr_assert_eq(stage_send(s, end, frame.data, frame.size), frame.size);
    free((void *)(uintptr_t)frame.data);
}

/* The answer to an envelope; `data` is borrowed from the stage's own room. */
struct told {
    bool is_there;
    int32_t correlation_id;
    struct bytes data; /* NULL: null */
    int16_t error_code;
    int64_t life, now;
};

static struct told take_told(struct connection_stage *s, int end)
{
    static uint8_t room[16384];
    struct kafka_arena arena;
    struct kafka_envelope_response response;
    struct told told = {0};
    struct bytes frame;
    stage_turn(s);
    ssize_t size = recv(end, room, 4, 0);
    if (size != 4)
        return told;
    size_t rest = bytes_get_be32(room);
    cr_assert_leq(rest, sizeof room - 4);
    cr_assert_eq(recv(end, room + 4, rest, 0), (ssize_t)rest);
    cr_assert_eq(kafka_frame_decode(bytes_of(room, rest + 4), sizeof room, &frame), (int)rest + 4);
    struct kafka_reader r = kafka_reader_of(frame);
    kafka_arena_init(&arena, 4096);
    cr_assert_eq(kafka_response_header_decode(&r, kafka_api_find(KAFKA_API_ENVELOPE), 0,
                                              &told.correlation_id),
                 0);
    cr_assert_eq(kafka_envelope_response_decode(&r, 0, &arena, &response), 0);
    cr_assert_eq(kafka_reader_left(&r), 0, "its size says all of it");
    told.is_there = true;
    told.error_code = response.error_code;
    told.life = response.life;
    told.now = response.now;
    if (response.response_data.count > 0)
        told.data = response.response_data.items[0].bytes;
    kafka_arena_close(&arena);
    return told;
}

/* Connections of the stage have no address: it is all zeros, and trusted. */
static void open_trusted(struct connection_stage *s)
{
    stage_open(s);
    s->broker.conf.router_addresses = (struct conf_networks){.count = 1,
                                                             .entries = {{.bits = 128}}};
}

static int16_t refused_with(const struct passed_on *p)
{
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s);
    send_on(&s, end, p);
    struct told told = take_told(&s, end);
    cr_assert(told.is_there);
    cr_assert_eq(told.correlation_id, 99);
    cr_assert_null(told.data.data, "a refusal brings no answer");
    struct passed_on sound = pass_on(api_versions, sizeof api_versions);
    send_on(&s, end, &sound);
    cr_assert_eq(take_told(&s, end).error_code, 0, "and others' requests go on");
    close(end);
    stage_close(&s);
    return told.error_code;
}

/* ---- what it is answered ---- */

Test(cluster_envelope, brings_back_what_its_client_is_answered)
{
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s), direct = stage_connect(&s);
    struct passed_on p = pass_on(api_versions, sizeof api_versions);
    send_on(&s, end, &p);
    struct told told = take_told(&s, end);
    cr_assert_eq(told.correlation_id, 99, "the router's own");
    cr_assert_eq(told.error_code, 0);
    cr_assert_gt(told.data.size, 100);
    cr_assert_eq(bytes_get_be32(told.data.data), 7, "the client's own");
    struct bytes routed = told.data;
    uint8_t plain[4096];
    stage_ask(&s, direct);
    size_t size = (size_t)recv(direct, plain, sizeof plain, 0);
    cr_assert_eq(size - 4 - routed.size, 6, "but for the row of Envelope, which a router may see");
    cr_assert_eq(bytes_get_be32(plain + 10), bytes_get_be32(routed.data + 6) + 1);
    close(end);
    close(direct);
    stage_close(&s);
}

Test(cluster_envelope, is_worked_on_as_its_client_s_request)
{
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(fetch_of_nothing, sizeof fetch_of_nothing);
    send_on(&s, end, &p);
    const struct request *r = s.clients.connections->first;
    cr_assert_not_null(r, "parked");
    cr_assert_str_eq(r->context.address, "10.1.2.3");
    cr_assert_str_eq(r->context.listener, "router");
    cr_assert_eq(r->context.router_id, ROUTER);
    cr_assert_eq(r->context.client_number, 5);
    cr_assert_eq(r->context.connection, 1, "which it came on");
    cr_assert(kafka_string_is_null(r->context.client_id), "not the router's own client id");
    cr_assert_eq(r->header.api->key, KAFKA_API_FETCH);
    const struct request_count *count = &s.clients.count;
    size_t fetch = (size_t)(kafka_api_find(KAFKA_API_FETCH) - kafka_apis);
    size_t envelope = (size_t)(kafka_api_find(KAFKA_API_ENVELOPE) - kafka_apis);
    cr_assert_eq(atomic_load(&count->apis[fetch].begun), 1);
    cr_assert_eq(atomic_load(&count->apis[envelope].begun), 0, "it counts as what is in it");
    close(end);
    stage_close(&s);
}

Test(cluster_envelope, shows_an_ipv6_client_by_its_own_address)
{
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(fetch_of_nothing, sizeof fetch_of_nothing);
    p.address_size = 16;
    memcpy(p.address, (uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 9}, 16);
    p.principal = "User:ANONYMOUS";
    send_on(&s, end, &p);
    cr_assert_str_eq(s.clients.connections->first->context.address, "2001:db8::9");
    close(end);
    stage_close(&s);
}

Test(cluster_envelope, is_answered_in_the_order_of_its_connection)
{
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(api_versions, sizeof api_versions);
    for (p.correlation_id = 1; p.correlation_id <= 3; p.correlation_id++) {
        p.client_number = p.correlation_id;
        send_on(&s, end, &p);
    }
    for (int32_t id = 1; id <= 3; id++)
        cr_assert_eq(take_told(&s, end).correlation_id, id);
    close(end);
    stage_close(&s);
}

/* ---- since when its client is there ---- */

static uint64_t since_as_known(int64_t client_since, int64_t node_life)
{
    struct connection_stage s;
    open_trusted(&s);
    s.broker.life = 1234;
    atomic_store(&s.broker.connection_number, 20);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(fetch_of_nothing, sizeof fetch_of_nothing);
    p.client_since = client_since;
    p.node_life = node_life;
    send_on(&s, end, &p);
    uint64_t since = s.clients.connections->first->context.client_since;
    close(end);
    stage_close(&s);
    return since;
}

Test(cluster_envelope, says_since_when_its_client_is_there_in_numbers_of_this_process)
{
    cr_assert_eq(since_as_known(17, 1234), 17);
    cr_assert_eq(since_as_known(20, 1234), 20);
    cr_assert_eq(since_as_known(17, 1235), 0, "told by a process of before");
    cr_assert_eq(since_as_known(21, 1234), 0, "told by nobody");
    cr_assert_eq(since_as_known(-1, 1234), 0);
    cr_assert_eq(since_as_known(0, 0), 0);
}

Test(cluster_envelope, is_answered_with_what_is_now)
{
    struct connection_stage s;
    open_trusted(&s);
    s.broker.life = 1234;
    atomic_store(&s.broker.connection_number, 20);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(api_versions, sizeof api_versions);
    send_on(&s, end, &p);
    struct told told = take_told(&s, end);
    cr_assert_eq(told.life, 1234);
    cr_assert_eq(told.now, 20);
    close(end);
    stage_close(&s);
}

/* ---- what is refused ---- */

Test(cluster_envelope, is_refused_from_an_address_that_nobody_trusts)
{
    struct connection_stage s;
    stage_open(&s);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(fetch_of_nothing, sizeof fetch_of_nothing);
    send_on(&s, end, &p);
    struct told told = take_told(&s, end);
    cr_assert_eq(told.error_code, KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_null(told.data.data);
    cr_assert_null(s.clients.connections->first, "nothing was begun");
    p = pass_on(api_versions, 3);
    send_on(&s, end, &p);
    cr_assert_eq(take_told(&s, end).error_code, KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED,
                 "whatever is in it");
    stage_ask(&s, end);
    cr_assert(stage_has_answer(&s, end), "for itself it may ask");
    close(end);
    stage_close(&s);
}

Test(cluster_envelope, says_what_is_wrong_with_it)
{
    struct passed_on sound = pass_on(api_versions, sizeof api_versions), p = sound;
    p.address_size = 5;
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST);
    p.address_size = 0;
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST);
    p = sound;
    p.principal = "User:alice";
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_PRINCIPAL_DESERIALIZATION_FAILURE,
                 "rights that nobody would look at");
    p = sound;
    p.client_number = 0;
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST);
    p = sound;
    p.router_id = 0;
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST);
    struct bytes inner = wrap(&sound);
    p = pass_on(inner.data + 4, inner.size - 4);
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST, "an envelope in an envelope");
    free((void *)(uintptr_t)inner.data);
}

Test(cluster_envelope, says_when_a_client_would_have_lost_its_connection)
{
    static const uint8_t unknown_api[] = {0, 99, 0, 0, 0, 0, 0, 7, 0xff, 0xff};
    static const uint8_t unknown_version[] = {0, 3, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0};
    static const uint8_t malformed[] = {0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x7f, 0xff, 0, 0};
    struct passed_on p = pass_on(unknown_api, sizeof unknown_api);
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_UNSUPPORTED_VERSION);
    p = pass_on(unknown_version, sizeof unknown_version);
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_UNSUPPORTED_VERSION);
    p = pass_on(malformed, sizeof malformed);
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST);
    p = pass_on(malformed, 3);
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST, "not even a header");
    p = pass_on(malformed, 0);
    cr_assert_eq(refused_with(&p), KAFKA_ERROR_INVALID_REQUEST);
}

Test(cluster_envelope, brings_the_versions_to_a_client_that_is_too_new)
{
    static const uint8_t too_new[] = {0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0};
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s);
    struct passed_on p = pass_on(too_new, sizeof too_new);
    send_on(&s, end, &p);
    struct told told = take_told(&s, end);
    cr_assert_eq(told.error_code, 0);
    cr_assert_eq(bytes_get_be16(told.data.data + 4), KAFKA_ERROR_UNSUPPORTED_VERSION,
                 "as it would be told itself");
    close(end);
    stage_close(&s);
}

Test(cluster_envelope, that_can_not_be_read_ends_its_connection)
{
    struct connection_stage s;
    open_trusted(&s);
    int end = stage_connect(&s);
    static const uint8_t cut[] = {0, 0, 0, 14, 0, 58, 0, 0, 0, 0, 0, 7, 0xff, 0xff, 0, 200, 1, 2};
    cr_assert_eq(stage_send(&s, end, cut, sizeof cut), sizeof cut);
    cr_assert(stage_is_closed(&s, end));
    close(end);
    stage_close(&s);
}

Test(cluster_envelope, is_bounded_by_what_it_brings)
{
    struct connection_stage s;
    static uint8_t large[200];
    memcpy(large, api_versions, sizeof api_versions); /* what is behind a message is let pass */
    open_trusted(&s);
    s.broker.conf.request_bytes_max = sizeof large;
    int end = stage_connect(&s);
    struct passed_on p = pass_on(large, sizeof large);
    send_on(&s, end, &p);
    cr_assert_eq(take_told(&s, end).error_code, 0, "a client's largest request fits");
    s.broker.conf.request_bytes_max = sizeof large - 1;
    send_on(&s, end, &p);
    cr_assert_eq(take_told(&s, end).error_code, KAFKA_ERROR_INVALID_REQUEST);
    stage_begin_frame(&s, end, sizeof large - 1 + ENVELOPE_BYTES_MAX + 1);
    cr_assert(stage_is_closed(&s, end));
    close(end);
    stage_close(&s);
}

Test(cluster_envelope, has_more_room_in_flight_than_a_client_alone)
{
    struct connection_stage s;
    open_trusted(&s);
    s.broker.conf.requests_in_flight_max = 2;
    s.broker.conf.router_requests_in_flight_max = 4;
    int end = stage_connect(&s);
    struct connection *c = s.clients.connections;
    struct passed_on p = pass_on(fetch_of_nothing, sizeof fetch_of_nothing);
    for (int i = 0; i < 6; i++)
        send_on(&s, end, &p);
    cr_assert_eq(c->request_count, 4);
    cr_assert_not(c->is_reading);
    close(end);
    stage_close(&s);
}

/* ---- nothing is copied ---- */

Test(cluster_envelope, lets_the_client_s_frame_lie_where_the_router_s_is)
{
    struct passed_on p = pass_on(api_versions, sizeof api_versions);
    struct bytes frame = wrap(&p), content = bytes_of(frame.data + 4, frame.size - 4);
    struct envelope_rules rules = {.may_pass_on = true, .request_bytes_max = 1000};
    struct request_envelope e;
    struct bytes inner = envelope_open(&e, content, &rules);
    cr_assert(e.is_there);
    cr_assert(inner.data > frame.data && inner.data < frame.data + frame.size);
    cr_assert(bytes_is_equal(inner, p.request));
    inner = envelope_open(&e, p.request, &rules);
    cr_assert_not(e.is_there);
    cr_assert_eq(inner.data, p.request.data, "what came in none is as it came");
    free((void *)(uintptr_t)frame.data);
}

Test(cluster_envelope, refers_to_the_records_of_the_answer)
{
    struct kafka_writer client, router;
    struct request_envelope e = {.is_there = true, .correlation_id = 9};
    struct envelope_moment moment = {.life = 1, .now = 2};
    struct buffer *records = buffer_create(5000);
    cr_assert_not_null(records);
    kafka_writer_init(&client, 1u << 20);
    kafka_writer_init(&router, 1u << 20);
    kafka_write_int32(&client, 7);
    kafka_write_slice(&client, (struct slice){records, bytes_of(records->data, 5000)});
    cr_assert_eq(kafka_writer_finish(&client), 0);
    cr_assert_eq(envelope_answer(&e, &router, &client, 0, &moment), 0);
    kafka_writer_close(&client);
    size_t count;
    bool is_referred_to = false;
    const struct slice *slices = kafka_writer_slices(&router, &count);
    for (size_t i = 0; i < count; i++)
        is_referred_to |= slices[i].bytes.data == records->data && slices[i].bytes.size == 5000;
    cr_assert(is_referred_to);
    cr_assert_eq(atomic_load(&records->references), 2, "the router's answer has one");
    kafka_writer_close(&router);
    buffer_unref(records);
}

/* ---- order ---- */

static void put(struct connection *c, struct request *r, int16_t key, uint64_t client_number)
{
    *r = (struct request){.connection = c,
                          .header.api = kafka_api_find(key),
                          .context.router_id = ROUTER,
                          .context.client_number = client_number};
    if (c->last != NULL)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
}

Test(cluster_envelope, waits_for_earlier_changes_of_its_own_client_only)
{
    struct connection c = {0};
    struct request commit, other, own, produce;
    put(&c, &commit, KAFKA_API_OFFSET_COMMIT, 5);
    put(&c, &other, KAFKA_API_OFFSET_FETCH, 6);
    put(&c, &own, KAFKA_API_OFFSET_FETCH, 5);
    put(&c, &produce, KAFKA_API_PRODUCE, 5);
    cr_assert_not(request_has_to_wait(&other));
    cr_assert(request_has_to_wait(&own));
    cr_assert_not(request_has_to_wait(&produce));
    own.context.router_id = ROUTER + 1;
    cr_assert_not(request_has_to_wait(&own), "another router's client of the same number");
    own.context.router_id = ROUTER;
    commit.state = REQUEST_ANSWERED;
    cr_assert_not(request_has_to_wait(&own));
}

Test(cluster_envelope, overtakes_no_commit_of_its_own_client)
{
    struct connection c = {0};
    struct request first, second, other, leaving;
    put(&c, &first, KAFKA_API_OFFSET_COMMIT, 5);
    put(&c, &second, KAFKA_API_OFFSET_COMMIT, 5);
    put(&c, &other, KAFKA_API_OFFSET_COMMIT, 6);
    put(&c, &leaving, KAFKA_API_LEAVE_GROUP, 5);
    request_unsettle(&first);
    cr_assert(request_has_to_wait(&second));
    cr_assert(request_has_to_wait(&leaving));
    cr_assert_not(request_has_to_wait(&other));
}

/* ---- bytes that nobody would send ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Any byte but the two API keys: the stage has no cluster for what others would ask. */
static void spoil(struct bytes frame, struct bytes inner, uint64_t *state)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)frame.data;
    for (uint64_t flips = 1 + next_random(state) % 3; flips > 0; flips--) {
        uint8_t *at = bytes + 6 + next_random(state) % (frame.size - 6);
        if (at != inner.data && at != inner.data + 1)
            *at = (uint8_t)next_random(state);
    }
}

Test(cluster_envelope, leaves_nothing_behind_whatever_its_bytes_are)
{
    static const uint8_t with_texts[] = {0,    18, 0, 3,   0,   0, 0,   7, 0xff,
                                         0xff, 0,  3, 'a', 'b', 2, '1', 0};
    struct envelope_rules rules = {.may_pass_on = true, .request_bytes_max = 1000};
    struct passed_on p = pass_on(with_texts, sizeof with_texts);
    struct request_envelope e;
    struct connection_stage s;
    uint64_t state = 58;
    open_trusted(&s);
    int witness = stage_connect(&s);
    for (int i = 0; i < 3000; i++) {
        int end = stage_connect(&s);
        struct bytes frame = wrap(&p);
        spoil(frame, envelope_open(&e, bytes_of(frame.data + 4, frame.size - 4), &rules), &state);
        stage_send(&s, end, frame.data, frame.size);
        free((void *)(uintptr_t)frame.data);
        close(end);
    }
    p = pass_on(api_versions, sizeof api_versions);
    send_on(&s, witness, &p);
    cr_assert_eq(take_told(&s, witness).error_code, 0);
    close(witness);
    stage_close(&s); /* which looks whether all memory was given back */
}
