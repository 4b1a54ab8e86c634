/* Lanes: connections that a call has to itself, for as long as its node lets it wait.
 *
 *   call ──▶ idle lane? ──▶ new one, within the bound? ──▶ waits in the node's line for the next
 *
 * The lane used last is used next: those that are not needed any more end, from the other side, as
 * idle. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "router/node_parts.h"
#include "router/router.h"

/* ---- the line ---- */

static void join_line(struct lane_call *call)
{
    struct router_node *n = call->node;
    if (n->waiting == NULL)
        n->waiting_last = &n->waiting;
    call->next = NULL;
    call->previous = n->waiting_last;
    *n->waiting_last = call;
    n->waiting_last = &call->next;
}

static void leave_line(struct lane_call *call)
{
    assert(call->previous != NULL); /* it is in line */
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    else
        call->node->waiting_last = call->previous;
    call->previous = NULL;
}

bool router_node_lanes_are_short(const struct router_node *n)
{
    return n->waiting != NULL;
}

/* ---- lanes ---- */

static void serve(struct router_node *n);

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
    serve(n);
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

static void on_back(struct upstream_call *upstream, int status, struct slice answer)
{
    struct lane_call *call = upstream->data;
    struct router_node *n = call->node;
    call->lane->is_busy = false;
    call->lane = NULL;
    call->cb(call, status, answer); /* if it asks for a lane again, it is behind those that wait */
    serve(n);
}

/* ERR_BUSY: there is none. */
static int start(struct lane_call *call)
{
    struct router_node *n = call->node;
    struct lane *lane = idle_lane(n);
    if (lane == NULL && n->lane_count < (unsigned)n->owner->settings->lanes_per_node_max)
        lane = open_lane(n);
    if (lane == NULL)
        return n->lane_count > 0 ? ERR_BUSY : UV_ENOTCONN;
    struct kafka_envelope_client client = node_envelope_client(n, call->identity);
    call->call.data = call;
    call->call.give_up_ms = call->give_up_ms;
    int err = upstream_send(lane->upstream, &call->call, &client, call->inner,
                            router_now_ms(n->owner), on_back);
    if (err != 0)
        return err;
    lane->is_busy = true;
    call->lane = lane;
    return 0;
}

static bool is_open(const struct router_node *n)
{
    return router_node_is_up(n) && !n->owner->is_stopping;
}

static void serve(struct router_node *n)
{
    while (n->waiting != NULL && is_open(n)) {
        struct lane_call *call = n->waiting;
        int err = start(call);
        if (err == ERR_BUSY)
            return;
        leave_line(call);
        if (err != 0)
            call->cb(call, UV_ENOTCONN, (struct slice){0});
    }
}

int router_node_send_lane(struct router_node *n, struct lane_call *call,
                          const struct client_identity *identity, struct kafka_slices inner,
                          lane_call_cb cb)
{
    if (!is_open(n))
        return UV_ENOTCONN;
    call->node = n;
    call->identity = identity;
    call->inner = inner;
    call->cb = cb;
    call->lane = NULL;
    int err = n->waiting != NULL ? ERR_BUSY : start(call);
    if (err == ERR_BUSY)
        join_line(call);
    return err == ERR_BUSY ? 0 : err;
}

void lane_call_abandon(struct lane_call *call)
{
    if (call->lane != NULL) {
        upstream_close(call->lane->upstream);
    } else if (call->previous != NULL) {
        leave_line(call);
        call->cb(call, UV_ENOTCONN, (struct slice){0});
    }
}

/* ---- what is late, and the end ---- */

static struct lane_call *late_in_line(const struct router_node *n, uint64_t now_ms)
{
    struct lane_call *call = n->waiting;
    while (call != NULL && now_ms < call->give_up_ms)
        call = call->next;
    return call;
}

void node_give_up_late_lanes(struct router_node *n, uint64_t now_ms)
{
    struct lane_call *call;
    for (struct lane *lane = n->lanes, *next; lane != NULL; lane = next) {
        next = lane->next; /* it is freed later */
        if (upstream_is_late(lane->upstream, now_ms))
            upstream_close(lane->upstream);
    }
    while ((call = late_in_line(n, now_ms)) != NULL) {
        leave_line(call);
        call->cb(call, ERR_TIMEOUT, (struct slice){0});
    }
    serve(n);
}

void node_end_lanes(struct router_node *n)
{
    for (struct lane *lane = n->lanes, *next; lane != NULL; lane = next) {
        next = lane->next;
        upstream_close(lane->upstream);
    }
    while (n->waiting != NULL)
        lane_call_abandon(n->waiting);
}
