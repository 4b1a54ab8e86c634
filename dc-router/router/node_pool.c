/* The list of nodes: first the addresses of the settings, then those that the cluster names. */
#include "router/node_pool.h"

#include <stdlib.h>
#include <string.h>

#include "router/node_parts.h"
#include "router/router.h"

struct router_node *node_pool_find(struct router_shard *s, int32_t id)
{
    for (struct router_node *n = s->pool.nodes; n != NULL; n = n->next)
        if (n->id == id && id >= 0)
            return n;
    return NULL;
}

static struct router_node *add_node(struct router_shard *s, int32_t id)
{
    if (s->pool.node_count >= NODES_MAX)
        return NULL;
    struct router_node *n = calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    n->owner = s;
    n->id = id;
    n->place = s->pool.node_count;
    n->next = s->pool.nodes;
    s->pool.nodes = n;
    s->pool.node_count++;
    return n;
}

static bool has_address(const struct router_node *n, struct kafka_string host, int32_t port)
{
    return n->port == port && kafka_string_is_text(host, n->host);
}

/* An address of the settings may turn out to be a node's: then it is that node from now on. */
static struct router_node *unnamed(struct router_shard *s, struct kafka_string host, int32_t port)
{
    for (struct router_node *n = s->pool.nodes; n != NULL; n = n->next)
        if (n->id < 0 && has_address(n, host, port))
            return n;
    return NULL;
}

struct router_node *node_pool_put(struct router_shard *s, int32_t id, struct kafka_string host,
                                  int32_t port, struct kafka_string site)
{
    struct router_node *n = node_pool_find(s, id);
    if (n == NULL)
        n = unnamed(s, host, port);
    if (n == NULL)
        n = add_node(s, id);
    if (n == NULL)
        return NULL;
    n->id = id;
    if (!has_address(n, host, port))
        node_set_address(n, host, port);
    size_t size = site.size < 0 ? 0 : (size_t)site.size;
    size = size < sizeof n->site ? size : sizeof n->site - 1;
    memcpy(n->site, site.data == NULL ? "" : site.data, size);
    n->site[size] = '\0';
    return n;
}

static struct router_node *turn_of(struct router_shard *s, uint64_t turn, bool should_be_near)
{
    struct router_node *fitting[NODES_MAX];
    unsigned count = 0;
    for (struct router_node *n = s->pool.nodes; n != NULL; n = n->next)
        if (router_node_is_up(n) && n->answered_ms != 0 &&
            (!should_be_near || strcmp(n->site, s->settings->site) == 0))
            fitting[count++] = n;
    return count == 0 ? NULL : fitting[turn % count];
}

struct router_node *node_pool_any(struct router_shard *s, uint64_t turn)
{
    struct router_node *near = turn_of(s, turn, true);
    return near != NULL ? near : turn_of(s, turn, false);
}

static bool is_known(const struct router_shard *s, struct kafka_string host, int32_t port)
{
    for (const struct router_node *n = s->pool.nodes; n != NULL; n = n->next)
        if (has_address(n, host, port))
            return true;
    return false;
}

void node_pool_take_settings(struct router_shard *s)
{
    const struct conf_addresses *nodes = &s->settings->nodes;
    if (s->pool.look_up == NULL)
        s->pool.look_up = uv_getaddrinfo;
    for (unsigned i = 0; i < nodes->count; i++)
        if (!is_known(s, kafka_string_of(nodes->entries[i].host), nodes->entries[i].port))
            node_pool_put(s, -1, kafka_string_of(nodes->entries[i].host), nodes->entries[i].port,
                          KAFKA_STRING_NULL);
}

struct node_moment *node_pool_moments(const struct router_shard *s, unsigned *count)
{
    struct node_moment *moments = calloc(s->pool.node_count + 1, sizeof *moments);
    *count = moments == NULL ? 0 : s->pool.node_count;
    for (const struct router_node *n = s->pool.nodes; n != NULL && *count > 0; n = n->next)
        moments[n->place] = n->moment;
    return moments;
}

void node_pool_tick(struct router_shard *s, uint64_t now_ms)
{
    for (struct router_node *n = s->pool.nodes; n != NULL; n = n->next) {
        node_look_up_again(n, now_ms);
        node_look_at(n, now_ms);
    }
}

void node_pool_close(struct router_shard *s)
{
    for (struct router_node *n = s->pool.nodes; n != NULL; n = n->next)
        node_end_connections(n);
}

void node_pool_free(struct router_shard *s)
{
    while (s->pool.nodes != NULL) {
        struct router_node *n = s->pool.nodes;
        s->pool.nodes = n->next;
        free(n);
    }
}

bool node_pool_is_closed(const struct router_shard *s)
{
    return s->pool.upstream_count == 0;
}
