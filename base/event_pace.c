/* Counted by whole seconds of the clock: twice as many at most in any one second. */
#include "base/event_pace.h"

bool event_pace_allows(struct event_pace *pace, uint64_t now_ms, uint64_t *left_out)
{
    uint64_t second = now_ms / 1000;
    if (second != pace->second) {
        pace->second = second;
        pace->count = 0;
    }
    if (pace->count >= EVENT_PACE_PER_SECOND) {
        pace->left_out++;
        return false;
    }
    pace->count++;
    *left_out = pace->left_out;
    pace->left_out = 0;
    return true;
}
