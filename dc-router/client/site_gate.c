/* A table of addresses with their sites, one of open sockets, and a lock. */
#include "site_gate.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "trilog/trilog.h"

#define REPEATS_MANY 2 /* the kernel waits twice as long before each */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- doors that are closed ---- */

static struct sockaddr_storage loopback_of(int family, socklen_t *size)
{
    struct sockaddr_storage at = {.ss_family = (sa_family_t)family};
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)&at)->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    else
        ((struct sockaddr_in *)&at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *size = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    return at;
}

/* Where there is no such loopback address, who is refused is told an errno. */
static void make_doors(struct site_gate *g)
{
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        socklen_t size;
        struct sockaddr_storage at = loopback_of(families[i], &size);
        int door = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (door >= 0 && bind(door, (struct sockaddr *)&at, size) == 0)
            g->closed_doors[i] = door;
        else if (door >= 0)
            close(door);
    }
}

static void close_doors(struct site_gate *g)
{
    for (int i = 0; i < 2; i++)
        if (g->closed_doors[i] >= 0)
            close(g->closed_doors[i]);
}

static int connect_to(int socket, const struct sockaddr *at, socklen_t size)
{
    return connect(socket, at, size) == 0 || errno == EINPROGRESS ? 0 : errno;
}

/* Returns 0: the socket will be told that nobody is there; or an errno. */
static int lead_to_closed_door(const struct site_gate *g, int socket, int family)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    int door = g->closed_doors[family == AF_INET6];
    if (door < 0 || getsockname(door, (struct sockaddr *)&at, &size) != 0 ||
        connect_to(socket, (struct sockaddr *)&at, size) != 0)
        return ECONNREFUSED;
    return 0;
}

int site_gate_init(struct site_gate *g, int wait_ms)
{
    *g = (struct site_gate){.wait_until_ms = now_ms() + (uint64_t)wait_ms,
                            .closed_doors = {-1, -1}};
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return TRILOG_ERR_SYSTEM;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int err = pthread_cond_init(&g->decided, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (err == 0 && pthread_mutex_init(&g->lock, NULL) == 0) {
        make_doors(g);
        return 0;
    }
    if (err == 0)
        pthread_cond_destroy(&g->decided);
    return TRILOG_ERR_SYSTEM;
}

void site_gate_close(struct site_gate *g)
{
    free(g->sockets);
    close_doors(g);
    pthread_cond_destroy(&g->decided);
    pthread_mutex_destroy(&g->lock);
}

static bool is_named(const struct conf_address *a, const char *id)
{
    char text[CONF_ADDRESS_SIZE];
    snprintf(text, sizeof text, "%s:%u", a->host, a->port);
    if (strcmp(text, id) == 0)
        return true;
    snprintf(text, sizeof text, "[%s]:%u", a->host, a->port);
    return strcmp(text, id) == 0;
}

static struct site_gate_address *find(struct site_gate *g, const char *id)
{
    for (unsigned i = 0; i < g->address_count; i++)
        if (is_named(&g->addresses[i].address, id))
            return &g->addresses[i];
    return NULL;
}

void site_gate_learn(struct site_gate *g, const struct conf_address *address, const char *site,
                     bool is_router)
{
    char id[CONF_ADDRESS_SIZE];
    snprintf(id, sizeof id, "%s:%u", address->host, address->port);
    pthread_mutex_lock(&g->lock);
    struct site_gate_address *known = find(g, id);
    if (known == NULL && g->address_count < SITE_GATE_ADDRESSES_MAX) {
        known = &g->addresses[g->address_count++];
        known->address = *address;
    }
    if (known != NULL) {
        bytes_copy_text(known->site, sizeof known->site, site);
        known->is_router = is_router;
    }
    pthread_mutex_unlock(&g->lock);
}

/* With the lock held. */
static bool is_refused(struct site_gate *g, const char *id)
{
    const struct site_gate_address *a = find(g, id);
    if (g->used[0] == '\0' || a == NULL)
        return false;
    return a->site[0] == '\0' || (a->is_router && strcmp(a->site, g->used) != 0);
}

static bool is_of(struct site_gate *g, const char *id, const char *site)
{
    const struct site_gate_address *a = find(g, id);
    return a != NULL && strcmp(a->site, site) == 0;
}

/* With the lock held. */
static bool is_elsewhere(struct site_gate *g, const struct site_gate_socket *s)
{
    if (s->led_to[0] != '\0')
        return g->used[0] != '\0' && strcmp(s->led_to, g->used) != 0;
    return is_refused(g, s->address);
}

void site_gate_use(struct site_gate *g, const char *site, int peer)
{
    struct site_gate_door door = {.size = sizeof door.at};
    if (peer < 0 || getpeername(peer, (struct sockaddr *)&door.at, &door.size) != 0)
        door.size = 0;
    pthread_mutex_lock(&g->lock);
    bytes_copy_text(g->used, sizeof g->used, site);
    g->door = door;
    for (size_t i = 0; i < g->socket_count; i++)
        if (is_elsewhere(g, &g->sockets[i]))
            shutdown(g->sockets[i].socket, SHUT_RDWR);
    g->is_decided = true;
    pthread_cond_broadcast(&g->decided);
    pthread_mutex_unlock(&g->lock);
}

void site_gate_cut(struct site_gate *g, const char *site)
{
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->socket_count; i++)
        if (is_of(g, g->sockets[i].address, site))
            shutdown(g->sockets[i].socket, SHUT_RDWR);
    pthread_mutex_unlock(&g->lock);
}

