/* Accepts on shard 0 and hands the bare descriptor to the shards in turn: a libuv handle can't
 * change its loop, a descriptor can.
 *
 * Connections are counted before they are handed over. They never take the last files of the
 * process: a flush that could not open its segment would end the node. Where there is none left
 * all the same, one kept in reserve is given for accepting and closing: what stays in the queue
 * would wake this loop again and again. */
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/client_count.h"
#include "base/event.h"
#include "base/listen_socket.h"

#define BACKLOG        1024
#define ACCEPTS_A_TURN 64

struct listener {
    struct broker *broker;
    struct client_shard *clients;
    uv_poll_t poll;
    int descriptor;
    int reserve; /* /dev/null, or -1 */
    unsigned next_shard;
    struct client_refusals refusals;
};

struct handover {
    struct work_item item;
    struct client_shard *clients;
    int descriptor;
    struct client_address address; /* counted */
    uint64_t number;
};

static void on_handover(struct work_item *item)
{
    struct handover *h = item->data;
    client_shard_accept(h->clients, h->descriptor, &h->address, h->number);
    free(h);
}

static void hand_over(struct listener *l, int descriptor, const struct client_address *address)
{
    struct broker *b = l->broker;
    struct handover *h = malloc(sizeof *h);
    if (h == NULL) {
        client_count_remove(b->client_count, address);
        close(descriptor);
        return;
    }
    unsigned shard = l->next_shard++ % b->shard_count;
    *h = (struct handover){
        .clients = &l->clients[shard],
        .descriptor = descriptor,
        .address = *address,
        .number = atomic_fetch_add(&b->connection_number, 1) + 1, /* shards would mix the order */
    };
    h->item.data = h;
    shard_post(b->shards[shard], &h->item, on_handover);
}

static void tell(struct listener *l, const struct client_address *address, const char *why)
{
    atomic_fetch_add(&l->broker->refused_connections, 1);
    client_refusals_add(&l->refusals, address, why, clock_now_ms(&l->broker->clock));
}

static void admit(struct listener *l, int descriptor, const struct sockaddr_storage *from)
{
    struct broker *b = l->broker;
    struct client_address address = client_address_of(from);
    int err = atomic_load(&b->is_stopping) ? ERR_CLOSED
                                           : client_count_add(b->client_count, &address);
    if (err == 0) {
        hand_over(l, descriptor, &address);
        return;
    }
    close(descriptor);
    tell(l, &address, err == ERR_FULL ? "too many connections" : err_text(err));
}

/* No file is left: the reserve takes the connection and closes it. */
static void shed(struct listener *l)
{
    struct client_address nobody = {0};
    if (l->reserve >= 0)
        close(l->reserve);
    int descriptor = accept4(l->descriptor, NULL, NULL, SOCK_CLOEXEC);
    if (descriptor >= 0)
        close(descriptor);
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tell(l, &nobody, "no more file descriptors");
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof from;
        int descriptor = accept4(l->descriptor, (struct sockaddr *)&from, &size,
                                 SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor >= 0) {
            admit(l, descriptor, &from);
        } else if (errno == EMFILE || errno == ENFILE) {
            shed(l);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* As set, or as many as the process may open beside its own files. */
static unsigned connections_max(const struct conf_settings *conf)
{
    struct rlimit limit;
    int64_t most = conf->connections_max;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= (rlim_t)conf->open_files_max)
        return (unsigned)most;
    int64_t allowed = (int64_t)limit.rlim_cur - conf_own_files(conf);
    if (allowed < 1)
        allowed = 1;
    if (allowed >= most)
        return (unsigned)most;
    event_warn("client_limit",
               "connections_max=%lld reason=\"the process may open %lld files only\"",
               (long long)allowed, (long long)limit.rlim_cur);
    return (unsigned)allowed;
}

static int open_parts(struct listener *l, struct err_note *note)
{
    struct broker *b = l->broker;
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    b->client_count = client_count_create(connections_max(&b->conf),
                                          (unsigned)b->conf.connections_per_address_max);
    if (b->client_count == NULL)
        return UV_ENOMEM;
    int err = listen_socket_open(b->conf.listen.host, b->conf.listen.port, "listen", BACKLOG,
                                 &l->descriptor, note);
    return err != 0 ? err : uv_poll_init(shard_loop(b->shards[0]), &l->poll, l->descriptor);
}

int listener_open(struct broker *b, struct client_shard *clients, struct listener **listener,
                  struct err_note *note)
{
    struct listener *l = calloc(1, sizeof *l);
    if (l == NULL)
        return UV_ENOMEM;
    l->broker = b;
    l->clients = clients;
    int err = open_parts(l, note);
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
    if (l->reserve >= 0)
        close(l->reserve);
    free(l);
}

void listener_close(struct listener *l)
{
    uv_close((uv_handle_t *)&l->poll, on_closed);
}
