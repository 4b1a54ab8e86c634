#include "router_world.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/error.h"
#include "router/shard.h"

#define FRAME_BYTES_MAX (16u << 20)
#define SETTLE_TURNS    30 /* a loopback socket has what was written to it at once */

/* ---- sockets ---- */

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert_geq(listener, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(listener, WORLD_WAYS_MAX), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return listener;
}

/* What is written is there at the next turn, not at the other side's next acknowledgement. */
static void send_at_once(int socket)
{
    int on = 1;
    cr_assert_eq(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
}

/* False: it has ended. */
static bool receive(int socket, struct frame_input *input)
{
    for (;;) {
        uv_buf_t into;
        frame_input_room(input, &into);
        ssize_t size = recv(socket, into.base, into.len, MSG_DONTWAIT);
        if (size > 0)
            frame_input_add(input, (size_t)size);
        else
            return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
}

static void write_all(int socket, const struct kafka_writer *w)
{
    uint8_t *copy = malloc(w->size_bytes);
    size_t size = kafka_writer_copy(w, copy, w->size_bytes);
    cr_assert_eq(send(socket, copy, size, MSG_NOSIGNAL), (ssize_t)size);
    free(copy);
}

/* ---- nodes ---- */

static void answer_envelope(struct world_node *n, int socket, int32_t number, struct bytes inner)
{
    struct slice slice = {.bytes = inner};
    struct kafka_envelope_response envelope;
    struct kafka_writer w;
    kafka_envelope_response_init(&envelope);
    envelope.response_data = (struct kafka_slices){.items = &slice,
                                                   .count = inner.data == NULL ? -1 : 1};
    envelope.life = n->id + WORLD_NODES * n->starts;
    envelope.now = ++n->now;
    kafka_writer_init(&w, FRAME_BYTES_MAX);
    kafka_response_header_encode(&w, kafka_api_find(KAFKA_API_ENVELOPE), 0, number);
    cr_assert_eq(kafka_envelope_response_encode(&w, 0, &envelope), 0);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    write_all(socket, &w);
    kafka_writer_close(&w);
}

static void answer_message(struct world_node *n, int socket, int32_t number,
                           const struct kafka_request_header *header, const void *message)
{
    struct kafka_writer w;
    kafka_writer_init(&w, FRAME_BYTES_MAX);
    kafka_response_content_begin(&w, header->api, header->api_version, header->correlation_id);
    cr_assert_eq(header->api->response.encode(&w, header->api_version, message), 0);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    uint8_t *copy = malloc(w.size_bytes);
    kafka_writer_copy(&w, copy, w.size_bytes);
    answer_envelope(n, socket, number, bytes_of(copy, w.size_bytes));
    free(copy);
    kafka_writer_close(&w);
}

static bool is_there(struct kafka_string name)
{
    return kafka_string_is_text(name, "t") || (name.size > 2 && memcmp(name.data, "t-", 2) == 0);
}

/* What this node says of a topic that was asked for. */
static struct kafka_metadata_response_topic
told_topic(const struct world_node *n, struct kafka_string name,
           struct kafka_metadata_response_partition *partitions)
{
    struct kafka_metadata_response_topic topic;
    kafka_metadata_response_topic_init(&topic);
    topic.name = name;
    topic.error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!n->is_behind && is_there(name)) {
        topic.error_code = KAFKA_ERROR_NONE;
        topic.partitions = partitions;
        topic.partitions_count = WORLD_PARTITIONS;
    }
    return topic;
}

static void fill_brokers(const struct world_node *n, struct kafka_metadata_response_broker *brokers)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        kafka_metadata_response_broker_init(&brokers[i]);
        brokers[i].node_id = n->world->nodes[i].id;
        brokers[i].host = kafka_string_of("127.0.0.1");
        brokers[i].port = n->world->nodes[i].port;
        brokers[i].rack = kafka_string_of(
            n->world->nodes[i].site == NULL ? "far" : n->world->nodes[i].site);
    }
}

