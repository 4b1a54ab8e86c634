/* What the router as a whole has found out, as each shard has it: the first shard finds it out, for
 * all, and gives each a copy when it changes. */
#ifndef ROUTER_VIEW_H
#define ROUTER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/router_conf.h"

struct router_shard;

struct view {
    unsigned live_count;            /* of the other routers of this site: */
    int32_t live[CONF_ROUTERS_MAX]; /* ids of those that answer, rising */
};

bool view_has_live(const struct view *v, uint32_t router_id);
/* On the first shard, whose own view has changed: the others get it, soon. */
void view_publish(struct router_shard *s);

#endif
