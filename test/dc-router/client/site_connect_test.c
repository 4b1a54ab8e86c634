/* Names with several addresses, of which some lead nowhere. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "site_connect.h"

#define WAIT_MS   60000
#define QUEUE_MAX 8

struct place {
    int listener;
    int waiting[QUEUE_MAX]; /* what fills its queue */
    int waiting_count;
    struct sockaddr_in at;
    struct addrinfo info;
};

static void open_place(struct place *p)
{
    socklen_t size = sizeof p->at;
    *p = (struct place){.at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(p->listener, (struct sockaddr *)&p->at, size), 0);
    cr_assert_eq(getsockname(p->listener, (struct sockaddr *)&p->at, &size), 0);
    p->info = (struct addrinfo){
        .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&p->at, .ai_addrlen = size};
}

static void close_place(struct place *p)
{
    for (int i = 0; i < p->waiting_count; i++)
        close(p->waiting[i]);
    close(p->listener);
}

/* Whoever connects now waits: the queue is full, and nobody takes from it. */
static void hang(struct place *p)
{
    cr_assert_eq(listen(p->listener, 0), 0);
    bool is_full = false;
    while (!is_full) {
        cr_assert_lt(p->waiting_count, QUEUE_MAX);
        int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct pollfd one = {.fd = s, .events = POLLOUT};
        p->waiting[p->waiting_count++] = s;
        cr_assert(connect(s, p->info.ai_addr, p->info.ai_addrlen) == 0 || errno == EINPROGRESS);
        is_full = poll(&one, 1, 500) == 0;
    }
}

static void assert_is_at(int socket, const struct place *p)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    cr_assert_eq(getpeername(socket, (struct sockaddr *)&at, &size), 0);
    cr_assert_eq(at.sin_port, p->at.sin_port);
    close(socket);
}

Test(client_site_connect, goes_on_to_the_next_address_while_one_hangs, .timeout = 120)
{
    struct place hung, well;
    open_place(&hung);
    open_place(&well);
    hang(&hung);
    cr_assert_eq(listen(well.listener, 1), 0);
    hung.info.ai_next = &well.info;
    int s;
    cr_assert_eq(site_connect(&hung.info, WAIT_MS, &s), 0);
    assert_is_at(s, &well);
    close_place(&hung);
    close_place(&well);
}

Test(client_site_connect, takes_the_first_address_that_answers_and_leaves_out_who_refuses)
{
    struct place closed, first, second;
    open_place(&closed); /* nobody listens */
    open_place(&first);
    open_place(&second);
    cr_assert_eq(listen(first.listener, 1), 0);
    cr_assert_eq(listen(second.listener, 1), 0);
    closed.info.ai_next = &first.info;
    first.info.ai_next = &second.info;
    int s;
    cr_assert_eq(site_connect(&closed.info, WAIT_MS, &s), 0);
    assert_is_at(s, &first);
    close_place(&closed);
    close_place(&first);
    close_place(&second);
}

Test(client_site_connect, says_why_there_is_no_connection)
{
    struct place closed, hung;
    open_place(&closed);
    open_place(&hung);
    int s;
    cr_assert_eq(site_connect(&closed.info, WAIT_MS, &s), -ECONNREFUSED);
    cr_assert_eq(s, -1);
    hang(&hung);
    cr_assert_eq(site_connect(&hung.info, 50, &s), UV_ETIMEDOUT);
    close_place(&closed);
    close_place(&hung);
}
