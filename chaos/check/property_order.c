/* Order: of each producer's records, of what followed one another in real time, of epochs.
 *
 * An idempotent producer's records lie in the order of sending, whatever became of single ones.
 * For everybody: when a record was there (acknowledged or read) before another was sent, it has
 * the lower offset. Between two records of one producer that is its order. */
#include <inttypes.h>
#include <stdlib.h>

#include "verdict.h"

/* Of one producer's records at the offsets so far, the one that was sent last. */
struct last_sent {
    uint32_t record;    /* + 1 */
    uint32_t partition; /* it was set for, + 1 */
};

static int64_t there_at(const struct record *r, const struct slot *slot)
{
    bool is_acknowledged = slot->seen & SEEN_ACKNOWLEDGED;
    return is_acknowledged && r->completed_at < slot->read_at ? r->completed_at : slot->read_at;
}

/* Is the record in front of one that must come later? */
static bool is_out_of_order(const struct history *h, const struct slot *slot,
                            const struct record *before)
{
    const struct record *r = &h->records.items[slot->record - 1];
    if (h->processes.items[r->process].is_idempotent)
        return before->order > r->order;
    return there_at(r, slot) < before->invoked_at;
}

/* Where one is out of order, the later one stays what the next are held against. */
static void judge_producer(struct verdict *v, uint32_t partition, int64_t offset,
                           const struct slot *slot, struct last_sent *last)
{
    const struct history *h = v->history;
    const struct record *r = &h->records.items[slot->record - 1];
    char value[LINE_TEXT_MAX + 1];
    if (r->seen_offset != offset || r->seen_partition != partition)
        return; /* there again: judged as such */
    if (last->partition == partition + 1) {
        const struct record *before = &h->records.items[last->record - 1];
        if (is_out_of_order(h, slot, before))
            verdict_add(v, PRODUCER_ORDER, violation_at(h, partition, offset, slot),
                        "sent before %.80s, which lies at %" PRId64,
                        history_value(h, last->record - 1, value), before->seen_offset);
        if (before->order > r->order)
            return;
    }
    *last = (struct last_sent){slot->record, partition + 1};
}

/* Of the records at the offsets so far, the one that was sent last, and the one of those that are
 * not of its producer; NONE. */
struct latest {
    uint32_t record, of_others;
};

static void judge_real_time(struct verdict *v, uint32_t partition, int64_t offset,
                            const struct slot *slot, const struct latest *latest)
{
    const struct history *h = v->history;
    const struct record *r = &h->records.items[slot->record - 1];
    char value[LINE_TEXT_MAX + 1];
    bool is_own = latest->record != NONE && h->records.items[latest->record].process == r->process;
    uint32_t before = is_own ? latest->of_others : latest->record;
    if (before == NONE || there_at(r, slot) >= h->records.items[before].invoked_at)
        return;
    verdict_add(v, REAL_TIME, violation_at(h, partition, offset, slot),
                "there at %" PRId64 "; %.80s was sent at %" PRId64 " and has the lower offset",
                there_at(r, slot), history_value(h, before, value),
                h->records.items[before].invoked_at);
}

static bool is_later(const struct history *h, uint32_t record, uint32_t than)
{
    return than == NONE || h->records.items[record].invoked_at > h->records.items[than].invoked_at;
}

static void note_latest(const struct history *h, uint32_t record, struct latest *latest)
{
    uint32_t process = h->records.items[record].process;
    bool is_own = latest->record != NONE && h->records.items[latest->record].process == process;
    if (is_later(h, record, latest->record)) {
        if (!is_own)
            latest->of_others = latest->record;
        latest->record = record;
    } else if (!is_own && is_later(h, record, latest->of_others)) {
        latest->of_others = record;
    }
}

static void judge_partition(struct verdict *v, uint32_t partition, struct last_sent *last)
{
    const struct history *h = v->history;
    const struct partition *p = &h->partitions.items[partition];
    struct latest latest = {NONE, NONE};
    int32_t epoch = -1;
    for (int64_t offset = partition_next(p, 0); offset >= 0;
         offset = partition_next(p, offset + 1)) {
        const struct slot *slot = partition_find(p, offset);
        uint32_t process = h->records.items[slot->record - 1].process;
        if (process != NONE) {
            judge_producer(v, partition, offset, slot, &last[process]);
            judge_real_time(v, partition, offset, slot, &latest);
            note_latest(h, slot->record - 1, &latest);
        }
        if (slot->epoch >= 0 && slot->epoch < epoch)
            verdict_add(v, EPOCH_STEP_BACK, violation_at(h, partition, offset, slot),
                        "epoch %d follows epoch %d", slot->epoch, epoch);
        if (slot->epoch > epoch)
            epoch = slot->epoch;
    }
}

void judge_order(struct verdict *v)
{
    struct last_sent *last = memory_make(v->history->processes.count, sizeof *last);
    for (uint32_t i = 0; i < v->history->partitions.count; i++)
        if (history_is_judged(v->history, i))
            judge_partition(v, i, last);
    free(last);
}
