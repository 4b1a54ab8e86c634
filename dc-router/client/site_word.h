/* What an application tells the cluster of sites whose routers fail it, and when (dc-router/
 * policy_report.h; the cluster lets clients decide only where nodes and routers do not). Private to
 * libtrilog. No I/O, no clock, no allocation.
 *
 * Only what was found just now is told: a site that nobody tries any more is neither well nor not.
 * One that was told of is told well once, when it is. */
#ifndef CLIENT_SITE_WORD_H
#define CLIENT_SITE_WORD_H

#include "dc-router/policy_report.h"
#include "site_choice.h"

#define SITE_WORD_EVERY_MS   1000
#define SITE_WORD_FRESH_MS   1000  /* so old a failure is told at most */
#define SITE_WORD_REFUSED_MS 60000 /* who does not want to hear it is left alone for so long */

/* Zeroed, nothing was found. Sites are those of a site_choice. */
struct site_word {
    struct {
        enum router_stage stage; /* that failed; ROUTER_STAGE_NONE: none did */
        uint64_t failed_at_ms;
        bool is_told; /* that it fails */
    } sites[ROUTER_SITES_MAX];
    uint32_t telling;     /* of whom the text is that was made last: a bit each */
    uint64_t again_at_ms; /* nothing is told before */
};

void site_word_failed(struct site_word *word, unsigned site, enum router_stage stage,
                      uint64_t now_ms);
void site_word_well(struct site_word *word, unsigned site);

/* What is to be told now, as text; false: nothing. */
bool site_word_due(struct site_word *word, const struct site_choice *choice, uint64_t now_ms,
                   char text[ROUTER_REPORT_SIZE_MAX + 1]);
/* That was told, and taken or not. */
void site_word_told(struct site_word *word, bool is_taken, uint64_t now_ms);

#endif
