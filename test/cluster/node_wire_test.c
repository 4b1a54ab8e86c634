#include "node_wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "broker.h"
#include "protocol/messages.h"

#define ANSWER_SIZE 10 /* of a Heartbeat's, version 0: size, correlation id, error code */

/* ---- a name with several addresses, all but the last of which refuse ---- */

static in_port_t refusing_port; /* network order; 0: names have what they have */
static uv_getaddrinfo_cb on_resolved;

static void on_resolved_to_many(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    for (struct addrinfo *at = found; at != NULL && at->ai_next != NULL; at = at->ai_next)
        ((struct sockaddr_in *)(void *)at->ai_addr)->sin_port = refusing_port;
    on_resolved(resolve, status, found);
}

/* In the place of libuv's. Without hints there is one for each type of socket. */
int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *resolve, uv_getaddrinfo_cb cb,
                   const char *node, const char *service, const struct addrinfo *hints)
{
    int (*real)(uv_loop_t *, uv_getaddrinfo_t *, uv_getaddrinfo_cb, const char *, const char *,
                const struct addrinfo *);
    *(void **)&real = dlsym(RTLD_NEXT, "uv_getaddrinfo");
    if (refusing_port == 0)
        return real(loop, resolve, cb, node, service, hints);
    on_resolved = cb;
    return real(loop, resolve, on_resolved_to_many, node, service, NULL);
}

static int open_refusing_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int taken = socket(AF_INET, SOCK_STREAM, 0); /* and does not listen */
    cr_assert_eq(bind(taken, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(getsockname(taken, (struct sockaddr *)&address, &size), 0);
    refusing_port = address.sin_port;
    return taken;
}

/* ---- far and near ---- */

/* A node that asks itself: the test is at the far end. */
struct world {
    struct broker broker;
    uv_loop_t loop;
    struct node_wire *wire;
    int listening, far;
    unsigned connected, answered, broken;
    int16_t error_code; /* of the newest answer */
};

static void on_connected(void *data)
{
    ((struct world *)data)->connected++;
}

static void on_answered(void *data, enum kafka_api_key api, const void *answer)
{
    struct world *w = data;
    cr_assert_eq(api, KAFKA_API_HEARTBEAT);
    w->answered++;
    w->error_code = ((const struct kafka_heartbeat_response *)answer)->error_code;
}

static void on_broke(void *data)
{
    ((struct world *)data)->broken++;
}

TestSuite(node_wire, .timeout = 60); /* what is awaited and does not come ends a test */

static const struct node_wire_user user = {.request_bytes_max = 1000,
                                           .answer_bytes_max = 1000,
                                           .connected = on_connected,
                                           .answered = on_answered,
                                           .broke = on_broke};

static void begin(struct world *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    *w = (struct world){.far = -1};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->listening = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(w->listening, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(w->listening, 1), 0);
    cr_assert_eq(getsockname(w->listening, (struct sockaddr *)&address, &size), 0);
    conf_init(&w->broker.conf);
    w->broker.conf.node_id = 1;
    strcpy(w->broker.conf.listen.host, "0.0.0.0");
    w->broker.conf.listen.port = ntohs(address.sin_port);
    uv_loop_init(&w->loop);
    cr_assert_eq(node_wire_open(&w->broker, 1, &w->loop, &user, w, &w->wire), 0);
}

static void end(struct world *w)
{
    if (w->broken == 0)
        node_wire_close(w->wire);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&w->loop), 0, "all of it is gone");
    close(w->listening);
    close(w->far);
}

static int ask(struct world *w, const char *member)
{
    struct kafka_heartbeat_request message;
    kafka_heartbeat_request_init(&message);
    message.group_id = kafka_string_of("group");
    message.member_id = kafka_string_of(member);
    return node_wire_ask(w->wire, "asker", KAFKA_API_HEARTBEAT, 0, &message);
}

