/* A lane: the place of one connection, and when to make it.
 *
 *   waiting --timer--> attempt --handshake--> up --lost--> waiting (no delay)
 *      ^--------failed, refused, deadline--------'         (then doubling delays)
 *
 * The node with the smaller id connects. The other one can't see a refused connect, which is the
 * fastest proof that a process is gone, and it knows first that it has come back: so on the
 * CONTROL lane it knocks at the same times. A knock is a connect and, when that succeeds, a CALL
 * that makes the other side attempt all its lanes at once. Whoever restarts is thus connected
 * immediately, on whichever side it is, and a killed process is seen by all within a round trip.
 *
 * When connections end soon after they came, time after time, attempts slow down as if they had
 * failed: two nodes under one id, or a peer that falls over a frame, must not turn into a busy
 * loop. */
#include <assert.h>
#include <stdlib.h>

#include "base/event.h"
#include "peer_link_internal.h"

#define ATTEMPT_MS_MAX        2000 /* connect and handshake; far above any round trip between sites */
#define BACKOFF_DOUBLINGS_MAX 5
#define SHORT_LIVES_FREE      3 /* so often in a row a short connection is made again at once */

const char *peer_channel_name(enum net_channel channel)
{
    static const char *const names[NET_CHANNEL_COUNT] = {"control", "entries", "shipping"};
    assert(channel < NET_CHANNEL_COUNT);
    return names[channel];
}

static bool is_own(const struct peer_lane *lane)
{
    return lane->home->remotes[lane->peer->index].own[lane->channel] == lane;
}

/* CONTROL speaks for shard 0, the own ENTRIES lane for any other. */
static bool is_told_to_handler(const struct peer_lane *lane)
{
    return lane->channel == (lane->home->index == 0 ? NET_CONTROL : NET_ENTRIES) && is_own(lane);
}

static void tell_down(struct peer_lane *lane, bool is_refused)
{
    const struct net_handler *handler = &lane->home->handler;
    if (is_told_to_handler(lane) && handler->on_down != NULL)
        handler->on_down(handler->data, lane->peer->node_id, is_refused);
}

static void tell_up(struct peer_lane *lane)
{
    const struct net_handler *handler = &lane->home->handler;
    if (is_told_to_handler(lane) && handler->on_up != NULL)
        handler->on_up(handler->data, lane->peer->node_id);
}

/* The peer has so many shards that the lane has a sender on one of the sides. */
static bool has_sender(const struct peer_lane *lane)
{
    uint16_t peer_shards = lane->home->remotes[lane->peer->index].shard_count;
    return lane->number < lane->home->links->shard_count || lane->number < peer_shards;
}

static bool is_ours_to_attempt(const struct peer_lane *lane)
{
    struct peer_address place;
    if (!peer_remote_place(lane->home->links, lane->peer, &place))
        return false; /* it has to call first */
    if (lane->channel == NET_CONTROL)
        return true; /* connect or knock */
    struct peer_identity self = peer_links_self(lane->home->links);
    return lane->peer->is_called_by_us && has_sender(lane) && peer_identity_is_founded(&self);
}

static void on_timer(uv_timer_t *timer);

static void wait_ms(struct peer_lane *lane, uint64_t delay_ms)
{
    int err = uv_timer_start(&lane->timer, on_timer, delay_ms, 0);
    assert(err == 0); /* fails on a closing handle only */
    (void)err;
}

static void attempt_later(struct peer_lane *lane)
{
    unsigned doublings = lane->failures == 0 ? 0 : lane->failures - 1;
    if (doublings > BACKOFF_DOUBLINGS_MAX)
        doublings = BACKOFF_DOUBLINGS_MAX;
    uint64_t delay_ms = (uint64_t)lane->home->links->options.reconnect_ms << doublings;
    wait_ms(lane, lane->failures == 0 ? 0 : delay_ms);
}

static void attempt(struct peer_lane *lane)
{
    assert(lane->connection == NULL && lane->attempt == NULL);
    if (lane->home->is_stopping || !is_ours_to_attempt(lane))
        return; /* peer_lane_hurry() wakes it when that changes */
    int err = peer_connection_call(lane, !lane->peer->is_called_by_us, &lane->attempt);
    if (err == 0) {
        wait_ms(lane, ATTEMPT_MS_MAX);
        return;
    }
    lane->failures++;
    attempt_later(lane);
}

