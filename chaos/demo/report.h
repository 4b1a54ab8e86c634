/* What a person sees: a line that moves, then figures and a verdict. */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "outage.h"
#include "sender.h"

struct report {
    bool is_terminal;         /* the line is drawn over; else printed every few seconds */
    bool is_line_open;        /* a progress line stands unfinished */
    int64_t last_shown_at_ms; /* of the progress line */
};

void report_init(struct report *report);

/* A line of the story, on a line of its own. */
__attribute__((format(printf, 2, 3))) void report_say(struct report *report, const char *format,
                                                      ...);

/* The progress line; called often, shown now and then. */
void report_progress(struct report *report, const struct sender *sender,
                     const struct ledger *ledger, const char *doing);

/* The figures and the verdict. Returns true when nothing is wrong. */
bool report_verdict(struct report *report, const struct sender *sender, struct ledger *ledger,
                    const struct outage *outage, const char *reading_site, int64_t reading_ms,
                    bool is_read_to_end);

#endif
