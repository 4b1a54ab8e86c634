/* Connections to a node: pipes, lanes. One that ended is opened again by whoever wants to send. */
#include <stdlib.h>

#include "base/err.h"
#include "router/node_parts.h"
#include "router/router.h"

#define ANSWER_BYTES_MAX   (256u << 20)
#define UPSTREAM_COUNT_MAX 4096

struct upstream *node_open_upstream(struct router_node *n, void *data, upstream_end_cb on_end)
{
    struct router_shard *s = n->owner;
    struct upstream_options options = {
        .loop = shard_loop(s->shard),
        .address = (const struct sockaddr *)&n->address,
        .frame_bytes_max = ANSWER_BYTES_MAX,
        .moment = &n->moment,
        .data = data,
        .on_end = on_end,
    };
    if (!n->has_address || s->is_stopping || s->pool.upstream_count >= UPSTREAM_COUNT_MAX)
        return NULL;
    struct upstream *u = upstream_open(&options);
    if (u != NULL)
        s->pool.upstream_count++;
    return u;
}

void node_count_out(struct router_node *n, const struct upstream *u)
{
    n->owner->pool.upstream_count--;
    n->is_doubted |= !upstream_was_connected(u);
}

/* ---- pipes ---- */

static void on_pipe_end(void *data, struct upstream *u)
{
    struct router_node *n = data;
    node_count_out(n, u);
    for (unsigned i = 0; i < NODE_PIPES_MAX; i++)
        if (n->pipes[i] == u)
            n->pipes[i] = NULL;
}

static bool is_over(const struct upstream *u)
{
    return u == NULL || upstream_is_closing(u); /* one that ends frees itself */
}

static struct kafka_envelope_client as_client(const struct router_node *n,
                                              const struct client_identity *identity)
{
    struct kafka_envelope_client client = {
        .address = identity->address, .router_id = n->owner->router_id, .number = identity->number};
    if (n->place < identity->since_count) {
        client.since = identity->since[n->place].now;
        client.node_life = identity->since[n->place].life;
    }
    return client;
}

int router_node_send(struct router_node *n, struct upstream_call *call,
                     const struct client_identity *identity, struct kafka_slices inner,
                     upstream_cb cb)
{
    unsigned place = (unsigned)((uint64_t)identity->number %
                                (uint64_t)n->owner->settings->pipes_per_node);
    struct kafka_envelope_client client = as_client(n, identity);
    struct upstream **pipe = &n->pipes[place];
    if (is_over(*pipe))
        *pipe = node_open_upstream(n, n, on_pipe_end);
    if (*pipe == NULL)
        return UV_ENOTCONN;
    return upstream_send(*pipe, call, &client, inner, router_now_ms(n->owner), cb);
}

/* ---- the router's own ---- */

static void on_own_end(void *data, struct upstream *u)
{
    struct router_node *n = data;
    node_count_out(n, u);
    if (n->own == u)
        n->own = NULL;
}

int router_node_send_own(struct router_node *n, struct upstream_call *call,
                         struct kafka_slices inner, upstream_cb cb)
{
    static const uint8_t nobody[4];
    struct client_identity identity = {.number = ROUTER_OWN_CLIENT,
                                       .address = bytes_of(nobody, sizeof nobody)};
    struct kafka_envelope_client client = as_client(n, &identity);
    if (is_over(n->own))
        n->own = node_open_upstream(n, n, on_own_end);
    if (n->own == NULL)
        return UV_ENOTCONN;
    return upstream_send(n->own, call, &client, inner, router_now_ms(n->owner), cb);
}

/* ---- lanes ---- */

static void on_lane_end(void *data, struct upstream *u)
{
    struct lane *lane = data;
    struct router_node *n = lane->node;
    node_count_out(n, u);
    for (struct lane **at = &n->lanes; *at != NULL; at = &(*at)->next)
        if (*at == lane) {
            *at = lane->next;
            break;
        }
    n->lane_count--;
    free(lane);
}

static struct lane *open_lane(struct router_node *n)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->node = n;
    lane->upstream = node_open_upstream(n, lane, on_lane_end);
    if (lane->upstream == NULL) {
        free(lane);
        return NULL;
    }
    lane->next = n->lanes;
    n->lanes = lane;
    n->lane_count++;
    return lane;
}

static struct lane *idle_lane(struct router_node *n)
{
    for (struct lane *lane = n->lanes; lane != NULL; lane = lane->next)
        if (!lane->is_busy && !upstream_is_closing(lane->upstream))
            return lane;
    return NULL;
}

int router_node_send_lane(struct router_node *n, struct upstream_call *call,
                          const struct client_identity *identity, struct kafka_slices inner,
                          upstream_cb cb, struct lane **lane)
{
    *lane = idle_lane(n);
    if (*lane == NULL && n->lane_count >= (unsigned)n->owner->settings->lanes_per_node_max)
        return ERR_BUSY;
    if (*lane == NULL)
        *lane = open_lane(n);
    if (*lane == NULL)
        return UV_ENOTCONN;
    struct kafka_envelope_client client = as_client(n, identity);
    int err = upstream_send((*lane)->upstream, call, &client, inner, router_now_ms(n->owner), cb);
    (*lane)->is_busy = err == 0;
    return err;
}

/* The last used stands first: what is not needed any more ends, from the other side, as idle. */
void lane_give_back(struct lane *lane)
{
    lane->is_busy = false;
}

void lane_abandon(struct lane *lane)
{
    upstream_close(lane->upstream);
}

/* ---- the end ---- */

void node_end_connections(struct router_node *n)
{
    for (unsigned i = 0; i < NODE_PIPES_MAX; i++) {
        if (n->pipes[i] != NULL)
            upstream_close(n->pipes[i]);
    }
    for (struct lane *lane = n->lanes, *next; lane != NULL; lane = next) {
        next = lane->next; /* it is freed later */
        upstream_close(lane->upstream);
    }
    if (n->own != NULL)
        upstream_close(n->own);
    if (n->probe != NULL)
        upstream_close(n->probe);
}
