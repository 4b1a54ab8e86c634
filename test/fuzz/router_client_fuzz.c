/* A client's bytes at a router that reaches no node: each request is answered, or its connection
 * ends, in time or when the router ends; what is held stays in proportion to what was sent. */
#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/fake_clock.h"
#include "fake/quiet.h"
#include "router/client.h"
#include "router/router.h"
#include "router/shard.h"

#define FRAME_BYTES_MAX 65536
#define HELD_BYTES_MAX  (64u << 20) /* arenas have a limit each, buffers are counted */
#define PASSED_MS       8000        /* all but produce and fetch have given up by then */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct router_settings settings;

static void read_settings(void)
{
    static const char text[] = "router_id: 1000001\nsite: a\nlisten: 127.0.0.1:9192\n"
                               "nodes:\n  - \"127.0.0.1:1\"\n";
    int err = router_conf_parse(bytes_of(text, sizeof text - 1), "fuzz", &settings, NULL);
    assert(err == 0);
    settings.request_bytes_max = FRAME_BYTES_MAX;
    be_quiet();
}

/* The client's end; the other one is the shard's. Without ports: a run would use them all up. */
static int connect_client(struct router_shard *s)
{
    int ends[2];
    int err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends);
    assert(err == 0);
    client_accept(s, ends[0], &(struct client_address){0});
    return ends[1];
}

static void turn(struct router_shard *s)
{
    for (int i = 0; i < 4; i++)
        uv_run(shard_loop(s->shard), UV_RUN_NOWAIT);
    assert(buffer_total_bytes() < HELD_BYTES_MAX);
}

static void talk(struct router_shard *s, struct fake_clock *clock, const uint8_t *data, size_t size)
{
    static uint8_t answers[65536];
    int client = connect_client(s);
    while (size > 0) {
        ssize_t sent = send(client, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(s);
        if (sent <= 0)
            break; /* it was refused, or is not read: the rest does not count */
        data += sent;
        size -= (size_t)sent;
    }
    for (int passed_ms = 0; passed_ms < PASSED_MS; passed_ms += 400) {
        fake_clock_advance_ms(clock, 400);
        router_shard_tick(s);
        turn(s);
        while (recv(client, answers, sizeof answers, MSG_DONTWAIT) > 0)
            turn(s);
    }
    close(client);
    turn(s);
}

static void end(struct router_shard *s)
{
    s->is_stopping = true;
    client_close_all(s);
    cluster_map_stop(s);
    client_turn(s);
    turn(s);
    assert(s->client_count == 0 && s->held_bytes == 0);
    shard_destroy(s->shard);
    cluster_map_close(s);
    assert(buffer_total_bytes() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake_clock clock;
    struct router_shard s = {.settings = &settings, .router_id = 7, .shard_count = 1};
    if (settings.router_id == 0)
        read_settings();
    fake_clock_init(&clock);
    s.clock = clock.seam;
    s.shard = shard_create(0);
    board_init(&s.board);
    assert(s.shard != NULL);
    shard_on_turn(s.shard, client_turn, &s);
    talk(&s, &clock, data, size);
    end(&s);
    return 0;
}
