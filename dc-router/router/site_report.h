/* What this router finds of the sites, told to the cluster (dc-router/policy_report.h): by the
 * first shard for all, twice a second as long as none of a site's nodes answers it, and once when
 * one does again. While all is well nothing is said: nodes have a canary for that. */
#ifndef ROUTER_SITE_REPORT_H
#define ROUTER_SITE_REPORT_H

#include "dc-router/policy.h"
#include "router/upstream.h"

struct router_shard;

struct site_report {
    struct upstream_call call;
    bool is_telling;
    uint64_t told_ms, turn;
    uint32_t failing;  /* sites of the verdict of which that was told last, a bit each … */
    uint32_t clearing; /* … and of them those of which it is being told that they are well again */
};

/* About every 20 ms. */
void site_report_tick(struct router_shard *s, uint64_t now_ms);

/* How far this shard gets in the site: ROUTER_STAGE_NONE where one of its nodes answers, else the
 * furthest that any of them came, ROUTER_STAGE_COUNT where nothing is known yet. */
enum router_stage site_report_stage(const struct router_shard *s, const char *site);

#endif
