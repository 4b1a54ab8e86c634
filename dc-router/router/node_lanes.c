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

static struct lane_set *set_of(const struct lane_call *call)
{
    return &call->node->lanes[call->kind];
}

static void join_line(struct lane_call *call)
{
    struct lane_set *set = set_of(call);
    if (set->waiting == NULL)
        set->waiting_last = &set->waiting;
    call->next = NULL;
    call->previous = set->waiting_last;
    *set->waiting_last = call;
    set->waiting_last = &call->next;
}

static void leave_line(struct lane_call *call)
{
    assert(call->previous != NULL); /* it is in line */
    *call->previous = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    else
        set_of(call)->waiting_last = call->previous;
    call->previous = NULL;
}

bool router_node_lanes_are_short(const struct router_node *n)
{
    return n->lanes[LANE_OTHERS].waiting != NULL;
}

/* ---- lanes ---- */

static void serve(struct router_node *n, enum lane_kind kind);

static void take_out(struct lane_set *set, struct lane *lane)
{
    *(lane->previous != NULL ? &lane->previous->next : &set->first) = lane->next;
    *(lane->next != NULL ? &lane->next->previous : &set->last) = lane->previous;
}

static void put_first(struct lane_set *set, struct lane *lane)
{
    lane->previous = NULL;
    lane->next = set->first;
    *(set->first != NULL ? &set->first->previous : &set->last) = lane;
    set->first = lane;
}

static void put_last(struct lane_set *set, struct lane *lane)
{
    lane->next = NULL;
    lane->previous = set->last;
    *(set->last != NULL ? &set->last->next : &set->first) = lane;
    set->last = lane;
}

static void set_busy(struct lane *lane, bool is_busy)
{
    struct lane_set *set = &lane->node->lanes[lane->kind];
    lane->is_busy = is_busy;
    lane->idle_ms = router_now_ms(lane->node->owner);
    if (upstream_is_closing(lane->upstream))
        return; /* who ends them one after another is just here */
    take_out(set, lane);
    if (is_busy)
        put_last(set, lane);
    else
        put_first(set, lane);
}

static void on_lane_end(void *data, struct upstream *u)
{
    struct lane *lane = data;
    struct router_node *n = lane->node;
    enum lane_kind kind = lane->kind;
    node_count_out(n, u);
    take_out(&n->lanes[kind], lane);
    n->lanes[kind].count--;
    free(lane);
    serve(n, kind);
}

static struct lane *open_lane(struct router_node *n, enum lane_kind kind)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->node = n;
    lane->kind = kind;
    lane->upstream = node_open_upstream(n, lane, on_lane_end);
    if (lane->upstream == NULL) {
        free(lane);
        return NULL;
    }
    put_first(&n->lanes[kind], lane);
    n->lanes[kind].count++;
    return lane;
}

static struct lane *idle_lane(const struct lane_set *set)
{
    for (struct lane *lane = set->first; lane != NULL && !lane->is_busy; lane = lane->next)
        if (!upstream_is_closing(lane->upstream))
            return lane;
    return NULL;
}

static unsigned lanes_max(const struct router_node *n, enum lane_kind kind)
{
    const struct router_settings *settings = n->owner->settings;
    return (unsigned)(kind == LANE_GROUPS ? settings->group_lanes_per_node_max
                                          : settings->lanes_per_node_max);
}

static void on_back(struct upstream_call *upstream, int status, struct slice answer)
{
    struct lane_call *call = upstream->data;
    struct router_node *n = call->node;
    enum lane_kind kind = call->kind;
    set_busy(call->lane, false);
    call->lane = NULL;
    call->cb(call, status, answer); /* if it asks for a lane again, it is behind those that wait */
    serve(n, kind);
}

/* ERR_BUSY: there is none. */
static int start(struct lane_call *call)
{
    struct router_node *n = call->node;
    struct lane_set *set = set_of(call);
    struct lane *lane = idle_lane(set);
    if (lane == NULL && set->count < lanes_max(n, call->kind))
        lane = open_lane(n, call->kind);
    if (lane == NULL)
        return set->count > 0 ? ERR_BUSY : UV_ENOTCONN;
    struct kafka_envelope_client client = node_envelope_client(n, call->identity);
    call->call.data = call;
    call->call.give_up_ms = call->give_up_ms;
    int err = upstream_send(lane->upstream, &call->call, &client, call->inner,
                            router_now_ms(n->owner), on_back);
    if (err != 0)
        return err;
    set_busy(lane, true);
    lane->outlasts_silence = call->outlasts_silence;
    call->lane = lane;
    return 0;
}

static bool is_open(const struct router_node *n)
{
    return router_node_is_up(n) && !n->owner->is_stopping;
}

static void serve(struct router_node *n, enum lane_kind kind)
{
    while (n->lanes[kind].waiting != NULL && is_open(n)) {
        struct lane_call *call = n->lanes[kind].waiting;
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
    int err = set_of(call)->waiting != NULL ? ERR_BUSY : start(call);
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

static struct lane_call *late_in_line(const struct lane_set *set, uint64_t now_ms)
{
    struct lane_call *call = set->waiting;
    while (call != NULL && now_ms < call->give_up_ms)
        call = call->next;
    return call;
}

/* Its call is late; or it was opened for a group whose members have all come. */
static bool is_over(const struct lane *lane, uint64_t now_ms)
{
    bool has_rested = lane->kind == LANE_GROUPS && !lane->is_busy && lane->idle_ms != 0 &&
                      now_ms - lane->idle_ms > LANE_REST_MS;
    return has_rested || upstream_is_late(lane->upstream, now_ms);
}

static void give_up_late(struct router_node *n, enum lane_kind kind, uint64_t now_ms)
{
    struct lane_set *set = &n->lanes[kind];
    struct lane_call *call;
    for (struct lane *lane = set->first; lane != NULL; lane = lane->next) /* it is freed later */
        if (is_over(lane, now_ms))
            upstream_close(lane->upstream);
    while ((call = late_in_line(set, now_ms)) != NULL) {
        leave_line(call);
        call->cb(call, ERR_TIMEOUT, (struct slice){0});
    }
    serve(n, kind);
}

void node_give_up_late_lanes(struct router_node *n, uint64_t now_ms)
{
    for (unsigned kind = 0; kind < LANE_KINDS; kind++)
        give_up_late(n, (enum lane_kind)kind, now_ms);
}

void node_end_lanes(struct router_node *n, bool is_silent)
{
    for (unsigned kind = 0; kind < LANE_KINDS; kind++) {
        struct lane_set *set = &n->lanes[kind];
        for (struct lane *lane = set->first; lane != NULL; lane = lane->next)
            if (!(is_silent && lane->is_busy && lane->outlasts_silence))
                upstream_close(lane->upstream);
        while (set->waiting != NULL)
            lane_call_abandon(set->waiting);
    }
}
