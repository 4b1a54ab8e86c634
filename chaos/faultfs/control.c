/* The control socket: a thread that answers up to CLIENTS_MAX connections, one line after the
 * other. A connection that sends a line too long, or does not read its answers, is closed. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX       16
#define COMMAND_BYTES_MAX 4096
#define SEND_SECONDS_MAX  5

struct client {
    int socket; /* -1: free */
    size_t used;
    char line[COMMAND_BYTES_MAX];
};

struct control {
    struct volume *volume;
    struct sockaddr_un address;
    int listener;
    int stop; /* an eventfd */
    pthread_t thread;
    struct client clients[CLIENTS_MAX];
    char answer[CONTROL_LINE_BYTES];
};

static void hang_up(struct client *client)
{
    close(client->socket);
    client->socket = -1;
}

static bool send_all(int socket, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool answer_line(struct control *control, struct client *client, const char *line)
{
    control_answer(control->volume, line, control->answer, sizeof control->answer - 1);
    size_t length = strlen(control->answer);
    control->answer[length++] = '\n';
    return send_all(client->socket, control->answer, length);
}

static bool answer_lines(struct control *control, struct client *client)
{
    char *end;
    while ((end = memchr(client->line, '\n', client->used)) != NULL) {
        size_t length = (size_t)(end - client->line) + 1;
        *end = '\0';
        if (!answer_line(control, client, client->line))
            return false;
        memmove(client->line, client->line + length, client->used - length);
        client->used -= length;
    }
    if (client->used < sizeof client->line)
        return true;
    static const char too_long[] = "error the line is too long\n";
    send_all(client->socket, too_long, sizeof too_long - 1);
    return false;
}

static void on_readable(struct control *control, struct client *client)
{
    ssize_t got = recv(client->socket, client->line + client->used,
                       sizeof client->line - client->used, 0);
    if (got < 0 && errno == EINTR)
        return;
    client->used += got > 0 ? (size_t)got : 0;
    if (got <= 0 || !answer_lines(control, client))
        hang_up(client);
}

static void greet(struct control *control)
{
    int socket = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0)
        return;
    struct timeval patience = {.tv_sec = SEND_SECONDS_MAX};
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (control->clients[i].socket < 0) {
            control->clients[i].socket = socket;
            control->clients[i].used = 0;
            return;
        }
    static const char too_many[] = "error too many connections\n";
    send_all(socket, too_many, sizeof too_many - 1);
    close(socket);
}

static void *serve(void *data)
{
    struct control *control = data;
    struct pollfd waits[2 + CLIENTS_MAX];
    for (;;) {
        waits[0] = (struct pollfd){.fd = control->stop, .events = POLLIN};
        waits[1] = (struct pollfd){.fd = control->listener, .events = POLLIN};
        for (int i = 0; i < CLIENTS_MAX; i++)
            waits[2 + i] = (struct pollfd){.fd = control->clients[i].socket, .events = POLLIN};
        if (poll(waits, 2 + CLIENTS_MAX, -1) < 0)
            continue;
        if (waits[0].revents != 0)
            return NULL;
        for (int i = 0; i < CLIENTS_MAX; i++)
            if (waits[2 + i].revents != 0)
                on_readable(control, &control->clients[i]);
        if (waits[1].revents != 0)
            greet(control);
    }
}

/* A socket that nobody listens on is left over from an earlier run. */
static void remove_leftover(const struct sockaddr_un *address)
{
    struct stat status;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    if (stat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(probe);
}

static int listen_at(struct control *control)
{
    remove_leftover(&control->address);
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (control->listener < 0)
        return -1;
    if (bind(control->listener, (struct sockaddr *)&control->address, sizeof control->address))
        return -1;
    chmod(control->address.sun_path, 0600);
    return listen(control->listener, CLIENTS_MAX);
}

/* Signals are for the main thread. */
static int start_thread(struct control *control)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&control->thread, NULL, serve, control);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static struct control *give_up(struct control *control, const char *path, int err)
{
    fprintf(stderr, "faultfs: control socket %s: %s\n", path, strerror(err));
    if (control != NULL && control->listener >= 0)
        close(control->listener);
    if (control != NULL && control->stop >= 0)
        close(control->stop);
    free(control);
    return NULL;
}

struct control *control_start(struct volume *volume, const char *path)
{
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return give_up(NULL, path, ENOMEM);
    control->volume = volume;
    control->listener = control->stop = -1;
    control->address.sun_family = AF_UNIX;
    for (int i = 0; i < CLIENTS_MAX; i++)
        control->clients[i].socket = -1;
    if (strlen(path) >= sizeof control->address.sun_path)
        return give_up(control, path, ENAMETOOLONG);
    memcpy(control->address.sun_path, path, strlen(path) + 1);
    control->stop = eventfd(0, EFD_CLOEXEC);
    if (control->stop < 0 || listen_at(control) != 0)
        return give_up(control, path, errno);
    int err = start_thread(control);
    return err == 0 ? control : give_up(control, path, err);
}

void control_stop(struct control *control)
{
    uint64_t one = 1;
    if (write(control->stop, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(control->thread, NULL);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (control->clients[i].socket >= 0)
            close(control->clients[i].socket);
    unlink(control->address.sun_path);
    close(control->listener);
    close(control->stop);
    free(control);
}
