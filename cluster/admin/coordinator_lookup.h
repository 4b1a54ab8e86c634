/* Which node coordinates a consumer group, also of a cluster where none was ever looked for.
 *
 * It is asked as a client would ask, so the topic that carries groups is made when it is missing;
 * and then of the node that was named, until one names itself: that one has applied the topic's
 * beginning, and what is asked of it next is not refused for want of it. */
#ifndef CLUSTER_ADMIN_COORDINATOR_LOOKUP_H
#define CLUSTER_ADMIN_COORDINATOR_LOOKUP_H

#include "admin/admin_parts.h"

struct coordinator_lookup;
/* The coordinator's node id; 0: the call was refused. On the port's thread. */
typedef void (*coordinator_lookup_cb)(struct coordinator_lookup *lookup, uint32_t node_id);

/* Embed it; borrowed until `cb`, which runs exactly once, perhaps before the start returns, unless
 * the lookup was cancelled. */
struct coordinator_lookup {
    void *data;               /* the caller's */
    struct admin_call *call;  /* set these two before the start */
    const char *group_id;     /* borrowed */
    coordinator_lookup_cb cb; /* private from here on */
    uint32_t asked;           /* node id */
    unsigned count;           /* nodes asked so far */
};

void coordinator_lookup_start(struct coordinator_lookup *lookup, coordinator_lookup_cb cb);
void coordinator_lookup_cancel(struct coordinator_lookup *lookup);

#endif
