/* A few sockets that connect at once, begun one after the other.
 *
 * A name often has an address that leads nowhere, such as IPv6 where only IPv4 is routed: it must
 * not have all the time (as RFC 8305 has it for whoever looks at pages). */
#include "site_connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define STEP_MS   100
#define TRIES_MAX 8 /* at once */

struct race {
    struct pollfd tries[TRIES_MAX];
    unsigned count;
    int err; /* of the last one that failed */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin(struct race *r, const struct addrinfo *a)
{
    int s = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (s >= 0)
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (s >= 0 && (connect(s, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS)) {
        r->tries[r->count++] = (struct pollfd){.fd = s, .events = POLLOUT};
        return;
    }
    r->err = -errno;
    if (s >= 0)
        close(s);
}

/* The socket that is connected, which is the race's no more; -1: none yet. Those that failed go. */
static int find_winner(struct race *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        int s = r->tries[i].fd, err = 0;
        socklen_t size = sizeof err;
        if (r->tries[i].revents == 0)
            continue;
        if (getsockopt(s, SOL_SOCKET, SO_ERROR, &err, &size) != 0)
            err = errno;
        r->tries[i--] = r->tries[--r->count];
        if (err == 0)
            return s;
        r->err = -err;
        close(s);
    }
    return -1;
}

/* Until one of them is connected or fails, or the time is over. */
static int wait_for_winner(struct race *r, int64_t until_ms)
{
    int64_t left_ms = until_ms - now_ms();
    int ready = poll(r->tries, r->count, left_ms > 0 ? (int)left_ms : 0);
    return ready > 0 ? find_winner(r) : -1;
}

int site_connect(const struct addrinfo *next, int timeout_ms, int *connected)
{
    struct race r = {.err = UV_EAI_NONAME};
    int64_t end_ms = now_ms() + timeout_ms;
    int winner = -1;
    bool has_time = true;
    while (winner < 0 && has_time && (next != NULL || r.count > 0)) {
        bool is_room = next != NULL && r.count < TRIES_MAX;
        if (is_room) {
            begin(&r, next);
            next = next->ai_next;
        }
        int64_t step_end_ms = now_ms() + STEP_MS;
        if (r.count > 0)
            winner = wait_for_winner(&r,
                                     next != NULL && step_end_ms < end_ms ? step_end_ms : end_ms);
        has_time = now_ms() < end_ms;
    }
    for (unsigned i = 0; i < r.count; i++)
        close(r.tries[i].fd);
    *connected = winner;
    return winner >= 0 ? 0 : r.count > 0 ? UV_ETIMEDOUT : r.err;
}