static void answer_metadata(struct world_node *n, int socket, int32_t number,
                            const struct kafka_request_header *header, struct kafka_reader *r)
{
    struct kafka_metadata_request asked;
    struct kafka_arena arena;
    struct kafka_metadata_response m;
    struct kafka_metadata_response_broker brokers[WORLD_NODES];
    struct kafka_metadata_response_partition partitions[WORLD_PARTITIONS];
    kafka_arena_init(&arena, FRAME_BYTES_MAX);
    cr_assert_eq(kafka_metadata_request_decode(r, header->api_version, &arena, &asked), 0);
    n->questions++;
    n->asked_topics = asked.topics_count;
    kafka_metadata_response_init(&m);
    fill_brokers(n, brokers);
    for (int i = 0; i < WORLD_PARTITIONS; i++) {
        kafka_metadata_response_partition_init(&partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].leader_id = n->world->leaders[i];
    }
    m.brokers = brokers;
    m.brokers_count = WORLD_NODES;
    m.topics = calloc((size_t)asked.topics_count + 1, sizeof *m.topics);
    m.topics_count = asked.topics_count;
    for (int32_t i = 0; i < asked.topics_count; i++)
        m.topics[i] = told_topic(n, asked.topics[i].name, partitions);
    answer_message(n, socket, number, header, &m);
    free(m.topics);
    kafka_arena_close(&arena);
}

static void answer_find_coordinator(struct world_node *n, int socket, int32_t number,
                                    const struct kafka_request_header *header)
{
    struct kafka_find_coordinator_response m;
    kafka_find_coordinator_response_init(&m);
    m.node_id = n->world->coordinator;
    m.host = kafka_string_of("127.0.0.1");
    answer_message(n, socket, number, header, &m);
}

static void keep_call(struct world_node *n, int socket, int32_t number, struct bytes inner)
{
    cr_assert_lt(n->call_count, WORLD_CALLS_MAX);
    struct world_call *call = &n->calls[n->call_count++];
    *call = (struct world_call){.way = socket, .number = number, .frame = malloc(inner.size)};
    memcpy(call->frame, inner.data, inner.size);
    struct kafka_reader r = kafka_reader_of(bytes_of(call->frame, inner.size));
    cr_assert_eq(kafka_request_header_decode(&r, &call->header), 0);
    kafka_arena_init(&call->arena, FRAME_BYTES_MAX);
    call->message = kafka_arena_allocate(&call->arena, call->header.api->request.size);
    cr_assert_eq(
        call->header.api->request.decode(&r, call->header.api_version, &call->arena, call->message),
        0);
}

static void take_envelope(struct world_node *n, int socket, struct bytes frame)
{
    struct kafka_request_header header, inner;
    struct kafka_envelope_request envelope;
    struct kafka_reader r = kafka_reader_of(frame);
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    cr_assert_eq(header.api_key, KAFKA_API_ENVELOPE);
    cr_assert_eq(kafka_envelope_request_decode(&r, header.api_version, NULL, &envelope), 0);
    struct kafka_reader within = kafka_reader_of(envelope.request_data);
    cr_assert_eq(kafka_request_header_decode(&within, &inner), 0);
    bool is_own = envelope.client_number == ROUTER_OWN_CLIENT;
    if (n->is_hanging)
        return;
    if (is_own && inner.api_key != KAFKA_API_API_VERSIONS) {
        n->asked_way = socket;
        if (n->is_mute)
            return;
    }
    if (is_own && inner.api_key == KAFKA_API_API_VERSIONS)
        answer_envelope(n, socket, header.correlation_id, bytes_of("1234", 4));
    else if (is_own && inner.api_key == KAFKA_API_METADATA)
        answer_metadata(n, socket, header.correlation_id, &inner, &within);
    else if (is_own && inner.api_key == KAFKA_API_FIND_COORDINATOR)
        answer_find_coordinator(n, socket, header.correlation_id, &inner);
    else
        keep_call(n, socket, header.correlation_id, envelope.request_data);
}

static void close_way(struct world_node *n, struct world_way *way)
{
    for (unsigned i = 0; i < n->call_count; i++)
        if (n->calls[i].way == way->socket)
            n->calls[i].way = -1;
    close(way->socket);
    way->socket = -1;
    frame_input_close(&way->input);
}

static void take_connections(struct world_node *n)
{
    for (int i = 0; i < WORLD_WAYS_MAX && !n->is_deaf; i++) {
        if (n->ways[i].socket >= 0)
            continue;
        n->ways[i].socket = accept4(n->listener, NULL, NULL, SOCK_CLOEXEC);
        n->ways[i].input = (struct frame_input){.frame_bytes_max = FRAME_BYTES_MAX};
        if (n->ways[i].socket < 0)
            return;
        send_at_once(n->ways[i].socket);
    }
}

static void step_node(struct world_node *n)
{
    take_connections(n);
    for (int i = 0; i < WORLD_WAYS_MAX; i++) {
        struct world_way *way = &n->ways[i];
        struct slice frame;
        if (way->socket < 0)
            continue;
        bool is_open = receive(way->socket, &way->input);
        while (frame_input_next(&way->input, &frame) > 0)
            take_envelope(n, way->socket, frame.bytes);
        if (!is_open)
            close_way(n, way);
    }
}

