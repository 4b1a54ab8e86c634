/* What the cluster has agreed on its sites (dc-router/policy.h), as any node tells it: asked for
 * twice a second, by the first shard for all. Where nothing is agreed, or nobody tells it, what was
 * known stays; what a node tells that is behind is let be (docs/verdict_format.md). */
#ifndef ROUTER_SITE_VERDICT_H
#define ROUTER_SITE_VERDICT_H

#include "dc-router/policy.h"
#include "router/upstream.h"

struct router_shard;

struct site_verdict {
    struct upstream_call call;
    char cluster_id[ROUTER_CLUSTER_ID_SIZE]; /* whose verdict the view has; "": not known */
    bool is_asking;
    uint64_t asked_ms, turn;
};

/* About every 20 ms. */
void site_verdict_tick(struct router_shard *s, uint64_t now_ms);

/* Are its nodes to be read from for being near? Not those of a site that is left or drained. True
 * where nothing is known of it. */
bool site_verdict_lets_read(const struct router_verdict *verdict, const char *site);

#endif