static bool is_stuck(int socket)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    return info.tcpi_retransmits >= (info.tcpi_state == TCP_SYN_SENT ? 1 : REPEATS_MANY);
}

/* With the lock held. */
static bool is_at(struct site_gate *g, const struct site_gate_socket *s, const char *site)
{
    return s->led_to[0] != '\0' ? strcmp(s->led_to, site) == 0 : is_of(g, s->address, site);
}

void site_gate_cut_stuck(struct site_gate *g)
{
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->socket_count; i++)
        if (is_at(g, &g->sockets[i], g->used) && is_stuck(g->sockets[i].socket))
            shutdown(g->sockets[i].socket, SHUT_RDWR);
    pthread_mutex_unlock(&g->lock);
}

/* With the lock held. Who has just started waits a moment for its own site to be known. */
static void wait_for_decision(struct site_gate *g)
{
    struct timespec end = {.tv_sec = (time_t)(g->wait_until_ms / 1000),
                           .tv_nsec = (long)(g->wait_until_ms % 1000) * 1000000};
    while (!g->is_decided && now_ms() < g->wait_until_ms)
        pthread_cond_timedwait(&g->decided, &g->lock, &end);
}

/* With the lock held. Without memory it is not known, and is not cut. */
static void note_socket(struct site_gate *g, int socket, const char *id, const char *led_to)
{
    if (g->socket_count == g->socket_capacity) {
        size_t capacity = 2 * g->socket_capacity + 16;
        struct site_gate_socket *grown = realloc(g->sockets, capacity * sizeof *grown);
        if (grown == NULL)
            return;
        g->sockets = grown;
        g->socket_capacity = capacity;
    }
    struct site_gate_socket *s = &g->sockets[g->socket_count++];
    s->socket = socket;
    bytes_copy_text(s->address, sizeof s->address, id);
    bytes_copy_text(s->led_to, sizeof s->led_to, led_to);
}

int site_gate_connect(struct site_gate *g, int socket, const struct sockaddr *address, int size,
                      const char *id)
{
    pthread_mutex_lock(&g->lock);
    wait_for_decision(g);
    const struct site_gate_door *door = &g->door;
    bool is_shut = is_refused(g, id);
    bool is_led = is_shut && door->size > 0 && door->at.ss_family == address->sa_family;
    int err = is_led    ? connect_to(socket, (const struct sockaddr *)&door->at, door->size)
              : is_shut ? lead_to_closed_door(g, socket, address->sa_family)
                        : connect_to(socket, address, (socklen_t)size);
    if (err == 0 && (is_led || !is_shut))
        note_socket(g, socket, id, is_led ? g->used : "");
    pthread_mutex_unlock(&g->lock);
    return err;
}

int site_gate_close_socket(struct site_gate *g, int socket)
{
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->socket_count; i++)
        if (g->sockets[i].socket == socket) {
            g->sockets[i] = g->sockets[--g->socket_count];
            break;
        }
    int result = close(socket);
    pthread_mutex_unlock(&g->lock);
    return result;
}
