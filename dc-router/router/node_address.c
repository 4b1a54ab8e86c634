/* Where a node is: an address as it stands, or a name that is looked up. */
#include <stdio.h>
#include <string.h>

#include "base/event.h"
#include "router/node_parts.h"
#include "router/router.h"

static void take_address(struct router_node *n, const struct sockaddr *address, size_t size)
{
    memset(&n->address, 0, sizeof n->address);
    memcpy(&n->address, address, size);
    n->has_address = true;
    n->is_silent = false;
    n->answered_ms = router_now_ms(n->owner); /* it has its time to answer first */
}

static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct router_node *n = resolve->data;
    n->is_resolving = false;
    if (status == 0 && !n->owner->is_stopping)
        take_address(n, found->ai_addr, found->ai_addrlen);
    else
        event_warn("node_address", "peer_node=%d address=%s:%u reason=\"%s\"", n->id, n->host,
                   n->port, uv_strerror(status));
    uv_freeaddrinfo(found);
}

void node_resolve(struct router_node *n)
{
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    snprintf(port, sizeof port, "%u", n->port);
    n->resolve.data = n;
    n->is_resolving = uv_getaddrinfo(shard_loop(n->owner->shard), &n->resolve, on_resolved, n->host,
                                     port, &hints) == 0;
}

void node_set_address(struct router_node *n, struct kafka_string host, int32_t port)
{
    struct sockaddr_storage address = {0};
    size_t size = (size_t)host.size < sizeof n->host ? (size_t)host.size : sizeof n->host - 1;
    memcpy(n->host, host.data, size);
    n->host[size] = '\0';
    n->port = (uint16_t)port;
    n->has_address = false;
    if (uv_ip4_addr(n->host, port, (struct sockaddr_in *)&address) == 0)
        take_address(n, (const struct sockaddr *)&address, sizeof(struct sockaddr_in));
    else if (uv_ip6_addr(n->host, port, (struct sockaddr_in6 *)&address) == 0)
        take_address(n, (const struct sockaddr *)&address, sizeof(struct sockaddr_in6));
    else if (!n->is_resolving)
        node_resolve(n);
}
