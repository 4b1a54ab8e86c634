/* The other routers of this site, and of sites whose clients may ask here: which of them answer?
 *
 * Each is asked for its ApiVersions twice a second, as a client would ask, at the address that
 * clients are told. One that refuses, or answers nothing for `node_silent_ms`, is not shown to
 * clients any more; one that is back is, after it has answered for a while without a gap: clients
 * that go to and fro gain nothing. The first shard does it, for all. */
#ifndef ROUTER_PEERS_H
#define ROUTER_PEERS_H

#include <stdbool.h>
#include <stdint.h>

struct router_settings;
struct router_shard;
struct peer;

#define PEER_RETURN_MS 2000 /* it has answered for so long: it is back */

struct peers {
    struct peer *first;
    unsigned count; /* memory still in use */
};

/* At the start and when settings have changed. */
void peers_take_settings(struct router_shard *s);
/* About every 20 ms. */
void peers_tick(struct router_shard *s, uint64_t now_ms);
/* Is it looked whether that site's routers answer? */
bool peers_watch_site(const struct router_settings *settings, const char *site);
/* All end, soon: when `count` is 0. */
void peers_close(struct router_shard *s);

#endif