static void on_timer(uv_timer_t *timer)
{
    struct peer_lane *lane = timer->data;
    if (lane->attempt != NULL)
        peer_lane_on_end(lane, lane->attempt, UV_ETIMEDOUT);
    else if (lane->connection == NULL)
        attempt(lane);
}

struct peer_lane *peer_lane_get(struct peer_shard *s, struct peer_remote *peer,
                                enum net_channel channel, uint16_t number)
{
    struct peer_shard_remote *remote = &s->remotes[peer->index];
    for (struct peer_lane *lane = remote->lanes; lane != NULL; lane = lane->next)
        if (lane->channel == channel && lane->number == number)
            return lane;
    struct peer_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL || uv_timer_init(shard_loop(s->shard), &lane->timer) < 0) {
        free(lane);
        return NULL;
    }
    lane->timer.data = lane;
    lane->home = s;
    lane->peer = peer;
    lane->channel = channel;
    lane->number = number;
    lane->next = remote->lanes;
    remote->lanes = lane;
    bool is_sent_on = channel == NET_ENTRIES ? number == s->index : s->index == 0;
    if (is_sent_on)
        remote->own[channel] = lane;
    peer_shard_opened(s);
    return lane;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct peer_lane *lane = handle->data;
    struct peer_shard *home = lane->home;
    free(lane);
    peer_shard_closed(home);
}

void peer_lane_close(struct peer_lane *lane)
{
    if (lane->connection != NULL)
        peer_connection_close(lane->connection);
    if (lane->attempt != NULL)
        peer_connection_close(lane->attempt);
    lane->connection = lane->attempt = NULL;
    uv_close((uv_handle_t *)&lane->timer, on_timer_closed);
}

void peer_lane_hurry(struct peer_lane *lane)
{
    if (lane->connection != NULL)
        return;
    if (lane->attempt != NULL) {
        /* One that is past TCP ends soon by itself; giving it up here could go on for ever,
         * each side undoing the other's work. A connect to a dead address is worth nothing. */
        if (lane->attempt->state == PEER_GREETING)
            return;
        peer_connection_close(lane->attempt);
        lane->attempt = NULL;
    }
    lane->failures = 0;
    wait_ms(lane, 0);
}

/* ENTRIES lanes for the shards that the peer has beyond ours: they send on them, we only hear. */
static void attempt_lanes_of_more_shards(struct peer_lane *lane)
{
    struct peer_shard *s = lane->home;
    unsigned step = s->links->shard_count;
    unsigned peer_shards = s->remotes[lane->peer->index].shard_count;
    for (unsigned number = s->index + step; number < peer_shards; number += step) {
        struct peer_lane *more = peer_lane_get(s, lane->peer, NET_ENTRIES, (uint16_t)number);
        if (more != NULL && more->connection == NULL && more->attempt == NULL)
            wait_ms(more, 0);
    }
}

void peer_lane_on_hello(struct peer_lane *lane, const struct peer_hello *hello)
{
    struct peer_links *l = lane->home->links;
    lane->home->remotes[lane->peer->index].shard_count = hello->shard_count;
    if (lane->channel != NET_CONTROL)
        return;
    peer_remote_heard(l, lane->peer, &hello->identity);
    if (l->options.on_hello != NULL)
        l->options.on_hello(l->options.hello_data, &hello->identity);
    peer_links_hurry(l, lane->peer); /* data lanes may be allowed now */
}