struct world_node *world_node(struct world *w, int32_t id)
{
    return &w->nodes[id - 1];
}

struct world_call *world_call(struct world *w, int32_t id, unsigned n)
{
    world_settle(w);
    cr_assert_lt(n, world_node(w, id)->call_count, "the request did not come to the node");
    return &world_node(w, id)->calls[n];
}

void world_node_answer(struct world *w, int32_t id, unsigned n, const void *message)
{
    struct world_call *call = world_call(w, id, n);
    cr_assert(!call->is_answered && call->way >= 0);
    call->is_answered = true;
    answer_message(world_node(w, id), call->way, call->number, &call->header, message);
    world_settle(w);
}

static void answer_bytes(struct world *w, int32_t id, unsigned n, struct bytes inner)
{
    struct world_call *call = world_call(w, id, n);
    cr_assert(!call->is_answered && call->way >= 0);
    call->is_answered = true;
    answer_envelope(world_node(w, id), call->way, call->number, inner);
    world_settle(w);
}

void world_node_answer_nothing(struct world *w, int32_t id, unsigned n)
{
    answer_bytes(w, id, n, bytes_of(NULL, 0));
}

void world_node_answer_garbage(struct world *w, int32_t id, unsigned n)
{
    uint8_t inner[12];
    memset(inner, 0x7f, sizeof inner); /* so many of whatever is counted first */
    uint32_t number = htonl((uint32_t)world_call(w, id, n)->header.correlation_id);
    memcpy(inner, &number, sizeof number);
    answer_bytes(w, id, n, bytes_of(inner, sizeof inner));
}

void world_cut(struct world *w, int32_t id)
{
    struct world_node *n = world_node(w, id);
    for (int i = 0; i < WORLD_WAYS_MAX; i++)
        if (n->ways[i].socket >= 0)
            close_way(n, &n->ways[i]);
    world_settle(w);
}

/* A listener whose queue is full drops what comes. */
void world_lose_connects(struct world *w, int32_t id, bool are_lost)
{
    struct world_node *n = world_node(w, id);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(n->port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    n->is_deaf = are_lost;
    cr_assert_eq(listen(n->listener, are_lost ? 0 : WORLD_WAYS_MAX), 0);
    if (are_lost) {
        n->filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(n->filler, (struct sockaddr *)&at, sizeof at), 0);
    } else {
        close(n->filler);
    }
    world_settle(w);
}

/* ---- the world ---- */

void world_settle(struct world *w)
{
    for (int turn = 0; turn < SETTLE_TURNS; turn++) {
        uv_run(shard_loop(w->shard.shard), UV_RUN_NOWAIT);
        for (int i = 0; i < WORLD_NODES; i++)
            step_node(&w->nodes[i]);
    }
}

static void tick(struct world *w)
{
    router_shard_tick(&w->shard);
    world_settle(w);
}

void world_pass_ms(struct world *w, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 20) {
        fake_clock_advance_ms(&w->clock, 20);
        tick(w);
    }
}

static void read_settings(struct world *w, const char *more)
{
    char text[4096];
    struct err_note note = {0};
    int size = snprintf(text, sizeof text,
                        "router_id: 1000001\nsite: a\nlisten: 127.0.0.1:9192\nnodes:\n"
                        "  - \"127.0.0.1:%u\"\n  - \"127.0.0.1:%u\"\n  - \"127.0.0.1:%u\"\n%s",
                        w->nodes[0].port, w->nodes[1].port, w->nodes[2].port, more);
    cr_assert_eq(router_conf_parse(bytes_of(text, (size_t)size), "test", &w->settings, &note), 0,
                 "%s", note.text);
}

static void open_nodes(struct world *w)
{
    for (int i = 0; i < WORLD_NODES; i++) {
        struct world_node *n = &w->nodes[i];
        *n = (struct world_node){.world = w, .id = i + 1};
        n->listener = listen_somewhere(&n->port);
        for (int k = 0; k < WORLD_WAYS_MAX; k++)
            n->ways[k].socket = -1;
    }
}

void world_open(struct world *w)
{
    world_open_with(w, "");
}

