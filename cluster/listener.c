/* Accepts on shard 0 and hands the bare descriptor to the shards in turn: a libuv handle can't
 * change its loop, a descriptor can. */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/event.h"

#define BACKLOG        1024
#define ACCEPTS_A_TURN 64

struct listener {
    struct broker *broker;
    struct client_shard *clients;
    uv_poll_t poll;
    int descriptor;
    unsigned next_shard;
};

struct handover {
    struct work_item item;
    struct client_shard *clients;
    int descriptor;
};

static void on_handover(struct work_item *item)
{
    struct handover *h = item->data;
    client_shard_accept(h->clients, h->descriptor);
    free(h);
}

static void hand_over(struct listener *l, int descriptor)
{
    struct broker *b = l->broker;
    struct handover *h = malloc(sizeof *h);
    int count = atomic_fetch_add(&b->connection_count, 1);
    if (h == NULL || count >= b->conf.connections_max || atomic_load(&b->is_stopping)) {
        atomic_fetch_sub(&b->connection_count, 1);
        event_warn("client_limit", "connections=%d", count);
        close(descriptor);
        free(h);
        return;
    }
    unsigned shard = l->next_shard++ % b->shard_count;
    *h = (struct handover){.clients = &l->clients[shard], .descriptor = descriptor};
    h->item.data = h;
    shard_post(b->shards[shard], &h->item, on_handover);
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++) {
        int descriptor = accept4(l->descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor >= 0) {
            hand_over(l, descriptor);
        } else if (errno == EMFILE || errno == ENFILE) {
            event_error("client_limit", "reason=\"no more file descriptors\"");
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static int listen_on(const struct conf_address *address, int *descriptor, struct err_note *note)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char port[8];
    snprintf(port, sizeof port, "%u", address->port);
    int code = getaddrinfo(address->host, port, &hints, &found);
    if (code != 0)
        return err_set(note, ERR_INVALID, "listen %s: %s", address->host, gai_strerror(code));
    int one = 1, err = 0;
    *descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*descriptor < 0 ||
        setsockopt(*descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(*descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
        listen(*descriptor, BACKLOG) != 0)
        err = uv_translate_sys_error(errno);
    freeaddrinfo(found);
    if (err != 0 && *descriptor >= 0)
        close(*descriptor);
    return err == 0 ? 0
                    : err_set(note, err, "listen %s:%u: %s", address->host, address->port,
                              err_text(err));
}

int listener_open(struct broker *b, struct client_shard *clients, struct listener **listener,
                  struct err_note *note)
{
    struct listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return UV_ENOMEM;
    l->broker = b;
    l->clients = clients;
    int err = listen_on(&b->conf.listen, &l->descriptor, note);
    if (err == 0)
        err = uv_poll_init(shard_loop(b->shards[0]), &l->poll, l->descriptor);
    if (err != 0) {
        free(l);
        return err;
    }
    l->poll.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_connections);
    *listener = l;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    close(l->descriptor);
    free(l);
}

void listener_close(struct listener *l)
{
    uv_close((uv_handle_t *)&l->poll, on_closed);
}
