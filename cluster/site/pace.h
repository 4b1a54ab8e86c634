/* How often a node is tried, and how long a try may take: what follows from the setting, from the
 * clock and from how far nodes are apart. Pure functions. */
#ifndef CLUSTER_SITE_PACE_H
#define CLUSTER_SITE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define SITE_TRY_MS_LEAST 600  /* enough where the way there and back takes 66 ms, … */
#define SITE_TRY_MS_MAX   1400 /* … and where it takes 200 */

struct site_pace {
    uint64_t try_ms; /* the most that connecting takes, and all that follows */
    bool is_far;     /* that is not enough for all of it: a node that answers is well */
};

/* By the longest way to a node of the cluster and back; 0: not known. */
struct site_pace site_pace_of(uint64_t round_trip_us);

/* When a try began. All zero: never. */
struct site_begun {
    uint64_t at_ms; /* clock */
    uint64_t slot;  /* of wall time, an interval long */
};

/* Is it time for the next one? All nodes' slots begin at the same time, as far as their clocks
 * agree. What has begun late is followed by one that begins in time, at least 200 ms and half an
 * interval later, whatever the wall clock does. What was not well is tried again after 200 ms. */
bool site_is_due(const struct site_begun *begun, bool was_well, uint64_t interval_ms,
                 uint64_t now_ms, uint64_t wall_ms);
struct site_begun site_begin(uint64_t interval_ms, uint64_t now_ms, uint64_t wall_ms);

#endif
