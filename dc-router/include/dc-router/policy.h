/* Which site to use: the verdict that all share, and the order that follows from it.
 *
 *   reports ──▶ judge (policy_judge.h) ──▶ VERDICT ──▶ order of sites, per topic and member
 *               one for all, agreed        bytes       everyone by himself, all alike
 *
 * A verdict is small and stands for itself: the sites with their weights, and of each whether it
 * is to be used, and why. It is agreed once for all (an entry of group 0) and told to nodes,
 * routers and clients. What each of them makes of it is a pure function of the verdict, the topic
 * and the member's own site; so all members of a topic in one site use the same sites in the same
 * order, and members of different sites use the same ones.
 *
 * No I/O, no clock, no allocation. Any thread, as long as nobody writes the same object. Wherever
 * an argument is NULL that may not be, the answer is ERR_INVALID and nothing is changed. */
#ifndef DC_ROUTER_POLICY_H
#define DC_ROUTER_POLICY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define ROUTER_SITES_MAX      16
#define ROUTER_SITE_NAME_SIZE 32 /* with the 0 behind it */
#define ROUTER_WEIGHT_MAX     100
#define ROUTER_NO_SITE        UINT_MAX /* where an index of a site is asked for: none */

/* A site as it is configured. */
struct router_site {
    char name[ROUTER_SITE_NAME_SIZE]; /* not empty, no two alike */
    uint32_t weight;                  /* 1..ROUTER_WEIGHT_MAX: share of the topics that it gets */
};

/* WHOLE --others can't hear it, while all hear another--> CUT --deserved, for a quiet time--> WHOLE
 * WHOLE, CUT --no site reaches it--> LEFT --reached, for a quiet time--> WHOLE or CUT */
enum router_health {
    ROUTER_WHOLE = 0, /* reached by as many sites as any other */
    ROUTER_CUT = 1,   /* reached, but cut off from a site that others reach: after the whole ones */
    ROUTER_LEFT = 2   /* dead, or not reached for long enough since: last of all */
};

/* IN --drain--> DRAINED --undrain--> ENDING --well for a quiet time--> IN */
enum router_drain {
    ROUTER_IN = 0,
    ROUTER_DRAINED = 1, /* by an operator's word: only where nothing else is there */
    ROUTER_ENDING = 2   /* taken back, and waits until it was quiet: still as drained */
};

/* How far the real path to a site went: the stage that failed. */
enum router_stage {
    ROUTER_STAGE_NONE = 0,    /* none: all of it went well */
    ROUTER_STAGE_CONNECT = 1, /* refused, or no answer to the SYN */
    ROUTER_STAGE_ANSWER = 2,  /* takes connections and answers nothing */
    ROUTER_STAGE_PRODUCE = 3, /* answers metadata, commits no record */
    ROUTER_STAGE_COMMIT = 4,  /* commits records, but no consumer's offset */
    ROUTER_STAGE_FETCH = 5    /* commits, but what was committed can't be read */
};
#define ROUTER_STAGE_COUNT 6

/* Why a site stands as it does. */
enum router_reason {
    ROUTER_REASON_WELL = 0,
    ROUTER_REASON_UNREACHED = 1, /* no site reaches it */
    ROUTER_REASON_FLAPPING = 2,  /* it comes and goes */
    ROUTER_REASON_UNHEARD = 3,   /* a site that hears others does not hear it, or it not that one */
    ROUTER_REASON_NOTHING_ELSE = 4 /* taken back before its quiet time: the others were gone */
};
#define ROUTER_REASON_COUNT 5

/* One site in a verdict. */
struct router_standing {
    struct router_site site;
    enum router_health health;
    enum router_drain drain;
    enum router_reason reason; /* of `health` */
    enum router_stage stage;   /* that failed when it was found unreached or unheard */
    uint8_t leave_count;       /* how often it was left or found cut lately: many freeze it */
};

/* What is agreed. Sound ones only come out of the functions here: see router_verdict_check(). */
struct router_verdict {
    uint64_t epoch;          /* of the verdict: 1 for the first, one more with each change */
    uint64_t failover_epoch; /* of the cluster when it was agreed; it orders verdicts, no sites */
    bool is_calm;            /* members last had to move a quiet time ago, or never: so who begins
                                with it need not wait for what others have waited for */
    unsigned site_count;     /* 1..ROUTER_SITES_MAX */
    struct router_standing sites[ROUTER_SITES_MAX];
};

