/* The operator's port, over loopback. */
#include "base/http_port.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define CROWD      50   /* connections that make it hurry */
#define HURRIED_MS 2000 /* ... whom it waits for no longer */
#define TICK_MS    250  /* as its own */

/* A port whose only call is answered by a timer that is due together with the port's own. */
struct world {
    struct shard *shard;
    struct http_port *port;
    struct sockaddr_in address;
    struct clock clock;
    uv_timer_t timer;
    struct http_call *call;
    uint64_t since_ms; /* its */
    sem_t is_called;
};

/* There is nothing but the root. */
static struct http_route find(void *data, const char *method, const char *path)
{
    (void)data;
    return (struct http_route){.method = path[1] == '\0' ? method : NULL, .flags = HTTP_OPEN};
}

static void keep(struct http_call *call)
{
    struct world *w = http_port_data(call->port);
    w->call = call;
    w->since_ms = clock_now_ms(&w->clock);
    sem_post(&w->is_called);
}

static void forget(struct http_call *call)
{
    ((struct world *)http_port_data(call->port))->call = NULL;
}

static void on_timer(uv_timer_t *timer)
{
    struct world *w = timer->data;
    if (w->call == NULL || clock_now_ms(&w->clock) - w->since_ms <= HURRIED_MS)
        return;
    http_answer_text(w->call, 200, "text/plain", strdup("late"), 4);
    w->call = NULL;
}

static void begin(struct world *w)
{
    struct err_note note = {0};
    socklen_t size = sizeof w->address;
    *w = (struct world){.clock = clock_system(), .shard = shard_create(1)};
    int listens = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    w->address = (struct sockaddr_in){.sin_family = AF_INET};
    w->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(listens, (struct sockaddr *)&w->address, size), 0);
    cr_assert_eq(listen(listens, CROWD), 0);
    cr_assert_eq(getsockname(listens, (struct sockaddr *)&w->address, &size), 0);
    sem_init(&w->is_called, 0, 0);
    w->timer.data = w;
    uv_timer_init(shard_loop(w->shard), &w->timer);
    uv_timer_start(&w->timer, on_timer, TICK_MS, TICK_MS);
    struct http_port_options options = {.shard = w->shard,
                                        .descriptor = listens,
                                        .is_loopback = true,
                                        .listen_host = "localhost",
                                        .token_file = "",
                                        .data = w,
                                        .find = find,
                                        .handle = keep,
                                        .abandon = forget};
    cr_assert_eq(http_port_open(&options, &w->port, &note), 0, "%s", note.text);
    cr_assert_eq(shard_start(w->shard), 0);
}

static void on_end(struct work_item *item)
{
    struct world *w = item->data;
    uv_close((uv_handle_t *)&w->timer, NULL);
    http_port_close(w->port);
}

static void end(struct world *w)
{
    struct work_item item = {.data = w};
    shard_post(w->shard, &item, on_end);
    shard_stop(w->shard);
    shard_destroy(w->shard);
    http_port_destroy(w->port);
    sem_destroy(&w->is_called);
}

static int connect_to(const struct world *w)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(client, (const struct sockaddr *)&w->address, sizeof w->address), 0);
    return client;
}

Test(http_port, gives_an_answer_that_took_long_its_time_to_be_taken, .timeout = 60)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct world w;
    char answer[13] = "";
    int crowd[CROWD];
    begin(&w);
    int client = connect_to(&w);
    cr_assert_eq(send(client, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
    sem_wait(&w.is_called);
    for (unsigned i = 0; i < CROWD; i++)
        crowd[i] = connect_to(&w);
    cr_assert_eq(recv(client, answer, sizeof answer - 1, MSG_WAITALL), (ssize_t)sizeof answer - 1);
    cr_assert_str_eq(answer, "HTTP/1.1 200");
    for (unsigned i = 0; i < CROWD; i++)
        close(crowd[i]);
    close(client);
    end(&w);
}

Test(http_port, tells_why_it_refuses_also_where_that_is_cut_within_a_character, .timeout = 60)
{
    struct world w;
    char request[1024] = "GET /xy", answer[2048] = "";
    for (unsigned i = 0; i < 60; i++)
        strcat(request, "%C3%A9"); /* the message has the first 100 bytes of the path */
    strcat(request, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    begin(&w);
    int client = connect_to(&w);
    cr_assert_eq(send(client, request, strlen(request), 0), (ssize_t)strlen(request));
    cr_assert_gt(recv(client, answer, sizeof answer - 1, MSG_WAITALL), 0);
    cr_assert_not_null(strstr(answer, "HTTP/1.1 404"), "%s", answer);
    cr_assert_not_null(strstr(answer, "there is nothing at /xy??"), "%s", answer);
    close(client);
    end(&w);
}
