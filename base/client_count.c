/* Connections counted where all shards see it.
 *
 * Who accepts adds, the connection's shard takes away: once in a connection's life each,
 * so one lock over one table costs nothing that could be measured. A count per shard was there
 * before; it let in as many times the limit as there are shards. */
#include "base/client_count.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/err.h"
#include "base/event.h"

#define TELL_MS 1000

struct from_address {
    struct client_address address;
    unsigned count; /* above 0: what nobody comes from is not kept */
    UT_hash_handle hh;
};

struct client_count {
    pthread_mutex_t lock;
    unsigned connections_max, per_address_max;
    unsigned count;                 /* of all connections */
    struct from_address *addresses; /* at most `count` */
};

struct client_address client_address_of(const struct sockaddr_storage *from)
{
    struct client_address address = {0};
    if (from->ss_family == AF_INET6) {
        memcpy(address.bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    } else if (from->ss_family == AF_INET) {
        memset(address.bytes + 10, 0xff, 2);
        memcpy(address.bytes + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    }
    return address;
}

struct client_count *client_count_create(unsigned connections_max, unsigned per_address_max)
{
    struct client_count *count = calloc(1, sizeof *count);
    if (count == NULL)
        return NULL;
    pthread_mutex_init(&count->lock, NULL);
    count->connections_max = connections_max;
    count->per_address_max = per_address_max;
    return count;
}

void client_count_destroy(struct client_count *count)
{
    if (count == NULL)
        return;
    struct from_address *from, *next;
    HASH_ITER(hh, count->addresses, from, next)
    {
        HASH_DEL(count->addresses, from);
        free(from);
    }
    pthread_mutex_destroy(&count->lock);
    free(count);
}

void client_count_limit(struct client_count *count, unsigned connections_max,
                        unsigned per_address_max)
{
    pthread_mutex_lock(&count->lock);
    count->connections_max = connections_max;
    count->per_address_max = per_address_max;
    pthread_mutex_unlock(&count->lock);
}

static struct from_address *find(struct client_count *count, const struct client_address *address)
{
    struct from_address *from;
    HASH_FIND(hh, count->addresses, address, sizeof *address, from);
    return from;
}

static int add(struct client_count *count, const struct client_address *address)
{
    struct from_address *from = find(count, address);
    if (count->count >= count->connections_max)
        return ERR_FULL;
    if (from != NULL && from->count >= count->per_address_max)
        return ERR_FULL;
    if (from == NULL) {
        from = calloc(1, sizeof *from);
        if (from == NULL)
            return UV_ENOMEM;
        from->address = *address;
        HASH_ADD(hh, count->addresses, address, sizeof from->address, from);
    }
    from->count++;
    count->count++;
    return 0;
}

int client_count_add(struct client_count *count, const struct client_address *address)
{
    pthread_mutex_lock(&count->lock);
    int err = add(count, address);
    pthread_mutex_unlock(&count->lock);
    return err;
}

void client_count_total(struct client_count *count, unsigned *connections,
                        unsigned *connections_max)
{
    pthread_mutex_lock(&count->lock);
    *connections = count->count;
    *connections_max = count->connections_max;
    pthread_mutex_unlock(&count->lock);
}

void client_count_remove(struct client_count *count, const struct client_address *address)
{
    pthread_mutex_lock(&count->lock);
    struct from_address *from = find(count, address);
    assert(from != NULL && from->count > 0 && count->count > 0);
    count->count--;
    if (--from->count == 0) {
        HASH_DEL(count->addresses, from);
        free(from);
    }
    pthread_mutex_unlock(&count->lock);
}

void client_refusals_add(struct client_refusals *refusals, const struct client_address *address,
                         const char *why, uint64_t now_ms)
{
    char text[INET6_ADDRSTRLEN] = "unknown";
    refusals->count++;
    if (refusals->told_at_ms != 0 && now_ms - refusals->told_at_ms < TELL_MS)
        return;
    inet_ntop(AF_INET6, address->bytes, text, sizeof text);
    event_warn("client_limit", "address=%s refused=%u reason=\"%s\"", text, refusals->count, why);
    refusals->count = 0;
    refusals->told_at_ms = now_ms;
}
