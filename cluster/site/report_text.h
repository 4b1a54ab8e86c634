/* Reports of sites as routers and clients write them: the value of the config `trilog.site.report`.
 *
 *   from=a to=b stage=produce age_ms=120; from=a to=c stage=none
 *
 * from, to: names of sites; stage: that failed, or none; age_ms: since the try ended, 0 if it is
 * not said. */
#ifndef CLUSTER_SITE_REPORT_TEXT_H
#define CLUSTER_SITE_REPORT_TEXT_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "site/board.h"

#define SITE_REPORTS_MAX     16
#define SITE_REPORT_SIZE_MAX 2048
#define SITE_REPORT_CONFIG   "trilog.site.report"
#define SITE_VERDICT_CONFIG  "trilog.site.verdict"

/* Reads all of it. Returns how many reports (1..SITE_REPORTS_MAX), or ERR_INVALID with the reason
 * in words. Their reporter is 0. */
int site_report_parse(struct bytes text, struct site_report reports[SITE_REPORTS_MAX],
                      struct err_note *note);

/* One word each, as above: "none", "connect" … NULL when it is no stage. */
const char *site_stage_name(enum router_stage stage);

#endif
