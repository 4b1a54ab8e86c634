/* What was acknowledged is there, once, as it was sent; and all see the same.
 *
 * The end is what the final reads saw. A record is lost when it was acknowledged before a final
 * read began and a final read through a site lacks it (where nobody read through a site: when all
 * replicas lack it). That one replica lacks it while others have it is a difference of replicas. */
#include <inttypes.h>

#include "forced_recovery.h"
#include "verdict.h"

#define FINAL (SEEN_FINAL_SITE | SEEN_FINAL_NODE)

static bool is_missing(const struct history *h, uint32_t partition, const struct slot *slot)
{
    const struct partition *p = &h->partitions.items[partition];
    bool has_site_read = p->final_from_at[0] >= 0;
    return has_site_read ? (slot->missing & SEEN_FINAL_SITE) != 0
                         : (slot->missing & SEEN_FINAL_NODE) != 0 && !(slot->seen & FINAL);
}

/* ---- lost ---- */

/* How far back in time the fault behind it reached. */
static int64_t time_to_next_fault(const struct history *h, int64_t at)
{
    int64_t next = NEVER;
    for (size_t i = 0; i < h->faults.count; i++)
        if (h->faults.items[i].inject_at >= at && h->faults.items[i].inject_at < next)
            next = h->faults.items[i].inject_at;
    return next == NEVER ? 0 : next - at;
}

static void add_lost(struct verdict *v, uint32_t number)
{
    const struct history *h = v->history;
    struct record *r = &v->history->records.items[number];
    int64_t time_us = time_to_next_fault(h, r->completed_at);
    struct violation violation = violation_blank();
    violation.record = number;
    violation.partition = r->partition;
    violation.offset = r->offset;
    violation.process = r->process;
    violation.place = r->place;
    r->is_lost = true;
    v->lost_records++;
    v->lost_bytes += r->size;
    if (time_us > v->lost_time_us)
        v->lost_time_us = time_us;
    const struct slot *slot = partition_find(&h->partitions.items[r->partition], r->offset);
    bool was_read = slot != NULL && slot->record == number + 1 && slot->read_at != NEVER;
    verdict_add(v, LOST, violation, "acknowledged at %" PRId64 ", and %s%s", r->completed_at,
                r->is_in_end ? "a final read lacks it, not all" : "no final read has it",
                was_read ? "; it had been read" : "");
}

static bool is_lost(const struct history *h, uint32_t number)
{
    const struct record *r = &h->records.items[number];
    const struct partition *p = &h->partitions.items[r->partition];
    if (r->offset >= 0 && r->offset < p->deleted_before)
        return false;
    if (r->offset < 0 && p->deleted_before > 0)
        return false; /* it may have lain there */
    const struct slot *slot = partition_find(p, r->offset);
    if (slot != NULL && slot->record == number + 1 && is_missing(h, r->partition, slot))
        return true;
    return !r->is_in_end;
}

/* Of a success without its offset only the times are known. */
static bool is_taken(const struct history *h, uint32_t number)
{
    const struct record *r = &h->records.items[number];
    const struct slot *slot = partition_find(&h->partitions.items[r->partition], r->offset);
    if (r->offset >= 0)
        return slot != NULL && slot->record == number + 1 && slot->is_taken;
    return r->seen_offset < 0 &&
           recovery_any_may_take(h, r->invoked_at, r->completed_at, r->completed_at);
}

static void judge_lost_one(struct verdict *v, uint32_t number)
{
    if (!is_lost(v->history, number))
        return;
    if (!is_taken(v->history, number)) {
        add_lost(v, number);
        return;
    }
    v->taken_records++;
    v->taken_bytes += v->history->records.items[number].size;
}

