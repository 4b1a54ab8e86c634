/* What a forced recovery explains, and no more.
 *
 *        since        until            at
 *     ─────┼────────────┼───────────────┼──────▶ time
 *          │ may be lost│ sites are off │ order; from here on nothing may be lost
 *
 * Before the order it was printed since when what was acknowledged may be lost. So a record that
 * was acknowledged or read before that must be there, and so must one that came after the order;
 * what is lost is the end of a stretch of offsets, never a hole in it; nobody is given it again (a
 * client may hand over later what it had fetched: as long as the lost sites are off, a reader shows
 * only that the record was there when it was last sent to its place); and what is new lies in the
 * next stretch (at the next multiple of 2^40), so no offset shows two records. A reader that stands
 * behind what survives goes on there, and skips nothing that is. Of commits the same times hold:
 * one from before is in force, one of these times may be gone. */
#include "forced_recovery.h"

#include <string.h>

#define FINAL (SEEN_FINAL_SITE | SEEN_FINAL_NODE)

bool recovery_may_take(const struct history *h, size_t i, int64_t invoked_at, int64_t first_at,
                       int64_t last_at)
{
    const struct forced_recovery *r = &h->recoveries.items[i];
    return r->since <= first_at && last_at <= r->at && invoked_at <= r->until;
}

bool recovery_any_may_take(const struct history *h, int64_t invoked_at, int64_t first_at,
                           int64_t last_at)
{
    for (size_t i = 0; i < h->recoveries.count; i++)
        if (recovery_may_take(h, i, invoked_at, first_at, last_at))
            return true;
    return false;
}

size_t recovery_count_by(const struct history *h, int64_t at)
{
    size_t count = 0;
    while (count < h->recoveries.count && h->recoveries.items[count].at < at)
        count++;
    return count;
}

/* ---- records ---- */

/* When the sites that were lost came back, who may show anything: the heal of the fault that took
 * them. Where no such fault is told, at once. */
static int64_t lost_return_at(const struct history *h, int64_t ordered_at)
{
    int64_t return_at = NEVER;
    for (size_t i = 0; i < h->faults.count; i++) {
        const struct fault *fault = &h->faults.items[i];
        if (fault->inject_at <= ordered_at && fault->heal_at >= ordered_at &&
            fault->heal_at < return_at)
            return_at = fault->heal_at;
    }
    return return_at == NEVER ? ordered_at : return_at;
}

static int64_t last_given_at(const struct history *h, const struct slot *slot, size_t recovery)
{
    int64_t return_at = lost_return_at(h, h->recoveries.items[recovery].at);
    return slot->last_read_at < return_at ? slot->last_got_at : slot->last_read_at;
}

static bool may_take_slot(const struct history *h, const struct slot *slot)
{
    const struct record *r = &h->records.items[slot->record - 1];
    bool is_acknowledged = slot->seen & SEEN_ACKNOWLEDGED;
    int64_t first_at = slot->read_at;
    if (is_acknowledged && r->completed_at < first_at)
        first_at = r->completed_at;
    for (size_t i = 0; i < h->recoveries.count; i++) {
        int64_t last_at = last_given_at(h, slot, i);
        if (is_acknowledged && r->completed_at > last_at)
            last_at = r->completed_at;
        if (recovery_may_take(h, i, r->invoked_at, first_at, last_at))
            return true;
    }
    return false;
}

/* Up to where each stretch is there in the end. */
static void find_survivors(const struct partition *p, int64_t survives_to[STRETCHES_MAX])
{
    memset(survives_to, 0, STRETCHES_MAX * sizeof *survives_to);
    for (int64_t at = partition_next(p, 0); at >= 0; at = partition_next(p, at + 1))
        if (partition_find(p, at)->seen & FINAL)
            survives_to[at / STRETCH] = at + 1;
}

static void mark_taken_of(struct history *h, struct partition *p)
{
    int64_t survives_to[STRETCHES_MAX];
    find_survivors(p, survives_to);
    for (int64_t at = partition_next(p, 0); at >= 0; at = partition_next(p, at + 1)) {
        struct slot *slot = partition_slot(p, at);
        if (at >= survives_to[at / STRETCH] && slot->missing != 0)
            slot->is_taken = may_take_slot(h, slot);
    }
}

void recovery_mark_taken(struct history *h)
{
    for (size_t i = 0; i < h->partitions.count && h->recoveries.count > 0; i++)
        mark_taken_of(h, &h->partitions.items[i]);
}

/* ---- offsets ---- */

int64_t recovery_survives_to(const struct history *h, uint32_t partition, int64_t to)
{
    const struct partition *p = &h->partitions.items[partition];
    int64_t end = 0;
    for (int64_t at = partition_next(p, 0); at >= 0 && at < to; at = partition_next(p, at + 1))
        if (partition_find(p, at)->seen & FINAL)
            end = at + 1;
    return end;
}

bool recovery_made_gap(const struct history *h, uint32_t partition, int64_t from, int64_t to,
                       int64_t at)
{
    int64_t stretches = to / STRETCH - from / STRETCH;
    if (to % STRETCH != 0 || stretches <= 0 || stretches > (int64_t)recovery_count_by(h, at))
        return false;
    return recovery_survives_to(h, partition, to) <= from;
}

int64_t recovery_distance(const struct history *h, uint32_t partition, int64_t from, int64_t to)
{
    const struct partition *p = &h->partitions.items[partition];
    int64_t count = 0;
    if (from / STRETCH == to / STRETCH)
        return to - from;
    for (int64_t at = partition_next(p, from); at >= 0 && at < to; at = partition_next(p, at + 1))
        count++;
    return count;
}
