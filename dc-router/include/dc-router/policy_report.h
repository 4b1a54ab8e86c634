/* What someone found of the ways between sites, as text: the value of the config
 * `trilog.site.report`, by which routers and clients tell any node (IncrementalAlterConfigs, or
 * AlterConfigs, of a broker).
 *
 *   from=a to=b stage=answer age_ms=120; from=a to=c stage=none
 *
 * from, to: names of sites; stage: that failed, or none; age_ms: since the try ended, 0 if it is
 * not said. Who writes it and who reads it use this. */
#ifndef DC_ROUTER_POLICY_REPORT_H
#define DC_ROUTER_POLICY_REPORT_H

#include "dc-router/policy.h"

#define ROUTER_VERDICT_CONFIG  "trilog.site.verdict" /* told by any node, of any broker; … */
#define ROUTER_CLUSTER_CONFIG  "trilog.cluster.id"   /* … and so is whose verdict that is */
#define ROUTER_REPORT_CONFIG   "trilog.site.report"
#define ROUTER_REPORTS_MAX     ROUTER_SITES_MAX /* at once */
#define ROUTER_REPORT_SIZE_MAX 2048             /* of the text */

struct router_told {
    char from[ROUTER_SITE_NAME_SIZE], to[ROUTER_SITE_NAME_SIZE];
    enum router_stage stage; /* that failed; ROUTER_STAGE_NONE: all went well */
    uint64_t age_ms;         /* since it ended */
};

/* Reads all of it. Returns how many (1..ROUTER_REPORTS_MAX), or ERR_INVALID with the reason in
 * words. */
int router_report_read(struct bytes text, struct router_told told[ROUTER_REPORTS_MAX],
                       struct err_note *note);

/* Writes them, terminated by 0; at most `size` with that. Returns the size of the text, or
 * ERR_INVALID (none, too many, no such stage, an age that nobody takes, a name that can't be
 * written: empty, or with a space, ';' or '=' in it), ERR_TOO_LARGE. */
int router_report_write(const struct router_told *told, unsigned count, char *into, size_t size);

/* One word each, as above: "none", "connect" … NULL when it is no stage. */
const char *router_stage_name(enum router_stage stage);

#endif
