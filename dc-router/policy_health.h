/* What the matrix of reports says of each site, before any calm (policy_health.c). */
#ifndef DC_ROUTER_POLICY_HEALTH_H
#define DC_ROUTER_POLICY_HEALTH_H

#include "dc-router/policy_judge.h"

enum evidence {
    EVIDENCE_NONE = 0, /* nobody who could know has said anything */
    EVIDENCE_DEAD = 1, /* no site that is reached itself reaches it */
    EVIDENCE_LIVE = 2
};

/* One look at the matrix. Sets of sites are bits by index. */
struct picture {
    uint32_t heard_by[ROUTER_SITES_MAX]; /* by site: who reaches it */
    uint32_t lost_by[ROUTER_SITES_MAX];  /* who does not */
    uint32_t reached;                    /* sites that another one reaches */
    uint32_t live;                       /* sites with EVIDENCE_LIVE */
    uint32_t uneasy;                     /* a path to it, not lost, is half way there */
    uint32_t unsettled; /* a path to it is on its way: a quarter to lost, or back by a quarter */
    enum evidence evidence[ROUTER_SITES_MAX];
};

_Static_assert(ROUTER_SITES_MAX <= 32, "sets of sites are bits");

static inline uint32_t bit_of(unsigned site)
{
    return (uint32_t)1 << site;
}

/* Brings one path up to date with a try that ended at `at_ms`, the judge's time. One older than
 * what is known changes nothing. */
void path_take(struct router_path *path, const struct router_judge_options *options,
               enum router_stage stage, int64_t at_ms);

/* Its state now: UNKNOWN as well when the newest report is stale. */
enum router_path_state path_state(const struct router_path *path,
                                  const struct router_judge_options *options, int64_t now_ms);

/* Looks at all of it, at the judge's present time. */
void picture_take(const struct router_judge *judge, struct picture *picture);

/* Has anyone who makes the site live said so after `since_ms`, the judge's time, as his newest
 * word? Others count; it itself only where none of them hears it. */
bool picture_is_told_since(const struct router_judge *judge, const struct picture *picture,
                           unsigned site, int64_t since_ms);

/* Which of `others` and `site` do not hear each other, in either direction; `site` itself as well
 * when it does not reach itself. */
uint32_t picture_cut_off(const struct picture *picture, unsigned site, uint32_t others);

#endif
