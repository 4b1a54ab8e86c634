/* Wand's control socket: lines in, answers out, for several clients at once.
 *
 * Nothing here may make packets late, so nothing waits: a client that is one too many is told so
 * and closed; so is one whose line has no end within its bound, and one that does not read its
 * answers until the socket's buffer is full is closed. */
#include "control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_MAX     8
#define NOT_YET        ".new"
#define LISTENER_EVENT CONTROL_CLIENTS_MAX

static int add_to_epoll(struct control *c, int descriptor, uint32_t number)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(c->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static void close_client(struct control_client *client)
{
    close(client->descriptor);
    client->descriptor = -1;
}

static int say(int descriptor, const char *text)
{
    size_t size = strlen(text);
    ssize_t sent = send(descriptor, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == (ssize_t)size ? 0 : -1;
}

static int run_line(struct control *c, struct control_client *client, const char *line)
{
    char answer[COMMAND_ANSWER_BYTES];
    command_answer(line, c->lines, c->line_count, answer, sizeof answer);
    return say(client->descriptor, answer);
}

/* Runs each line that has ended and keeps the rest. Returns -1 when the client is to be closed. */
static int run_lines(struct control *c, struct control_client *client)
{
    char *end;
    while ((end = memchr(client->line, '\n', client->used_bytes)) != NULL) {
        size_t size = (size_t)(end - client->line);
        *end = '\0';
        const char *line = strlen(client->line) == size ? client->line : "\x01"; /* a zero inside */
        if (run_line(c, client, line) < 0)
            return -1;
        client->used_bytes -= size + 1;
        memmove(client->line, end + 1, client->used_bytes);
    }
    if (client->used_bytes < sizeof client->line)
        return 0;
    say(client->descriptor, "error the line is too long\n");
    return -1;
}

static void read_client(struct control *c, struct control_client *client)
{
    size_t room = sizeof client->line - client->used_bytes;
    ssize_t size = recv(client->descriptor, client->line + client->used_bytes, room, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size > 0)
        client->used_bytes += (size_t)size;
    if (size <= 0 || run_lines(c, client) < 0)
        close_client(client);
}

static void accept_client(struct control *c)
{
    int descriptor = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0)
        return;
    uint32_t place = 0;
    while (place < CONTROL_CLIENTS_MAX && c->clients[place].descriptor >= 0)
        place++;
    if (place == CONTROL_CLIENTS_MAX || add_to_epoll(c, descriptor, place) < 0) {
        say(descriptor, "error too many clients\n");
        close(descriptor);
        return;
    }
    c->clients[place] = (struct control_client){.descriptor = descriptor};
}

void control_serve(struct control *c)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(c->epoll, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        uint32_t number = events[i].data.u32;
        if (number == LISTENER_EVENT)
            accept_client(c);
        else if (c->clients[number].descriptor >= 0)
            read_client(c, &c->clients[number]);
    }
}

/* A socket's file outlives its program. When nobody answers there, it is a dead one's; whatever
 * else has that name is somebody's. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : -1;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    bool is_stale = S_ISSOCK(status.st_mode) &&
                    connect(descriptor, (const void *)address, sizeof *address) < 0 &&
                    errno == ECONNREFUSED;
    close(descriptor);
    errno = EADDRINUSE;
    return is_stale ? unlink(address->sun_path) : -1;
}

/* The file gets its name when connections are taken: who waits for it can connect at once. */
static int listen_at(struct control *c, const char *path)
{
    struct sockaddr_un early = {.sun_family = AF_UNIX};
    struct sockaddr_un named = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size + sizeof NOT_YET > sizeof early.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(early.sun_path, sizeof early.sun_path, "%s%s", path, NOT_YET);
    memcpy(named.sun_path, path, size + 1);
    if (remove_stale(&named) < 0 || remove_stale(&early) < 0 ||
        bind(c->listener, (const void *)&early, sizeof early) < 0)
        return -1;
    if (listen(c->listener, CONTROL_CLIENTS_MAX) < 0 || rename(early.sun_path, path) < 0) {
        unlink(early.sun_path);
        return -1;
    }
    c->address = named;
    return 0;
}

static int open_listener(struct control *c, const char *path)
{
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->epoll < 0 || c->listener < 0 || listen_at(c, path) < 0)
        return -1;
    return add_to_epoll(c, c->listener, LISTENER_EVENT);
}

int control_start(struct control *c, const char *path, struct delay_line *const *lines,
                  size_t line_count)
{
    memset(c, 0, sizeof *c);
    c->listener = c->epoll = -1;
    c->lines = lines;
    c->line_count = line_count;
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
        c->clients[i].descriptor = -1;
    if (open_listener(c, path) == 0)
        return 0;
    fprintf(stderr, "wand: %s: %s\n", path, strerror(errno));
    control_stop(c);
    return -1;
}

void control_stop(struct control *c)
{
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (c->clients[i].descriptor >= 0)
            close_client(&c->clients[i]);
    if (c->listener >= 0) {
        close(c->listener);
        if (c->address.sun_path[0] != '\0')
            unlink(c->address.sun_path);
    }
    if (c->epoll >= 0)
        close(c->epoll);
    c->listener = c->epoll = -1;
}

int control_descriptor(const struct control *c)
{
    return c->epoll;
}
