/* Prometheus' text format, written: families with their help and type, samples with their labels.
 *
 * Each family is begun once, and all its samples follow at once, as the format wants it. */
#ifndef BASE_METRIC_TEXT_H
#define BASE_METRIC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRIC_TEXT_BYTES_MAX (8u << 20)

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_SUMMARY };

struct metric_text {
    char *text; /* owned by the caller: free */
    size_t size, space;
    bool is_failed; /* no memory, or beyond the bound: `text` is not to be used */
    const char *family;
};

/* Names are "trilog_…" with a base unit; of counters "…_total". `help` is one line. */
void metric_family(struct metric_text *t, const char *name, enum metric_type type,
                   const char *help);

/* A sample of the last family, with no label, one, or several: each `value` is escaped.
 *   metric_sample(t, "", 12, 2, "group", "3", "site", "a")
 * `suffix` is "" or, of a summary, "_sum" or "_count", or "" with the label "quantile". */
void metric_sample(struct metric_text *t, const char *suffix, double value, unsigned label_count,
                   ...);
/* The same, whole numbers exactly. */
void metric_whole(struct metric_text *t, const char *suffix, uint64_t value, unsigned label_count,
                  ...);

#endif