/* The first verdict on these sites: all whole, none drained, calm, epoch 1. With `previous` (may be
 * NULL; not the same object) it follows that one: sites of the same name stand as they stood, new
 * ones are LEFT until they were quiet, the epoch is one more, and it is not calm; where no site
 * that is used would remain, all are whole. Returns 0, or ERR_INVALID (no site; a name that is
 * empty, too long or there twice; a weight out of range), ERR_FULL (more than ROUTER_SITES_MAX):
 * then `verdict` is unchanged. */
int router_verdict_init(struct router_verdict *verdict, const struct router_site *sites,
                        size_t site_count, const struct router_verdict *previous);

/* Is it one that init, decode or a judge can have made? 0, or ERR_INVALID: site names and weights
 * as above, values within their enums, epoch above 0, at least one site not LEFT, and reasons that
 * go with their health. */
int router_verdict_check(const struct router_verdict *verdict);

/* Room for a cluster's id as text, with the 0 behind it. */
#define ROUTER_CLUSTER_ID_SIZE 64

/* For who is told verdicts, some of them by nodes that are behind: is `next` to be gone by from now
 * on, in place of `known`? So it is where nothing is known yet (epoch 0), and when it is later: of
 * a higher failover epoch (a forced recovery moves that on, whatever verdicts it has lost), or of
 * the same and a higher epoch. Clusters' epochs have nothing to do with each other: where both ids
 * are known ("": not) and differ, the cluster was formed anew, and `next` is the one. */
bool router_verdict_is_news(const struct router_verdict *known, const char *known_cluster_id,
                            const struct router_verdict *next, const char *next_cluster_id);

/* The index of the site of that name, or ROUTER_NO_SITE (also for NULL). */
unsigned router_verdict_find(const struct router_verdict *verdict, const char *name);

/* The most bytes that one can have. */
#define ROUTER_VERDICT_SIZE_MAX (22 + ROUTER_SITES_MAX * (8 + 2 + ROUTER_SITE_NAME_SIZE - 1))

/* Writes it as bytes (docs/verdict_format.md). Equal verdicts give equal bytes.
 * Returns how many, or ERR_INVALID (not sound), ERR_TOO_LARGE (`size` is too small). */
int router_verdict_encode(const struct router_verdict *verdict, uint8_t *into, size_t size);

/* Reads all of `from`. Returns 0, or ERR_VERSION (written by a later release), ERR_MALFORMED:
 * then `verdict` is unchanged. */
int router_verdict_decode(struct bytes from, struct router_verdict *verdict);

/* The sites in the order to use them in. */
struct router_order {
    unsigned site_count;             /* all that the verdict has */
    unsigned usable_count;           /* the first so many are not LEFT */
    uint8_t sites[ROUTER_SITES_MAX]; /* indexes in the verdict */
};

/* The order for one topic and a member in `own_site`. Groups of sites follow each other: whole,
 * cut, drained (whole before cut), left. Within each: the member's own site, the topic's home site,
 * then the rest by weighted rendezvous hashing of the topic (Thaler and Ravishankar, 1998), over
 * names: so the order is the same wherever a site stands in the verdict, and when one goes, only
 * what it had is spread anew.
 *   topic      its name, not empty; borrowed.
 *   home_site, own_site   indexes, or ROUTER_NO_SITE.
 * Returns 0, or ERR_INVALID (an empty topic, an index that is none): then `order` is unchanged. */
int router_order(const struct router_verdict *verdict, struct bytes topic, unsigned home_site,
                 unsigned own_site, struct router_order *order);

/* Words for a person; static memory, never NULL. */
const char *router_health_text(enum router_health health);
const char *router_drain_text(enum router_drain drain);
const char *router_stage_text(enum router_stage stage);
const char *router_reason_text(enum router_reason reason);

/* Room for any sentence of router_standing_text(). */
#define ROUTER_STANDING_TEXT_SIZE 256

/* One site's standing as a sentence: "b: left, no site reaches it (takes connections and answers
 * nothing), drained". Cut where `size` is too small; always terminated unless `size` is 0. */
void router_standing_text(const struct router_standing *standing, char *into, size_t size);

#endif
