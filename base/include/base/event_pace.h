/* So many events a second of a kind that others can cause as often as they like: a line for each
 * would let a client fill the operator's disk. What is left out is counted, and told with the next.
 * One thread's. */
#ifndef BASE_EVENT_PACE_H
#define BASE_EVENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT_PACE_PER_SECOND 100

/* All zero: none yet. */
struct event_pace {
    uint64_t second;
    uint32_t count; /* in it */
    uint64_t left_out;
};

/* May one more be written? Then *left_out says how many were not since the last one that was. */
bool event_pace_allows(struct event_pace *pace, uint64_t now_ms, uint64_t *left_out);

#endif
