/* How many client connections a process has, in all and from each address. Any thread. */
#ifndef BASE_CLIENT_COUNT_H
#define BASE_CLIENT_COUNT_H

#include <stdint.h>
#include <sys/socket.h>

struct client_count;

/* An address without its port; IPv4 as IPv6 sees it. All zero for other families. */
struct client_address {
    uint8_t bytes[16];
};

struct client_address client_address_of(const struct sockaddr_storage *from);

/* Returns owned (client_count_destroy), or NULL without memory. */
struct client_count *client_count_create(unsigned connections_max, unsigned per_address_max);
void client_count_destroy(struct client_count *count);
/* Other limits from now on: none that is there has to go. */
void client_count_limit(struct client_count *count, unsigned connections_max,
                        unsigned per_address_max);

/* Counts one more connection: 0, or ERR_FULL when one of the limits is reached, or UV_ENOMEM. */
int client_count_add(struct client_count *count, const struct client_address *address);
/* All of them now, and the limit. */
void client_count_total(struct client_count *count, unsigned *connections,
                        unsigned *connections_max);
/* It is gone; it was added. */
void client_count_remove(struct client_count *count, const struct client_address *address);

/* What is told of those that were refused; all zero: nothing yet. One thread's. */
struct client_refusals {
    unsigned count; /* since it was last told */
    uint64_t told_at_ms;
};

/* One more. The event client_limit, once a second at most: whoever is refused comes again at
 * once. */
void client_refusals_add(struct client_refusals *refusals, const struct client_address *address,
                         const char *why, uint64_t now_ms);

#endif
