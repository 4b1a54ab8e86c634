/* Bytes out, bytes in, and one epoll for all connections. A member has one request under way at a
 * time, so answers need no matching. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX       256
#define INPUT_BYTES_MIN  256
#define ANSWER_BYTES_MAX (64u << 20)
#define PATIENCE_MS      60000

static int loop = -1;

void wire_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("group_load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

int64_t wire_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- what is said ---- */

void frame_put(struct frame *f, const void *data, size_t size)
{
    if (f->capacity - f->size < size) {
        f->capacity = (f->capacity + size) * 2;
        f->data = realloc(f->data, f->capacity);
        if (f->data == NULL)
            wire_fail("no memory");
    }
    if (size > 0)
        memcpy(f->data + f->size, data, size);
    f->size += size;
}

void frame_put_i8(struct frame *f, int8_t value)
{
    frame_put(f, &value, 1);
}

void frame_put_i16(struct frame *f, int16_t value)
{
    uint16_t big = htons((uint16_t)value);
    frame_put(f, &big, sizeof big);
}

void frame_put_i32(struct frame *f, int32_t value)
{
    uint32_t big = htonl((uint32_t)value);
    frame_put(f, &big, sizeof big);
}

void frame_put_i64(struct frame *f, int64_t value)
{
    frame_put_i32(f, (int32_t)(value >> 32));
    frame_put_i32(f, (int32_t)value);
}

void frame_put_text(struct frame *f, const char *text)
{
    frame_put_i16(f, text == NULL ? -1 : (int16_t)strlen(text));
    if (text != NULL)
        frame_put(f, text, strlen(text));
}

void frame_put_bytes(struct frame *f, const void *data, size_t size)
{
    frame_put_i32(f, (int32_t)size);
    frame_put(f, data, size);
}

void frame_set_i32(struct frame *f, size_t at, int32_t value)
{
    uint32_t big = htonl((uint32_t)value);
    memcpy(f->data + at, &big, sizeof big);
}

void frame_set_i64(struct frame *f, size_t at, int64_t value)
{
    frame_set_i32(f, at, (int32_t)(value >> 32));
    frame_set_i32(f, at + 4, (int32_t)value);
}

void frame_begin(struct frame *f, enum api api, int16_t version)
{
    f->size = 0;
    frame_put_i32(f, 0); /* length */
    frame_put_i16(f, (int16_t)api);
    frame_put_i16(f, version);
    frame_put_i32(f, 1); /* correlation */
    frame_put_text(f, "bench");
}

void frame_end(struct frame *f)
{
    frame_set_i32(f, 0, (int32_t)(f->size - 4));
}

/* ---- what is heard ---- */

const uint8_t *answer_take(struct answer *a, size_t size)
{
    const uint8_t *at = a->at;
    if ((size_t)(a->end - at) < size)
        wire_fail("an answer ends too soon");
    a->at += size;
    return at;
}

int16_t answer_i16(struct answer *a)
{
    const uint8_t *at = answer_take(a, 2);
    return (int16_t)(at[0] << 8 | at[1]);
}

int32_t answer_i32(struct answer *a)
{
    uint32_t big;
    memcpy(&big, answer_take(a, 4), sizeof big);
    return (int32_t)ntohl(big);
}

int64_t answer_i64(struct answer *a)
{
    uint64_t high = (uint32_t)answer_i32(a);
    return (int64_t)(high << 32 | (uint32_t)answer_i32(a));
}

void answer_text(struct answer *a, char *text, size_t size)
{
    int16_t length = answer_i16(a);
    const uint8_t *from = answer_take(a, length < 0 ? 0 : (size_t)length);
    snprintf(text, size, "%.*s", length < 0 ? 0 : length, (const char *)from);
}

struct answer answer_bytes(struct answer *a)
{
    int32_t length = answer_i32(a);
    const uint8_t *from = answer_take(a, length < 0 ? 0 : (size_t)length);
    return (struct answer){from, from + (length < 0 ? 0 : length)};
}

/* ---- connections ---- */

void connection_open(struct connection *c, const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        wire_fail("%s:%d: %s", host, port, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (loop < 0)
        loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event) != 0)
        wire_fail("epoll: %s", strerror(errno));
}

void connection_close(struct connection *c)
{
    close(c->fd);
    free(c->input);
    *c = (struct connection){.fd = -1};
}

void connection_send(struct connection *c, const struct frame *f)
{
    for (size_t sent = 0; sent < f->size;) {
        ssize_t n = send(c->fd, f->data + sent, f->size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd room = {.fd = c->fd, .events = POLLOUT};
        if (n >= 0)
            sent += (size_t)n;
        else if (errno != EAGAIN || poll(&room, 1, PATIENCE_MS) != 1)
            wire_fail("sending: %s", strerror(errno));
    }
}

static void receive(struct connection *c, int flags)
{
    if (c->input_capacity - c->input_size < INPUT_BYTES_MIN) {
        c->input_capacity = c->input_capacity * 2 + INPUT_BYTES_MIN;
        c->input = realloc(c->input, c->input_capacity);
        if (c->input == NULL)
            wire_fail("no memory");
    }
    ssize_t n = recv(c->fd, c->input + c->input_size, c->input_capacity - c->input_size, flags);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        wire_fail("a connection was closed");
    if (n > 0)
        c->input_size += (size_t)n;
}

/* True when a whole one is there. */
static bool find_answer(const struct connection *c, struct answer *answer)
{
    uint32_t big;
    if (c->input_size < 8)
        return false;
    memcpy(&big, c->input, sizeof big);
    size_t size = ntohl(big);
    if (size < 4 || size > ANSWER_BYTES_MAX)
        wire_fail("an answer of %zu bytes", size);
    *answer = (struct answer){c->input + 8, c->input + 4 + size};
    return c->input_size >= 4 + size;
}

struct answer connection_wait(struct connection *c)
{
    struct answer answer;
    c->input_size = 0; /* of the one before: one request at a time */
    while (!find_answer(c, &answer))
        receive(c, 0);
    return answer;
}

void connections_poll(int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop, events, EVENTS_MAX, wait_ms);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        struct answer answer;
        receive(c, MSG_DONTWAIT);
        if (!find_answer(c, &answer))
            continue;
        c->input_size = 0;
        c->on_answer(c->owner, answer);
    }
}