void peer_lane_on_up(struct peer_lane *lane, struct peer_connection *c,
                     const struct peer_hello *hello)
{
    if (lane->connection != NULL) /* the peer knows better: it made a new one */
        peer_lane_on_end(lane, lane->connection, ERR_CLOSED);
    if (lane->attempt != NULL && lane->attempt != c)
        peer_connection_close(lane->attempt);
    lane->attempt = NULL;
    lane->connection = c;
    lane->refusal = PEER_ACCEPTED;
    lane->up_at_ms = uv_now(shard_loop(lane->home->shard));
    uv_timer_stop(&lane->timer);
    event_info("peer_up", "peer=%u peer_site=%s channel=%s lane=%u incarnation=%llx",
               hello->identity.node_id, hello->identity.site, peer_channel_name(lane->channel),
               lane->number, (unsigned long long)hello->identity.incarnation);
    peer_lane_on_hello(lane, hello);
    if (lane->channel == NET_ENTRIES && lane->peer->is_called_by_us)
        attempt_lanes_of_more_shards(lane);
    tell_up(lane);
}

/* An operator hears the first failure of a row; the rest is the same. */
static void tell_failure(const struct peer_lane *lane, int status)
{
    struct peer_address place = {0};
    if (lane->failures != 0 || lane->channel != NET_CONTROL)
        return;
    peer_remote_place(lane->home->links, lane->peer, &place);
    event_info("peer_unreachable", "peer=%u host=%s port=%u error=%s", lane->peer->node_id,
               place.host, place.port, err_name(status));
}

static void on_attempt_end(struct peer_lane *lane, int status)
{
    lane->attempt = NULL;
    if (status < 0)
        tell_failure(lane, status);
    if (lane->channel == NET_CONTROL && (status < 0 || lane->refusal != PEER_ACCEPTED))
        peer_remote_try_elsewhere(lane->home->links, lane->peer);
    lane->failures++;
    attempt_later(lane);
    if (status == UV_ECONNREFUSED)
        tell_down(lane, true);
}

static void on_lost(struct peer_lane *lane, int status)
{
    uint64_t up_ms = uv_now(shard_loop(lane->home->shard)) - lane->up_at_ms;
    lane->connection = NULL;
    event_warn("peer_lost", "peer=%u channel=%s lane=%u up_ms=%llu error=%s", lane->peer->node_id,
               peer_channel_name(lane->channel), lane->number, (unsigned long long)up_ms,
               err_name(status));
    bool is_short = up_ms < lane->home->links->options.reconnect_ms;
    lane->short_lives = is_short ? lane->short_lives + 1 : 0;
    lane->failures = lane->short_lives > SHORT_LIVES_FREE ? lane->short_lives - SHORT_LIVES_FREE
                                                          : 0;
    attempt_later(lane);
    tell_down(lane, false);
}

void peer_lane_on_end(struct peer_lane *lane, struct peer_connection *c, int status)
{
    assert(c == lane->attempt || c == lane->connection);
    peer_connection_close(c);
    if (c == lane->attempt)
        on_attempt_end(lane, status);
    else
        on_lost(lane, status);
}

static void tell_refused(const struct peer_lane *lane, unsigned refusal, uint32_t node_id)
{
    struct peer_address place = {0};
    peer_remote_place(lane->home->links, lane->peer, &place);
    event_warn("peer_refused",
               "peer=%u host=%s port=%u channel=%s by=%s node_there=%u reason=\"%s\"",
               lane->peer->node_id, place.host, place.port, peer_channel_name(lane->channel),
               node_id != 0 ? "peer" : "us", node_id, peer_refusal_text(refusal));
}

void peer_lane_on_refused(struct peer_lane *lane, struct peer_connection *c, unsigned refusal,
                          uint32_t node_id)
{
    /* NOT_FOUNDED is how a cluster begins, not something to look at. */
    if (refusal != lane->refusal && refusal != PEER_REFUSED_NOT_FOUNDED)
        tell_refused(lane, refusal, node_id);
    lane->refusal = refusal;
    if (node_id != 0)
        peer_connection_close(c);
    else
        peer_connection_refuse(c, refusal);
    if (c == lane->attempt)
        on_attempt_end(lane, 0);
    else
        on_lost(lane, ERR_CLOSED);
}

void peer_lane_on_removed(struct peer_lane *lane)
{
    if (lane->connection != NULL) {
        peer_connection_refuse(lane->connection, PEER_REFUSED_REMOVED);
        lane->connection = NULL;
        tell_down(lane, false);
    }
    peer_lane_close(lane);
}
