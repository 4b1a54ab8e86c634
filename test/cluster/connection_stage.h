/* Client connections of one shard whose loop the test turns by hand, and their far ends. */
#ifndef TEST_CLUSTER_CONNECTION_STAGE_H
#define TEST_CLUSTER_CONNECTION_STAGE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../cluster/server/connection.h"
#include "fake/fake_clock.h"

struct connection_stage {
    struct broker broker;
    struct client_shard clients;
    struct fake_clock clock;
};

static inline void stage_turn(struct connection_stage *s)
{
    for (int i = 0; i < 4; i++) { /* what one turn's callbacks begin, the next one ends */
        uv_run(shard_loop(s->clients.shard), UV_RUN_NOWAIT);
        client_shard_turn(&s->clients);
    }
}

static inline void stage_pass_ms(struct connection_stage *s, uint64_t ms)
{
    fake_clock_advance_ms(&s->clock, ms);
    client_shard_tick(&s->clients);
    stage_turn(s);
}

static inline void stage_open(struct connection_stage *s)
{
    *s = (struct connection_stage){0};
    fake_clock_init(&s->clock);
    conf_init(&s->broker.conf);
    s->broker.conf.memory_bytes_max = CONF_MIB;
    s->broker.clock = s->clock.seam;
    s->broker.client_count = client_count_create(100, 100);
    s->broker.shard_count = 1;
    s->broker.shards[0] = shard_create(0);
    s->clients.broker = &s->broker;
    s->clients.shard = s->broker.shards[0];
    s->clients.ticked_slot = clock_now_ms(&s->broker.clock) / DEADLINE_SLOT_MS;
}

static inline void stage_close(struct connection_stage *s)
{
    client_shard_close_all(&s->clients);
    stage_turn(s);
    cr_assert_null(s->clients.connections);
    cr_assert_eq(atomic_load(&s->broker.request_bytes), 0, "all memory was given back");
    cr_assert_eq(atomic_load(&s->broker.answer_bytes), 0);
    client_count_destroy(s->broker.client_count);
    shard_destroy(s->clients.shard);
}

/* A connected client; its end of the socket. */
static inline int stage_connect(struct connection_stage *s)
{
    int ends[2];
    struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
    struct client_address address = client_address_of(&from);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    cr_assert_eq(client_count_add(s->broker.client_count, &address), 0);
    client_shard_accept(&s->clients, ends[0], &address, 1);
    return ends[1];
}

/* Sends as many bytes as the node takes now; returns how many. */
static inline size_t stage_send(struct connection_stage *s, int end, const void *data, size_t size)
{
    size_t sent = 0;
    for (int idle = 0; sent < size && idle < 4;) {
        ssize_t count = send(end, (const uint8_t *)data + sent, size - sent, MSG_NOSIGNAL);
        idle = count > 0 ? 0 : idle + 1;
        sent += count > 0 ? (size_t)count : 0;
        stage_turn(s);
    }
    return sent;
}

/* The beginning of a frame that says it has `size` bytes. */
static inline void stage_begin_frame(struct connection_stage *s, int end, uint32_t size)
{
    uint8_t head[4];
    bytes_put_be32(head, size);
    cr_assert_eq(stage_send(s, end, head, sizeof head), sizeof head);
}

/* An ApiVersions request of version 0. */
static inline void stage_ask(struct connection_stage *s, int end)
{
    static const uint8_t request[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff};
    cr_assert_eq(stage_send(s, end, request, sizeof request), sizeof request);
}

static inline bool stage_has_answer(struct connection_stage *s, int end)
{
    uint8_t answer[4096];
    stage_turn(s);
    return recv(end, answer, sizeof answer, 0) > 8 && answer[7] == 7;
}

static inline bool stage_is_closed(struct connection_stage *s, int end)
{
    uint8_t byte;
    stage_turn(s);
    return recv(end, &byte, 1, 0) == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

#endif
