/* Do this node's shards answer? Each is asked a few times a second, by one small item that goes
 * there and back, so that /livez costs nothing and can't be kept from answering by other callers.
 */
#ifndef CLUSTER_ADMIN_WATCH_H
#define CLUSTER_ADMIN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shard.h"
#include "replication/node.h"

#define WATCH_SILENT_MS 2000 /* a shard that has an item for so long is silent */

struct broker;
struct admin;

struct watch_shard {
    struct admin *admin;
    struct work_item item;
    bool is_out;        /* the item is with the shard */
    uint64_t posted_ns; /* clock: when it was last sent there */
    uint64_t answer_us; /* how long it was away the last time */
};

struct watch {
    struct watch_shard shards[REPL_SHARDS_MAX];
};

/* About every 250 ms, once the node serves and until it stops. On the port's thread. */
void watch_tick(struct admin *a, struct broker *b);
/* For how long the shard has not answered, in ms: 0 when it has. */
uint64_t watch_silent_ms(const struct admin *a, unsigned shard);

#endif
