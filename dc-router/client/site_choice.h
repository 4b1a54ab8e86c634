/* Which site an application uses: the verdict that all share, and what it sees itself. Private to
 * libtrilog. No I/O, no clock, no allocation.
 *
 * The verdict gives the order of sites; the first whose routers answer is used. A site whose
 * routers this application lost is taken back when they have answered for a quiet time, longer each
 * time that it was lost; one that the verdict puts in front is taken at once: the verdict is calm
 * by itself. */
#ifndef CLIENT_SITE_CHOICE_H
#define CLIENT_SITE_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/field.h"
#include "dc-router/policy.h"
#include "record.h"

#define SITE_NONE           UINT32_MAX
#define SITE_QUIET_MS       10000
#define SITE_QUIET_MS_MAX   300000
#define SITE_LOSSES_KEPT_MS 600000 /* who answered for so long begins to count anew */

struct choice_site {
    char name[CONF_NAME_SIZE];
    bool is_up;           /* its routers answered when they were last asked */
    uint64_t up_since_ms; /* while it is up */
    unsigned loss_count;  /* how often they stopped answering */
};

struct site_choice {
    char own[CONF_NAME_SIZE];
    char topic[RECORD_TOPIC_SIZE_MAX + 1]; /* the application's; "": not known yet */
    bool has_verdict;
    struct router_verdict verdict;
    unsigned used; /* index in `sites`, or SITE_NONE */
    unsigned count;
    struct choice_site sites[ROUTER_SITES_MAX];
};

/* The site of that name, added where it is new; SITE_NONE when there are too many. */
unsigned site_choice_site(struct site_choice *c, const char *name);

void site_choice_on_up(struct site_choice *c, unsigned site, uint64_t now_ms);
void site_choice_on_lost(struct site_choice *c, unsigned site);

/* Indexes in the order to use them in; returns how many. */
unsigned site_choice_order(const struct site_choice *c, unsigned order[ROUTER_SITES_MAX]);

/* Which is to be used now, or SITE_NONE where no site is up. */
unsigned site_choice_decide(const struct site_choice *c, uint64_t now_ms);

/* What the verdict says first for this application, whatever it reaches itself: own site without a
 * verdict. */
const char *site_choice_first(const struct site_choice *c);

#endif
