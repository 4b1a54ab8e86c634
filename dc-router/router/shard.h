/* One shard of a router: made, run, ended. */
#ifndef ROUTER_SHARD_H
#define ROUTER_SHARD_H

#include "router/router.h"

/* Listens and begins to reach nodes; on failure the note says why. From the starting thread. All
 * shards count their clients' connections in `connections`. */
int router_shard_create(struct kept_settings *settings, unsigned index, uint64_t number,
                        struct client_count *connections, struct router_shard **shard,
                        struct err_note *note);
/* The first shard begins to find out what all have to know; `all` has as many as the settings say,
 * and stays. */
void router_shard_watch(struct router_shard *s, struct router_shard *const *all);
/* Goes on with these settings, soon. Any thread. */
int router_shard_set(struct router_shard *s, struct kept_settings *settings);
/* What is due; about every 20 ms. */
void router_shard_tick(struct router_shard *s);
/* Takes no more connections, and ends those that it has as they come to rest, soon: when the board
 * says that there are none, it is done. Any thread. */
void router_shard_drain(struct router_shard *s, struct work_item *item);
/* Ends its connections and its thread, and frees it. */
void router_shard_destroy(struct router_shard *s);

#endif
