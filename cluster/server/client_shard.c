/* The client connections of one shard: taken over from the listener, looked at a hundred times a
 * second, closed with the node. */
#include "server/client_shard.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/connection.h"

static void name_address(struct connection *c)
{
    struct sockaddr_storage peer;
    int size = sizeof peer;
    strcpy(c->address, "unknown");
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&peer, &size) != 0)
        return;
    if (peer.ss_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)&peer, c->address, sizeof c->address);
    else if (peer.ss_family == AF_INET6)
        uv_ip6_name((struct sockaddr_in6 *)&peer, c->address, sizeof c->address);
}

static void list_connection(struct client_shard *s, struct connection *c)
{
    c->next = s->connections;
    c->previous = &s->connections;
    if (c->next != NULL)
        c->next->previous = &c->next;
    s->connections = c;
}

static void refuse(struct client_shard *s, int descriptor, const struct client_address *address)
{
    close(descriptor);
    client_count_remove(s->broker->client_count, address);
}

void client_shard_accept(struct client_shard *s, int descriptor,
                         const struct client_address *address, uint64_t number)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(shard_loop(s->shard), &c->tcp) != 0) {
        free(c);
        refuse(s, descriptor, address);
        return;
    }
    c->tcp.data = c;
    c->clients = s;
    c->counted_address = *address;
    c->claims = 1;
    c->number = number;
    c->may_pass_on = conf_networks_have(&s->broker->conf.router_addresses, address->bytes);
    c->active_at_ms = clock_now_ms(&s->broker->clock);
    list_connection(s, c);
    if (uv_tcp_open(&c->tcp, descriptor) != 0) {
        close(descriptor);
        connection_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 60);
    name_address(c);
    connection_take_requests(c); /* begins to read */
}

void client_shard_turn(void *data)
{
    struct client_shard *s = data;
    while (s->answering != NULL) {
        struct connection *c = s->answering;
        s->answering = c->answering_next;
        c->is_answering = false;
        connection_write_answers(c);
        connection_release(c);
    }
}

/* Much of what fetches may hold waits for clients to take it. */
static bool is_memory_short(const struct broker *b)
{
    return atomic_load(&b->fetched_bytes) > (size_t)b->conf.memory_bytes_max / 2;
}

void client_shard_tick(struct client_shard *s)
{
    uint64_t now_ms = clock_now_ms(&s->broker->clock);
    uint64_t idle_ms_max = (uint64_t)s->broker->conf.connections_idle_ms_max;
    client_shard_tick_deadlines(s, now_ms);
    bool is_short = is_memory_short(s->broker);
    struct connection *next;
    for (struct connection *c = s->connections; c != NULL; c = next) {
        next = c->next;
        if (c->is_closed)
            continue;
        if (is_short && connection_is_stuck(c, now_ms))
            connection_close(c);
        else if (c->request_count == 0 && now_ms - c->active_at_ms > idle_ms_max)
            connection_close(c);
        else if (connection_is_claim_too_old(c, now_ms))
            connection_end(c, "a half request held memory that others wait for");
        else if (!c->is_reading && !c->is_ending)
            connection_take_requests(c);
    }
}

void client_shard_close_all(struct client_shard *s)
{
    struct connection *next;
    for (struct connection *c = s->connections; c != NULL; c = next) {
        next = c->next;
        connection_close(c);
    }
    buffer_unref(s->spare_input);
    s->spare_input = NULL;
}
