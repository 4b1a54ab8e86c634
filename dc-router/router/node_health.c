/* Does a node answer? A probe on a connection of its own says so four times a second, for on a pipe
 * an answer may be long in coming by right.
 *
 * One that is not connected has half the time of an answer: the kernel says SYN again after a
 * second, and then after two, four, eight, so one that was lost may not find a link that comes and
 * goes each second for as long as it does. */
#include "base/event.h"
#include "protocol/messages.h"
#include "router/node_parts.h"
#include "router/router.h"

#define PROBE_EVERY_MS 250
#define LOOK_EVERY_MS  100 /* at what is late */
#define FAILED_MANY    2   /* probes, one after another: one may meet a node that starts */

static void on_probe_end(void *data, struct upstream *u)
{
    struct router_node *n = data;
    node_count_out(n, u);
    if (n->probe == u)
        n->probe = NULL;
}

static void on_probed(struct upstream_call *call, int status, struct slice answer)
{
    struct router_node *n = call->data;
    (void)answer;
    n->is_probing = false;
    if (status != 0) {
        n->probes_failed++;
        n->failed = status == UV_ENOTCONN ? ROUTER_STAGE_CONNECT : ROUTER_STAGE_ANSWER;
        return;
    }
    n->probes_failed = 0;
    n->has_answered = true;
    n->answered_ms = router_now_ms(n->owner);
    n->is_doubted = false;
    if (n->is_silent)
        event_info("node_back", "peer_node=%d address=%s:%u", n->id, n->host, n->port);
    n->is_silent = false;
}

/* The cheapest request there is: does anybody answer? */
static void send_probe(struct router_node *n, uint64_t now_ms)
{
    static const uint8_t any_versions[] = {0, KAFKA_API_API_VERSIONS, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t nowhere[4] = {0};
    struct slice frame = {.bytes = bytes_of(any_versions, sizeof any_versions)};
    struct kafka_slices inner = {.items = &frame, .count = 1};
    struct kafka_envelope_client client = {.router_id = n->owner->router_id,
                                           .number = ROUTER_OWN_CLIENT,
                                           .address = bytes_of(nowhere, sizeof nowhere)};
    n->probed_ms = now_ms;
    if (n->probe == NULL || upstream_is_closing(n->probe))
        n->probe = node_open_upstream(n, n, on_probe_end);
    n->probe_call.data = n;
    n->is_probing = n->probe != NULL &&
                    upstream_send(n->probe, &n->probe_call, &client, inner, now_ms, on_probed) == 0;
}

static bool is_probe_late(const struct router_node *n, uint64_t silent_ms_max)
{
    uint64_t waited_ms = router_silence_ms(n->owner, n->probed_ms);
    return n->is_probing &&
           waited_ms > (upstream_was_connected(n->probe) ? silent_ms_max : silent_ms_max / 2);
}

void node_look_at(struct router_node *n, uint64_t now_ms)
{
    uint64_t silent_ms_max = (uint64_t)n->owner->settings->node_silent_ms;
    uint64_t silent_ms = router_silence_ms(n->owner, n->answered_ms);
    if (!n->has_address)
        return;
    if (!n->is_silent && silent_ms > silent_ms_max) {
        event_warn("node_silent", "peer_node=%d address=%s:%u ms=%llu", n->id, n->host, n->port,
                   (unsigned long long)silent_ms);
        n->is_silent = true;
        node_leave_silent(n);
    } else if (is_probe_late(n, silent_ms_max)) {
        upstream_close(n->probe);
    }
    if (!n->is_probing && now_ms - n->probed_ms >= PROBE_EVERY_MS)
        send_probe(n, now_ms);
    if (now_ms - n->looked_ms < LOOK_EVERY_MS)
        return;
    n->looked_ms = now_ms;
    node_give_up_late_pipes(n, now_ms);
    node_give_up_late_lanes(n, now_ms);
}

bool router_node_is_up(const struct router_node *n)
{
    return n->has_address && !n->is_silent;
}

/* One that is silent without a probe that failed: we have not been able to send any. */
enum router_stage router_node_stage(const struct router_node *n)
{
    if (n->probes_failed >= FAILED_MANY || (n->is_silent && n->probes_failed > 0))
        return n->failed;
    return n->has_answered && !n->is_silent ? ROUTER_STAGE_NONE : ROUTER_STAGE_COUNT;
}