static void judge_lost(struct verdict *v)
{
    const struct history *h = v->history;
    bool *is_told = memory_make(h->partitions.count, sizeof *is_told);
    for (uint32_t i = 0; i < h->records.count; i++) {
        const struct record *r = &h->records.items[i];
        if (r->outcome != OUTCOME_OK || r->partition == NONE || !history_has_end(h, r->partition))
            continue;
        const struct partition *p = &h->partitions.items[r->partition];
        if (p->final_from_at[0] > r->completed_at || p->final_from_at[1] > r->completed_at) {
            judge_lost_one(v, i);
        } else if (!is_told[r->partition]) {
            is_told[r->partition] = true;
            verdict_add_incomplete(
                v, "partition %d of %s was not read to its end after its last acknowledgement",
                p->number, names_text(&h->names, h->topics.items[p->topic].name));
        }
    }
    __builtin_free(is_told);
}

/* ---- what is there ---- */

static void judge_bytes(struct verdict *v, uint32_t partition, int64_t offset,
                        const struct slot *slot)
{
    const struct record *r = &v->history->records.items[slot->record - 1];
    struct violation violation = violation_at(v->history, partition, offset, slot);
    if (slot->reader == NONE)
        return; /* nobody read it */
    if (r->process == NONE && history_may_be_cut(v->history, r))
        v->unknown_values++;
    else if (r->process == NONE)
        verdict_add(v, INVENTED, violation, "nobody sent this value");
    else if (r->crc != slot->crc || r->size != slot->size || r->key != slot->key)
        verdict_add(v, INVENTED, violation,
                    "sent with size %u and crc %08x, read with size %u and crc %08x%s", r->size,
                    r->crc, slot->size, slot->crc, r->key != slot->key ? ", and another key" : "");
    else if (r->partition != NONE && r->partition != partition)
        verdict_add(v, INVENTED, violation, "it was sent to partition %d",
                    v->history->partitions.items[r->partition].number);
    else if (slot->read_at < r->invoked_at)
        verdict_add(v, INVENTED, violation, "read at %" PRId64 ", sent at %" PRId64, slot->read_at,
                    r->invoked_at);
    else if (r->outcome == OUTCOME_FAIL)
        verdict_add(v, READ_THOUGH_FAILED, violation, "its send failed at %" PRId64,
                    r->completed_at);
}

static void judge_end(struct verdict *v, uint32_t partition, int64_t offset,
                      const struct slot *slot)
{
    const struct history *h = v->history;
    if (slot->missing == 0)
        return;
    if (slot->is_taken) {
        v->taken_reads += !(slot->seen & SEEN_ACKNOWLEDGED);
        return;
    }
    if (is_missing(h, partition, slot)) {
        if (!h->records.items[slot->record - 1].is_lost && slot->seen & ~SEEN_ACKNOWLEDGED)
            verdict_add(v, READ_THEN_GONE, violation_at(h, partition, offset, slot),
                        "read at %" PRId64 ", %s", slot->read_at,
                        slot->seen & FINAL ? "a final read lacks it, not all"
                                           : "no final read has it");
    } else if (slot->missing & SEEN_FINAL_NODE && slot->seen & FINAL) {
        struct violation violation = violation_at(h, partition, offset, slot);
        const struct partition *p = &h->partitions.items[partition];
        for (size_t i = 0; i < p->readers.count; i++) {
            const struct reader *reader = &h->readers.items[p->readers.items[i]];
            bool has_it = false;
            for (size_t k = 0; k < reader->finals.count; k++)
                has_it |= reader->finals.items[k].from <= offset &&
                          offset < reader->finals.items[k].to;
            if (reader->node >= 0 && reader->final_end >= 0 && !has_it)
                violation.node = reader->node;
        }
        verdict_add(v, REPLICAS_DIFFER, violation, "node %" PRId64 " lacks it, others have it",
                    violation.node);
    }
}

