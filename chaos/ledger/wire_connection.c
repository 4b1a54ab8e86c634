/* One question at a time over TCP, within a deadline.
 *
 * The socket never blocks: connecting, sending and receiving each wait by poll(2) for what is left
 * of the time, so a node that is paused or cut off costs its timeout and no more. After any
 * trouble the connection is closed, and the next call makes a new one. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "line.h"
#include "wire.h"

#define CLIENT_ID "ledger"

void wire_init(struct wire_connection *c, const char *address)
{
    memset(c, 0, offsetof(struct wire_connection, request));
    c->socket = -1;
    c->answer = NULL;
    c->answer_bytes_max = 0;
    size_t size = strlen(address);
    if (size < sizeof c->address)
        memcpy(c->address, address, size);
}

static void disconnect(struct wire_connection *c)
{
    if (c->socket >= 0)
        close(c->socket);
    c->socket = -1;
}

void wire_close(struct wire_connection *c)
{
    disconnect(c);
    free(c->answer);
    c->answer = NULL;
    c->answer_bytes_max = 0;
}

static bool wait_for(int socket, short events, int64_t until_us)
{
    struct pollfd waited = {.fd = socket, .events = events};
    for (;;) {
        int64_t left_us = until_us - now_us();
        int count = poll(&waited, 1, left_us > 0 ? (int)(left_us / 1000) + 1 : 0);
        if (count > 0)
            return true;
        if (count == 0 || errno != EINTR)
            return false;
    }
}

/* Addresses are numbers: no name service is asked, which could be cut off too. */
static int find_address(const char *text, struct addrinfo **found)
{
    char host[WIRE_ADDRESS_BYTES];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return -1;
    size_t size = (size_t)(colon - text);
    bool is_bracketed = size > 2 && text[0] == '[' && text[size - 1] == ']';
    memcpy(host, text + is_bracketed, size - 2 * (size_t)is_bracketed);
    host[size - 2 * (size_t)is_bracketed] = '\0';
    return getaddrinfo(host, colon + 1, &hints, found) == 0 ? 0 : -1;
}

static bool is_connected(int socket, const struct addrinfo *address, int64_t until_us)
{
    int error = 0, on = 1;
    socklen_t size = sizeof error;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(socket, address->ai_addr, address->ai_addrlen) == 0)
        return true;
    return errno == EINPROGRESS && wait_for(socket, POLLOUT, until_us) &&
           getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

static int connect_until(struct wire_connection *c, int64_t until_us)
{
    struct addrinfo *address;
    if (find_address(c->address, &address) < 0)
        return -1;
    c->socket = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_there = c->socket >= 0 && is_connected(c->socket, address, until_us);
    freeaddrinfo(address);
    return is_there ? 0 : -1;
}

static int send_until(struct wire_connection *c, const uint8_t *bytes, size_t size,
                      int64_t until_us)
{
    while (size > 0) {
        ssize_t sent = send(c->socket, bytes, size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(c->socket, POLLOUT, until_us)) {
            return -1;
        }
    }
    return 0;
}

static int receive_until(struct wire_connection *c, uint8_t *bytes, size_t size, int64_t until_us)
{
    while (size > 0) {
        ssize_t received = recv(c->socket, bytes, size, 0);
        if (received > 0) {
            bytes += received;
            size -= (size_t)received;
        } else if (received == 0 || (errno != EAGAIN && errno != EINTR) ||
                   !wait_for(c->socket, POLLIN, until_us)) {
            return -1;
        }
    }
    return 0;
}

static int make_room(struct wire_connection *c, size_t size)
{
    if (size <= c->answer_bytes_max)
        return 0;
    uint8_t *larger = realloc(c->answer, size);
    if (larger == NULL)
        return -1;
    c->answer = larger;
    c->answer_bytes_max = size;
    return 0;
}

static int receive_answer(struct wire_connection *c, int64_t until_us, struct wire_reader *reader)
{
    uint8_t head[4];
    if (receive_until(c, head, sizeof head, until_us) < 0)
        return -1;
    struct wire_reader size_reader = {.data = head, .size = sizeof head};
    int32_t size = wire_read_int32(&size_reader);
    if (size < 4 || size > WIRE_ANSWER_BYTES || make_room(c, (size_t)size) < 0 ||
        receive_until(c, c->answer, (size_t)size, until_us) < 0)
        return -1;
    *reader = (struct wire_reader){.data = c->answer, .size = (size_t)size};
    return wire_read_int32(reader) == c->correlation_id ? 0 : -1;
}

struct wire_writer wire_begin(struct wire_connection *c, int16_t api, int16_t version)
{
    struct wire_writer writer = {.data = c->request, .size_max = sizeof c->request};
    wire_write_int32(&writer, 0); /* the size, once it is known */
    wire_write_int16(&writer, api);
    wire_write_int16(&writer, version);
    wire_write_int32(&writer, ++c->correlation_id);
    wire_write_string(&writer, CLIENT_ID);
    return writer;
}

int wire_call(struct wire_connection *c, struct wire_writer *request, int timeout_ms,
              struct wire_reader *reader, const char **error)
{
    int64_t until_us = now_us() + timeout_ms * INT64_C(1000);
    struct wire_writer size_writer = {.data = c->request, .size_max = 4};
    wire_write_int32(&size_writer, (int32_t)(request->size - 4));
    *error = "request_too_large";
    if (request->is_full)
        return -1;
    *error = "no_connection";
    if (c->socket < 0 && connect_until(c, until_us) < 0) {
        disconnect(c);
        return -1;
    }
    *error = "no_answer";
    if (send_until(c, request->data, request->size, until_us) == 0 &&
        receive_answer(c, until_us, reader) == 0)
        return 0;
    disconnect(c);
    return -1;
}