void world_open_with(struct world *w, const char *settings)
{
    uint16_t port;
    memset(w, 0, sizeof *w);
    open_nodes(w);
    read_settings(w, settings);
    fake_clock_init(&w->clock);
    w->listener = listen_somewhere(&port);
    w->coordinator = 1;
    for (int i = 0; i < WORLD_PARTITIONS; i++)
        w->leaders[i] = i % WORLD_NODES + 1;
    w->shard.settings = &w->settings;
    w->shard.clock = w->clock.seam;
    w->shard.router_id = 7;
    w->shard.shard_count = 1;
    w->shard.shard = shard_create(0);
    board_init(&w->shard.board);
    node_pool_take_settings(&w->shard);
    peers_take_settings(&w->shard);
    backlogs_take_settings(&w->shard);
    shard_on_turn(w->shard.shard, client_turn, &w->shard);
    world_pass_ms(w, 60);
    cluster_map_leader(&w->shard, kafka_string_of("t"), 0);
    world_pass_ms(w, 60);
    cr_assert_eq(cluster_map_leader(&w->shard, kafka_string_of("t"), 0), 1);
}

static void free_node(struct world_node *n)
{
    for (unsigned i = 0; i < n->call_count; i++) {
        kafka_arena_close(&n->calls[i].arena);
        free(n->calls[i].frame);
    }
    for (int i = 0; i < WORLD_WAYS_MAX; i++)
        if (n->ways[i].socket >= 0)
            close_way(n, &n->ways[i]);
    close(n->listener);
}

void world_close(struct world *w)
{
    w->shard.is_stopping = true;
    client_close_all(&w->shard);
    node_pool_close(&w->shard);
    peers_close(&w->shard);
    cluster_map_stop(&w->shard);
    client_turn(&w->shard);
    world_settle(w);
    cr_assert_eq(w->shard.client_count, 0, "something still refers to a client");
    cr_assert_eq(w->shard.held_bytes, 0);
    cr_assert(node_pool_is_closed(&w->shard));
    cr_assert_eq(w->shard.peers.count, 0);
    shard_destroy(w->shard.shard);
    cluster_map_close(&w->shard);
    backlogs_close(&w->shard);
    node_pool_free(&w->shard);
    for (int i = 0; i < WORLD_NODES; i++)
        free_node(&w->nodes[i]);
    close(w->listener);
}

/* ---- clients ---- */

void world_connect(struct world *w, struct world_client *c)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    *c = (struct world_client){.world = w, .input = {.frame_bytes_max = FRAME_BYTES_MAX}};
    c->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(getsockname(w->listener, (struct sockaddr *)&at, &size), 0);
    cr_assert_eq(connect(c->socket, (struct sockaddr *)&at, size), 0);
    send_at_once(c->socket);
    int accepted = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    cr_assert_geq(accepted, 0);
    client_accept(&w->shard, accepted, &(struct client_address){0});
}

static void forget_answer(struct world_client *c)
{
    slice_unref(&c->frame);
    kafka_arena_close(&c->arena);
    c->arena = (struct kafka_arena){0};
}

void world_disconnect(struct world_client *c)
{
    forget_answer(c);
    frame_input_close(&c->input);
    close(c->socket);
    world_settle(c->world);
}

void world_send(struct world_client *c, enum kafka_api_key api, int16_t version,
                const void *message)
{
    struct kafka_request_header header = {
        .api = kafka_api_find((int16_t)api),
        .api_key = (int16_t)api,
        .api_version = version,
        .correlation_id = ++c->number,
        .client_id = kafka_string_of(c->id != NULL ? c->id : "test")};
    struct kafka_writer w;
    kafka_writer_init(&w, FRAME_BYTES_MAX);
    kafka_request_header_encode(&w, &header);
    cr_assert_eq(header.api->request.encode(&w, version, message), 0);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    write_all(c->socket, &w);
    kafka_writer_close(&w);
    world_settle(c->world);
}

const void *world_answer(struct world_client *c, enum kafka_api_key key, int16_t version)
{
    const struct kafka_api *api = kafka_api_find((int16_t)key);
    struct slice frame;
    int32_t number;
    world_settle(c->world);
    receive(c->socket, &c->input);
    if (frame_input_next(&c->input, &frame) <= 0)
        return NULL;
    forget_answer(c);
    c->frame = slice_ref(frame);
    struct kafka_reader r = kafka_reader_of(c->frame.bytes);
    cr_assert_eq(kafka_response_header_decode(&r, api, version, &number), 0);
    kafka_arena_init(&c->arena, FRAME_BYTES_MAX);
    void *message = kafka_arena_allocate(&c->arena, api->response.size);
    cr_assert_eq(api->response.decode(&r, version, &c->arena, message), 0);
    return message;
}

bool world_is_ended(struct world_client *c)
{
    world_settle(c->world);
    return !receive(c->socket, &c->input);
}