static void judge_slots(struct verdict *v, uint32_t partition)
{
    const struct partition *p = &v->history->partitions.items[partition];
    bool has_end = history_has_end(v->history, partition);
    for (int64_t offset = partition_next(p, 0); offset >= 0;
         offset = partition_next(p, offset + 1)) {
        const struct slot *slot = partition_find(p, offset);
        judge_bytes(v, partition, offset, slot);
        if (has_end)
            judge_end(v, partition, offset, slot);
    }
}

/* ---- observers that disagree ---- */

static void add_disagreement(struct verdict *v, const struct dissent *d, const struct slot *slot)
{
    char one[LINE_TEXT_MAX + 1], other[LINE_TEXT_MAX + 1];
    struct violation violation = violation_at(v->history, d->partition, d->offset, &d->slot);
    bool is_of_one_replica = d->slot.seen == SEEN_FINAL_NODE || slot->seen == SEEN_FINAL_NODE;
    history_value(v->history, d->slot.record - 1, one);
    history_value(v->history, slot->record - 1, other);
    if (d->slot.record == slot->record && d->slot.crc == slot->crc && d->slot.size == slot->size &&
        d->slot.key == slot->key)
        verdict_add(v, REPLICAS_DIFFER, violation, "its epoch is %d to some, %d to others",
                    d->slot.epoch, slot->epoch);
    else if (is_of_one_replica)
        verdict_add(v, REPLICAS_DIFFER, violation,
                    "%.80s (crc %08x) on some replica, %.80s (crc %08x) for others", one,
                    d->slot.crc, other, slot->crc);
    else if (d->slot.record != slot->record)
        verdict_add(v, TWO_RECORDS, violation, "%.80s is %s here, %.80s %s", one,
                    d->slot.seen == SEEN_ACKNOWLEDGED ? "acknowledged" : "read", other,
                    slot->seen == SEEN_ACKNOWLEDGED ? "is acknowledged" : "was read by others");
}

static void judge_dissents(struct verdict *v)
{
    const struct history *h = v->history;
    for (size_t i = 0; i < h->dissents.count; i++) {
        const struct dissent *d = &h->dissents.items[i];
        if (!history_is_judged(h, d->partition))
            continue;
        add_disagreement(v, d, partition_find(&h->partitions.items[d->partition], d->offset));
        judge_bytes(v, d->partition, d->offset, &d->slot);
    }
    v->counts[TWO_RECORDS] += h->dissents_dropped;
}

/* ---- once ---- */

static void judge_repetitions(struct verdict *v)
{
    const struct history *h = v->history;
    for (size_t i = 0; i < h->repetitions.count; i++) {
        const struct repetition *repetition = &h->repetitions.items[i];
        const struct record *r = &h->records.items[repetition->record];
        if (r->process == NONE || !history_is_judged(h, repetition->partition))
            continue;
        if (!h->processes.items[r->process].is_idempotent) {
            v->repeated_plain++;
            continue;
        }
        verdict_add(v, TWO_OFFSETS,
                    violation_at(h, repetition->partition, repetition->offset,
                                 partition_find(&h->partitions.items[repetition->partition],
                                                repetition->offset)),
                    "it lies at offset %" PRId64 " of partition %d too", r->seen_offset,
                    h->partitions.items[r->seen_partition].number);
    }
    for (size_t i = 0; i < h->repeated.count; i++) {
        struct violation violation = violation_blank();
        violation.record = h->repeated.items[i];
        violation.partition = h->records.items[violation.record].partition;
        violation.offset = h->records.items[violation.record].offset;
        violation.process = h->records.items[violation.record].process;
        violation.place = h->records.items[violation.record].place;
        verdict_add(v, ACKNOWLEDGED_TWICE, violation, "its send was completed a second time");
    }
}

void judge_records(struct verdict *v)
{
    judge_lost(v);
    for (uint32_t i = 0; i < v->history->partitions.count; i++) {
        if (history_is_judged(v->history, i))
            judge_slots(v, i);
        else
            v->unjudged_partitions++;
    }
    judge_dissents(v);
    judge_repetitions(v);
}
