/* How much goes to a peer, and how much this node fetches, of all groups together.
 *
 * Entries and pieces of files that were sent and not acknowledged fill a window for each peer; what
 * a returning node asks for is bounded by a rate, and by a share of that window. All in atomics,
 * from any shard. */
#include <assert.h>

#include "node_state.h"

#define FETCH_SAVED_NS UINT64_C(30000000)
#define FETCH_SHARE    4 /* of the window to a peer */

/* ---- to a peer ---- */

bool node_has_window(struct repl_node *n, uint32_t node_id, size_t bytes)
{
    size_t window = n->options.peer_window_bytes;
    struct node_peer *p = node_find_peer(n, node_id);
    size_t taken = p == NULL ? 0 : atomic_load(&p->window_bytes);
    return window == 0 || taken == 0 || (taken < window && bytes <= window - taken);
}

/* A peer stays in its place for good, so what was taken is given back to the same. */
size_t node_window_take(struct repl_node *n, uint32_t node_id, size_t bytes)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (p == NULL)
        return 0;
    atomic_fetch_add(&p->window_bytes, bytes);
    return bytes;
}

void node_window_give(struct repl_node *n, uint32_t node_id, size_t bytes)
{
    struct node_peer *p = node_find_peer(n, node_id);
    if (bytes == 0)
        return;
    assert(p != NULL && atomic_load(&p->window_bytes) >= bytes);
    atomic_fetch_sub(&p->window_bytes, bytes);
}

/* ---- fetched ---- */

bool node_may_fetch(struct repl_node *n)
{
    return n->options.ship_bytes_per_second == 0 ||
           atomic_load(&n->fetched_until_ns) <= clock_now_ns(n->options.clock);
}

static bool is_fetching(const struct repl_node *n, size_t share)
{
    size_t window = n->options.peer_window_bytes;
    return window > 0 && atomic_load(&n->fetching_bytes) >= window / share;
}

bool node_fetches_enough(const struct repl_node *n)
{
    return is_fetching(n, FETCH_SHARE);
}

bool node_fetches_much(const struct repl_node *n)
{
    return is_fetching(n, 2 * FETCH_SHARE);
}

void node_fetched(struct repl_node *n, size_t bytes)
{
    size_t before = atomic_fetch_sub(&n->fetching_bytes, bytes);
    assert(before >= bytes);
    (void)before;
}

/* Ticks are 10 ms apart: what was not used for a little longer than that is not lost. */
void node_fetches(struct repl_node *n, size_t bytes)
{
    uint64_t rate = n->options.ship_bytes_per_second, now_ns = clock_now_ns(n->options.clock);
    atomic_fetch_add(&n->fetching_bytes, bytes);
    if (rate == 0)
        return;
    uint64_t takes_ns = bytes * UINT64_C(1000000000) / rate;
    uint64_t least_ns = now_ns > FETCH_SAVED_NS ? now_ns - FETCH_SAVED_NS : 0;
    uint64_t until_ns = atomic_load(&n->fetched_until_ns), next_ns;
    do
        next_ns = (until_ns > least_ns ? until_ns : least_ns) + takes_ns;
    while (!atomic_compare_exchange_weak(&n->fetched_until_ns, &until_ns, next_ns));
}