static void run_until(struct world *w, const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static void connect_and_accept(struct world *w)
{
    run_until(w, &w->connected, 1);
    w->far = accept(w->listening, NULL, NULL);
    cr_assert_geq(w->far, 0);
}

/* The correlation id of the request that has come to the far end. */
static uint32_t take_request(struct world *w)
{
    uint8_t frame[1000];
    cr_assert_eq(recv(w->far, frame, 4, MSG_WAITALL), 4);
    uint32_t size = bytes_get_be32(frame);
    cr_assert_lt(size, sizeof frame);
    cr_assert_eq(recv(w->far, frame, size, MSG_WAITALL), (ssize_t)size);
    cr_assert_eq(frame[1], KAFKA_API_HEARTBEAT);
    cr_assert_eq(memcmp(frame + 8, "\0\5asker", 7), 0);
    return bytes_get_be32(frame + 4);
}

static void give_answer(struct world *w, uint32_t correlation_id, uint8_t error_code)
{
    uint8_t frame[ANSWER_SIZE];
    bytes_put_be32(frame, ANSWER_SIZE - 4);
    bytes_put_be32(frame + 4, correlation_id);
    frame[8] = 0;
    frame[9] = error_code;
    for (size_t i = 0; i < sizeof frame; i++)
        cr_assert_eq(send(w->far, frame + i, 1, 0), 1);
}

Test(node_wire, takes_one_question_after_another)
{
    struct world w;
    begin(&w);
    connect_and_accept(&w);
    for (uint8_t i = 1; i <= 3; i++) {
        cr_assert_eq(ask(&w, "member"), 0);
        cr_assert_eq(ask(&w, "member"), ERR_BUSY, "one at a time");
        give_answer(&w, take_request(&w), i);
        run_until(&w, &w.answered, i);
        cr_assert_eq(w.error_code, i);
    }
    cr_assert_eq(w.broken, 0);
    end(&w);
}

Test(node_wire, sends_what_was_asked_before_it_was_connected_once)
{
    struct world w;
    begin(&w);
    cr_assert_eq(ask(&w, "member"), 0);
    connect_and_accept(&w);
    uint32_t first = take_request(&w);
    give_answer(&w, first, 7);
    run_until(&w, &w.answered, 1);
    cr_assert_eq(w.error_code, 7);
    cr_assert_eq(ask(&w, "member"), 0);
    cr_assert_eq(take_request(&w), first + 1, "the next request is another one");
    end(&w);
}

Test(node_wire, goes_on_to_the_next_address_of_a_name_when_one_refuses)
{
    struct world w;
    int taken = open_refusing_port();
    begin(&w);
    cr_assert_eq(ask(&w, "member"), 0);
    connect_and_accept(&w);
    give_answer(&w, take_request(&w), 7);
    run_until(&w, &w.answered, 1);
    cr_assert_eq(w.connected, 1);
    cr_assert_eq(w.broken, 0);
    end(&w);
    close(taken);
}

Test(node_wire, breaks_once_when_all_addresses_refuse)
{
    struct world w;
    int taken = open_refusing_port();
    begin(&w);
    close(w.listening);
    w.listening = -1;
    run_until(&w, &w.broken, 1);
    end(&w);
    cr_assert_eq(w.connected, 0);
    cr_assert_eq(w.broken, 1);
    close(taken);
}

Test(node_wire, is_quiet_when_it_is_closed_between_two_addresses)
{
    for (unsigned turns = 1; turns < 8; turns++) {
        struct world w;
        int taken = open_refusing_port();
        begin(&w);
        for (unsigned i = 0; i < turns && w.connected == 0; i++)
            uv_run(&w.loop, UV_RUN_ONCE);
        unsigned connected = w.connected;
        end(&w);
        cr_assert_eq(w.connected, connected);
        cr_assert_eq(w.broken, 0);
        close(taken);
    }
}

Test(node_wire, refuses_a_question_that_is_too_large_and_takes_the_next)
{
    struct world w;
    char large[1001];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    begin(&w);
    connect_and_accept(&w);
    cr_assert_eq(ask(&w, large), ERR_TOO_LARGE);
    cr_assert_eq(ask(&w, "member"), 0);
    give_answer(&w, take_request(&w), 0);
    run_until(&w, &w.answered, 1);
    end(&w);
}

Test(node_wire, breaks_at_an_answer_to_another_question)
{
    struct world w;
    begin(&w);
    connect_and_accept(&w);
    cr_assert_eq(ask(&w, "member"), 0);
    give_answer(&w, take_request(&w) + 1, 0);
    run_until(&w, &w.broken, 1);
    cr_assert_eq(w.answered, 0);
    end(&w);
}

Test(node_wire, breaks_at_an_answer_that_nobody_asked_for)
{
    struct world w;
    begin(&w);
    connect_and_accept(&w);
    give_answer(&w, 1, 0);
    run_until(&w, &w.broken, 1);
    end(&w);
}

Test(node_wire, breaks_at_an_answer_beyond_its_bound_before_it_has_come)
{
    static const uint8_t size[4] = {0, 0, 1001 >> 8, 1001 & 255};
    struct world w;
    begin(&w);
    connect_and_accept(&w);
    cr_assert_eq(ask(&w, "member"), 0);
    take_request(&w);
    cr_assert_eq(send(w.far, size, sizeof size, 0), sizeof size);
    run_until(&w, &w.broken, 1);
    end(&w);
}

Test(node_wire, breaks_when_the_far_end_closes)
{
    struct world w;
    begin(&w);
    connect_and_accept(&w);
    cr_assert_eq(ask(&w, "member"), 0);
    take_request(&w);
    shutdown(w.far, SHUT_WR);
    run_until(&w, &w.broken, 1);
    end(&w);
}

Test(node_wire, is_quiet_once_it_is_closed_whatever_it_was_at)
{
    struct world w;
    begin(&w); /* resolving */
    cr_assert_eq(ask(&w, "member"), 0);
    end(&w);
    cr_assert_eq(w.connected + w.broken, 0);
    begin(&w);
    connect_and_accept(&w);
    cr_assert_eq(ask(&w, "member"), 0);
    give_answer(&w, take_request(&w), 0); /* and is not read */
    end(&w);
    cr_assert_eq(w.answered + w.broken, 0);
}
