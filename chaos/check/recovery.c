/* From a fault to the moment at which service was back.
 *
 * A send is good when it was acknowledged promptly. It forbids nothing. One that was acknowledged
 * late forbids all moments from a second before its invocation to its acknowledgement; one that
 * failed or has an unknown fate forbids the second up to and including its invocation. The first
 * moment from the fault on that nobody forbids is the recovery: from there on all sends of the next
 * second succeed, and none from before is still waiting.
 *
 *   fault          |
 *   late send      .....+---------x       forbids [invoked - 1 s, acknowledged)
 *   failed send        .....+             forbids [invoked - 1 s, invoked]
 *   good sends                     + + + +
 *   recovery                      ^
 */
#include <stdlib.h>

#include "figures.h"

static bool is_left_out(const struct history *h, const struct record *r, uint32_t without_site)
{
    return without_site != NAME_NONE && h->processes.items[r->process].site == without_site;
}

static bool is_late(const struct record *r, int64_t prompt_us)
{
    return r->completed_at - r->invoked_at > prompt_us;
}

struct recovery recovery_of(const struct sends *sends, int64_t inject_at, int64_t until_at,
                            int64_t prompt_us, uint32_t without_site)
{
    const struct history *h = sends->history;
    struct recovery recovery = {.has_recovered = true};
    int64_t moment = inject_at;
    bool is_answered = true; /* has a success been seen since the last failure? */
    for (size_t i = 0; i < sends->count; i++) {
        const struct record *r = &h->records.items[sends->records[i]];
        if (r->invoked_at >= until_at)
            break;
        if (r->completed_at < inject_at || is_left_out(h, r, without_site))
            continue;
        bool is_ok = r->outcome == OUTCOME_OK;
        recovery.is_sample = true;
        if (is_ok && !is_late(r, prompt_us)) {
            is_answered = true;
            continue;
        }
        if (r->invoked_at - SECOND_US >= moment && is_answered)
            break;
        int64_t end = is_ok ? r->completed_at : r->invoked_at + 1;
        recovery.is_disturbed = true;
        is_answered = is_ok;
        if (end > moment)
            moment = end;
    }
    recovery.has_recovered = is_answered && moment < until_at;
    recovery.after_us = (recovery.has_recovered ? moment : until_at) - inject_at;
    return recovery;
}

/* ---- gaps ---- */

struct completion {
    int64_t completed_at, invoked_at;
    bool is_ok;
    int64_t waiting_since; /* the oldest send that completes here or later */
};

static int compare_completions(const void *a, const void *b)
{
    const struct completion *one = a, *other = b;
    return (one->completed_at > other->completed_at) - (one->completed_at < other->completed_at);
}

static size_t collect(const struct sends *sends, uint32_t without_site,
                      struct completion *completions)
{
    size_t count = 0;
    for (size_t i = 0; i < sends->count; i++) {
        const struct record *r = &sends->history->records.items[sends->records[i]];
        if (!is_left_out(sends->history, r, without_site))
            completions[count++] = (struct completion){.completed_at = r->completed_at,
                                                       .invoked_at = r->invoked_at,
                                                       .is_ok = r->outcome == OUTCOME_OK};
    }
    qsort(completions, count, sizeof *completions, compare_completions);
    int64_t since = NEVER;
    for (size_t i = count; i-- > 0;) {
        if (completions[i].invoked_at < since)
            since = completions[i].invoked_at;
        completions[i].waiting_since = since;
    }
    return count;
}

void recovery_each_gap(const struct sends *sends, uint32_t without_site, recovery_gap_cb cb,
                       void *data)
{
    struct completion *completions = memory_make(sends->count, sizeof *completions);
    size_t count = collect(sends, without_site, completions);
    int64_t last_at = INT64_MIN;
    size_t first_waiting = 0; /* behind the last acknowledgement */
    for (size_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        if (!completions[i].is_ok && !is_last)
            continue;
        int64_t since = completions[first_waiting].waiting_since;
        int64_t from_at = since > last_at ? since : last_at;
        if (completions[i].completed_at > from_at)
            cb(data, from_at, completions[i].completed_at);
        last_at = completions[i].completed_at;
        first_waiting = i + 1;
    }
    free(completions);
}
