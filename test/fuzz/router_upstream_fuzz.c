/* A node's bytes at a router that waits for answers: each call comes back once, with an answer that
 * is read or refused, or when the connection ends. */
#include <arpa/inet.h>
#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "fake/quiet.h"
#include "router/own_request.h"

#define FRAME_BYTES_MAX 65536
#define CALLS           6
#define TURNS           6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum kafka_api_key key;
    int16_t version;
} asked[CALLS] = {
    {KAFKA_API_PRODUCE, 9},     {KAFKA_API_FETCH, 11},       {KAFKA_API_METADATA, 9},
    {KAFKA_API_LIST_GROUPS, 3}, {KAFKA_API_LIST_OFFSETS, 5}, {KAFKA_API_FIND_COORDINATOR, 3},
};
static unsigned back[CALLS], ended;

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    size_t i = (size_t)((const unsigned *)call->data - back);
    struct own_answer own;
    back[i]++;
    if (status == 0 && answer.bytes.size > 0 &&
        own_answer_read(&own, asked[i].key, asked[i].version, answer) == 0)
        own_answer_close(&own);
}

static void on_end(void *data, struct upstream *u)
{
    (void)data;
    (void)u;
    ended++;
}

static void send_calls(struct upstream *u, struct upstream_call calls[CALLS])
{
    static const uint8_t nobody[4], anything[] = "a request";
    struct slice frame = {.bytes = bytes_of(anything, sizeof anything)};
    struct kafka_slices inner = {.items = &frame, .count = 1};
    struct kafka_envelope_client client = {
        .address = bytes_of(nobody, sizeof nobody), .router_id = 7, .number = 1};
    for (unsigned i = 0; i < CALLS; i++) {
        back[i] = 0;
        calls[i].data = &back[i];
        int err = upstream_send(u, &calls[i], &client, inner, 0, on_back);
        assert(err == 0);
    }
}

static int listen_somewhere(struct sockaddr_in *at)
{
    socklen_t size = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int err = bind(listener, (struct sockaddr *)at, size);
    assert(err == 0 && listen(listener, 1) == 0);
    err = getsockname(listener, (struct sockaddr *)at, &size);
    assert(err == 0);
    return listener;
}

static void run(uv_loop_t *loop)
{
    for (int i = 0; i < TURNS; i++)
        uv_run(loop, UV_RUN_NOWAIT);
}

/* The node says this, whatever it was asked. */
static void say(int listener, uv_loop_t *loop, const uint8_t *data, size_t size)
{
    struct linger at_once = {.l_onoff = 1};
    int node = accept(listener, NULL, NULL);
    assert(node >= 0);
    setsockopt(node, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    run(loop);
    while (size > 0) {
        ssize_t sent = send(node, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        run(loop);
        if (sent <= 0)
            break;
        data += sent;
        size -= (size_t)sent;
    }
    close(node);
    run(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uv_loop_t loop;
    static struct node_moment moment;
    struct upstream_call calls[CALLS];
    struct sockaddr_in at;
    uv_loop_init(&loop);
    be_quiet();
    ended = 0;
    int listener = listen_somewhere(&at);
    struct upstream_options options = {.loop = &loop,
                                       .address = (const struct sockaddr *)&at,
                                       .frame_bytes_max = FRAME_BYTES_MAX,
                                       .moment = &moment,
                                       .on_end = on_end};
    struct upstream *u = upstream_open(&options);
    assert(u != NULL);
    send_calls(u, calls);
    say(listener, &loop, data, size);
    if (ended == 0)
        upstream_close(u);
    run(&loop);
    close(listener);
    assert(ended == 1);
    for (unsigned i = 0; i < CALLS; i++)
        assert(back[i] == 1);
    int err = uv_loop_close(&loop);
    assert(err == 0 && buffer_total_bytes() == 0);
    return 0;
}
