/* Connections to a node that calls share. One that ended is opened again by whoever wants to send.
 */
#include "router/node_parts.h"
#include "router/router.h"

#define ANSWER_BYTES_MAX (256u << 20)
#define TALK_MS_MAX      10000 /* that a node takes for what it answers soon */
#define OWN_MS_MAX       3000  /* and for what another node can be asked as well */
#define STUCK_MS         300   /* behind what is so old nobody stands who has a choice */

struct upstream *node_open_upstream(struct router_node *n, void *data, upstream_end_cb on_end)
{
    struct router_shard *s = n->owner;
    struct upstream_options options = {
        .loop = shard_loop(s->shard),
        .address = (const struct sockaddr *)&n->address,
        .frame_bytes_max = ANSWER_BYTES_MAX,
        .moment = &n->moment,
        .held_bytes = &s->held_bytes,
        .data = data,
        .on_end = on_end,
    };
    if (!n->has_address || s->is_stopping || s->pool.upstream_count >= NODE_CONNECTIONS_MAX)
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
    for (unsigned kind = 0; kind < NODE_PIPE_KINDS; kind++)
        for (unsigned i = 0; i < NODE_PIPES_MAX; i++)
            if (n->pipes[kind][i] == u)
                n->pipes[kind][i] = NULL;
}

static bool is_over(const struct upstream *u)
{
    return u == NULL || upstream_is_closing(u); /* one that ends frees itself */
}

struct kafka_envelope_client node_envelope_client(const struct router_node *n,
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

static unsigned place_of(const struct client_identity *identity)
{
    return identity->pipe_count > 0 ? identity->turn % identity->pipe_count : 0;
}

static int send_pipe(struct router_node *n, enum node_pipe_kind kind, struct upstream_call *call,
                     const struct client_identity *identity, struct kafka_slices inner,
                     upstream_cb cb)
{
    struct kafka_envelope_client client = node_envelope_client(n, identity);
    struct upstream **pipe = &n->pipes[kind][place_of(identity)];
    if (is_over(*pipe))
        *pipe = node_open_upstream(n, n, on_pipe_end);
    if (*pipe == NULL)
        return UV_ENOTCONN;
    return upstream_send(*pipe, call, &client, inner, router_now_ms(n->owner), cb);
}

int router_node_send(struct router_node *n, struct upstream_call *call,
                     const struct client_identity *identity, struct kafka_slices inner,
                     upstream_cb cb)
{
    call->give_up_ms = router_now_ms(n->owner) + TALK_MS_MAX;
    return send_pipe(n, NODE_PIPE_TALK, call, identity, inner, cb);
}

int router_node_send_batches(struct router_node *n, struct upstream_call *call,
                             const struct client_identity *identity, struct kafka_slices inner,
                             upstream_cb cb)
{
    return send_pipe(n, NODE_PIPE_BATCHES, call, identity, inner, cb);
}

static bool is_stuck(const struct router_node *n, const struct upstream *pipe)
{
    uint64_t oldest_ms = is_over(pipe) ? 0 : upstream_oldest_ms(pipe);
    return oldest_ms != 0 && router_now_ms(n->owner) - oldest_ms > STUCK_MS;
}

void router_node_avoid_stuck(const struct router_node *n, struct client_identity *identity)
{
    for (unsigned i = 1; i < identity->pipe_count; i++) {
        if (!is_stuck(n, n->pipes[NODE_PIPE_BATCHES][place_of(identity)]))
            return;
        identity->turn++;
    }
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
    struct kafka_envelope_client client = node_envelope_client(n, &identity);
    call->give_up_ms = router_now_ms(n->owner) + OWN_MS_MAX;
    if (is_over(n->own))
        n->own = node_open_upstream(n, n, on_own_end);
    if (n->own == NULL)
        return UV_ENOTCONN;
    return upstream_send(n->own, call, &client, inner, router_now_ms(n->owner), cb);
}

/* ---- the end ---- */

static void close_if_late(struct upstream *u, uint64_t now_ms)
{
    if (!is_over(u) && upstream_is_late(u, now_ms))
        upstream_close(u);
}

void node_give_up_late_pipes(struct router_node *n, uint64_t now_ms)
{
    for (unsigned kind = 0; kind < NODE_PIPE_KINDS; kind++)
        for (unsigned i = 0; i < NODE_PIPES_MAX; i++)
            close_if_late(n->pipes[kind][i], now_ms);
    close_if_late(n->own, now_ms);
}

static void end_connections(struct router_node *n, bool is_silent)
{
    for (unsigned kind = 0; kind < NODE_PIPE_KINDS; kind++)
        for (unsigned i = 0; i < NODE_PIPES_MAX; i++)
            if (n->pipes[kind][i] != NULL)
                upstream_close(n->pipes[kind][i]);
    node_end_lanes(n, is_silent);
    if (n->own != NULL)
        upstream_close(n->own);
    if (n->probe != NULL)
        upstream_close(n->probe);
}

void node_end_connections(struct router_node *n)
{
    end_connections(n, false);
}

void node_leave_silent(struct router_node *n)
{
    end_connections(n, true);
}
