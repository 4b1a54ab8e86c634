/* Where a node is: an address as it stands, or a name that is looked up.
 *
 *   name ──looked up──▶ address ──a connection fails, or silence──▶ looked up again, once a second
 *
 * What runs in containers keeps its name and changes its address. While a name is looked up again
 * the old address is still tried; where a name has several, each new look takes the next one. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/event.h"
#include "router/node_parts.h"
#include "router/router.h"

#define LOOK_UP_EVERY_MS 1000

static bool is_at(const struct router_node *n, const struct sockaddr *address, size_t size)
{
    struct sockaddr_storage other = {0};
    memcpy(&other, address, size);
    return n->has_address && memcmp(&n->address, &other, sizeof other) == 0;
}

static void take_address(struct router_node *n, const struct sockaddr *address, size_t size)
{
    bool is_first = !n->has_address;
    if (is_at(n, address, size))
        return;
    n->has_address = false; /* nobody may connect to the old one from inside */
    node_end_connections(n);
    memset(&n->address, 0, sizeof n->address);
    memcpy(&n->address, address, size);
    n->has_address = true;
    if (!is_first) /* whether it answers there, only a probe says */
        return;
    n->is_silent = false;
    n->answered_ms = router_now_ms(n->owner); /* it has its time to answer first */
}

static const struct addrinfo *next_of(struct router_node *n, const struct addrinfo *found)
{
    unsigned count = 0;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        count++;
    assert(count > 0); /* a look that went well has found one */
    for (unsigned skip = n->address_turn++ % count; skip > 0; skip--)
        found = found->ai_next;
    return found;
}

static void on_looked_up(uv_getaddrinfo_t *look_up, int status, struct addrinfo *found)
{
    struct router_node *n = look_up->data;
    bool is_of_old_name = n->is_name_changed;
    n->is_looking_up = n->is_name_changed = false;
    if (n->owner->is_stopping || !n->is_name) {
        uv_freeaddrinfo(found);
        return;
    }
    if (is_of_old_name) {
        node_look_up(n);
    } else if (status == 0) {
        const struct addrinfo *next = next_of(n, found);
        take_address(n, next->ai_addr, next->ai_addrlen);
    } else {
        event_warn("node_address", "peer_node=%d address=%s:%u reason=\"%s\"", n->id, n->host,
                   n->port, uv_strerror(status));
    }
    uv_freeaddrinfo(found);
}

void node_look_up(struct router_node *n)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%u", n->port);
    n->looked_up_ms = router_now_ms(n->owner);
    n->is_doubted = false;
    n->look_up.data = n;
    n->is_looking_up = n->owner->pool.look_up(shard_loop(n->owner->shard), &n->look_up,
                                              on_looked_up, n->host, port, &hints) == 0;
}

void node_look_up_again(struct router_node *n, uint64_t now_ms)
{
    if (n->is_name && !n->is_looking_up && (!n->has_address || n->is_doubted || n->is_silent) &&
        now_ms - n->looked_up_ms >= LOOK_UP_EVERY_MS)
        node_look_up(n);
}

void node_set_address(struct router_node *n, struct kafka_string host, int32_t port)
{
    struct sockaddr_storage address = {0};
    size_t size = (size_t)host.size < sizeof n->host ? (size_t)host.size : sizeof n->host - 1;
    memcpy(n->host, host.data, size);
    n->host[size] = '\0';
    n->port = (uint16_t)port;
    n->has_address = false;
    n->address_turn = 0;
    n->is_name_changed = n->is_looking_up; /* what is found is another's */
    node_end_connections(n);
    bool is_ip4 = uv_ip4_addr(n->host, port, (struct sockaddr_in *)&address) == 0;
    bool is_ip6 = !is_ip4 && uv_ip6_addr(n->host, port, (struct sockaddr_in6 *)&address) == 0;
    n->is_name = !is_ip4 && !is_ip6;
    if (is_ip4)
        take_address(n, (const struct sockaddr *)&address, sizeof(struct sockaddr_in));
    else if (is_ip6)
        take_address(n, (const struct sockaddr *)&address, sizeof(struct sockaddr_in6));
    else if (!n->is_looking_up)
        node_look_up(n);
}
