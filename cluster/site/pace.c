/* A try is six times the way there and back: who leads; a record, and its way to a majority; an
 * offset, likewise; the record again. It ends before what the one before it found is too old to
 * count (SITE_FRESH_MS). */
#include "site/pace.h"

#include "site/board.h"

#define ROUND_TRIPS       6
#define BESIDE_MS         200 /* what a try takes beside its way */
#define INTERVAL_MS_LEAST 200 /* at most 5 tries a second */

_Static_assert(SITE_TRY_MS_MAX < SITE_FRESH_MS, "what was found counts until there is more");

struct site_pace site_pace_of(uint64_t round_trip_us)
{
    uint64_t needed_ms = BESIDE_MS + ROUND_TRIPS * round_trip_us / 1000;
    struct site_pace pace = {.try_ms = needed_ms, .is_far = needed_ms > SITE_TRY_MS_MAX};
    if (pace.try_ms < SITE_TRY_MS_LEAST)
        pace.try_ms = SITE_TRY_MS_LEAST;
    if (pace.is_far)
        pace.try_ms = SITE_TRY_MS_MAX;
    return pace;
}

static uint64_t at_least(uint64_t ms)
{
    return ms < INTERVAL_MS_LEAST ? INTERVAL_MS_LEAST : ms;
}

bool site_is_due(const struct site_begun *begun, bool was_well, uint64_t interval_ms,
                 uint64_t now_ms, uint64_t wall_ms)
{
    uint64_t passed_ms = now_ms - begun->at_ms;
    if (!was_well)
        return passed_ms >= INTERVAL_MS_LEAST;
    return passed_ms >= at_least(interval_ms / 2) && wall_ms / at_least(interval_ms) != begun->slot;
}

struct site_begun site_begin(uint64_t interval_ms, uint64_t now_ms, uint64_t wall_ms)
{
    return (struct site_begun){.at_ms = now_ms, .slot = wall_ms / at_least(interval_ms)};
}
