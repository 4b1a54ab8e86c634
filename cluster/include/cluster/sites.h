/* Which sites are to be used, as a part of group 0's state (metadata.h): the verdict that all have
 * agreed on (dc-router/policy.h), and an operator's drains, which are in it at once.
 *
 *   VERDICT         what the judge of group 0's leader offers: the one after that which is agreed
 *   DRAIN, UNDRAIN  an operator's word: the verdict after that which is agreed, made in apply
 *   WEIGHT          ... too: the site's share of the topics
 *
 * A verdict's epoch never repeats: a judge that has not heard of the newest one, or that was
 * overtaken, is refused and judges anew. Its failover epoch is that of this state.
 *
 * Leaders follow it: nobody should lead in a site that is drained, or cut off from another one
 * while a third hears both. What was left says nothing here: replicas hear for themselves who is
 * gone, and those who are back lead again after a quiet time of their own. */
#ifndef CLUSTER_SITES_H
#define CLUSTER_SITES_H

#include <stdbool.h>

#include "dc-router/policy.h"

struct metadata;

enum metadata_site_step {
    METADATA_SITE_VERDICT = 1,
    METADATA_SITE_DRAIN = 2,
    METADATA_SITE_UNDRAIN = 3,
    METADATA_SITE_WEIGHT = 4
};

/* A step as it is proposed. */
struct metadata_site_change {
    enum metadata_site_step step;
    const struct router_verdict *verdict; /* VERDICT: sound; its failover epoch is not used */
    char site[ROUTER_SITE_NAME_SIZE];     /* the others */
    uint16_t weight;                      /* WEIGHT: 1..ROUTER_WEIGHT_MAX */
};

/* Under the metadata's read lock, as all queries. NULL: none is agreed yet. */
const struct router_verdict *metadata_verdict(const struct metadata *m);
/* Should nobody lead in that site, by the verdict? */
bool metadata_is_shunned(const struct metadata *m, const char *site);
/* ... is it drained, or was until a while ago? */
bool metadata_is_drained(const struct metadata *m, const char *site);

#endif
