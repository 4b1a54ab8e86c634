/* Where the partitions of a topic begin and end, as those say who lead them. */
#ifndef LEDGER_OFFSETS_H
#define LEDGER_OFFSETS_H

#include <stdatomic.h>

#include "options.h"
#include "process.h"

struct offsets_range {
    int64_t first, next; /* [first, next); next -1: not known */
};

/* Asks, and notes what was asked and answered, until all is known, the time is up, or `is_over`
 * (NULL: never). Returns the count of the topic's partitions, 0 when not even that could be known;
 * `*ranges` is then freed by the caller. */
int32_t offsets_find(struct process *process, const struct options *options, int64_t until_us,
                     const atomic_bool *is_over, struct offsets_range **ranges);

#endif
