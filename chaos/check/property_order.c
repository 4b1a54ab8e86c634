/* Order: of each producer's records, of what followed one another in real time, of epochs.
 *
 * An idempotent producer's records lie in the order of sending, whatever became of single ones.
 * For everybody: when a record was there (acknowledged or read) before another was sent, it has
 * the lower offset. Between two records of one producer that is its order. */
#include <inttypes.h>
#include <stdlib.h>

#include "verdict.h"

struct last_sent {
    uint32_t record;    /* + 1 */
    uint32_t partition; /* it was set for, + 1 */
};

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
        if (before->order > r->order) {
            verdict_add(v, PRODUCER_ORDER, violation_at(h, partition, offset, slot),
                        "sent before %.80s, which lies at %" PRId64,
                        history_value(h, last->record - 1, value), before->seen_offset);
            return; /* the later one stays what the next are held against */
        }
    }
    *last = (struct last_sent){slot->record, partition + 1};
}

static int64_t there_at(const struct record *r, const struct slot *slot)
{
    bool is_acknowledged = slot->seen & SEEN_ACKNOWLEDGED;
    return is_acknowledged && r->completed_at < slot->read_at ? r->completed_at : slot->read_at;
}

/* `latest` is the record of those before that was sent last. */
static void judge_real_time(struct verdict *v, uint32_t partition, int64_t offset,
                            const struct slot *slot, uint32_t *latest)
{
    const struct history *h = v->history;
    const struct record *r = &h->records.items[slot->record - 1];
    char value[LINE_TEXT_MAX + 1];
    if (*latest != NONE && there_at(r, slot) < h->records.items[*latest].invoked_at) {
        const struct record *other = &h->records.items[*latest];
        bool is_same = other->process == r->process;
        bool is_told = is_same && h->processes.items[r->process].is_idempotent;
        if (!is_told)
            verdict_add(
                v, is_same ? PRODUCER_ORDER : REAL_TIME, violation_at(h, partition, offset, slot),
                "there at %" PRId64 "; %.80s was sent at %" PRId64 " and has the lower offset",
                there_at(r, slot), history_value(h, *latest, value), other->invoked_at);
        return;
    }
    if (*latest == NONE || r->invoked_at > h->records.items[*latest].invoked_at)
        *latest = slot->record - 1;
}

static void judge_partition(struct verdict *v, uint32_t partition, struct last_sent *last)
{
    const struct history *h = v->history;
    const struct partition *p = &h->partitions.items[partition];
    uint32_t latest = NONE;
    int32_t epoch = -1;
    for (int64_t offset = partition_next(p, 0); offset >= 0;
         offset = partition_next(p, offset + 1)) {
        const struct slot *slot = partition_find(p, offset);
        uint32_t process = h->records.items[slot->record - 1].process;
        if (process != NONE && h->processes.items[process].is_idempotent)
            judge_producer(v, partition, offset, slot, &last[process]);
        if (process != NONE)
            judge_real_time(v, partition, offset, slot, &latest);
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
