/* A reader's offsets follow one another, from where it was told to start.
 *
 * Between assign, seek and revoke each record is the next one: topics are neither compacted nor
 * written by transactions, so there are no holes but below the log's start and where a forced
 * recovery left one. A long jump to one of the log's ends is what a client does whose position was
 * refused, and is called so. */
#include <inttypes.h>

#include "forced_recovery.h"
#include "verdict.h"

/* A shorter one is a gap or a step, wherever it leads. */
#define THROWN_RECORDS 10

enum property reader_jump_is(const struct history *h, uint32_t partition, int64_t from, int64_t to,
                             int64_t last_at, enum property otherwise)
{
    const struct partition *p = &h->partitions.items[partition];
    if (from - to >= THROWN_RECORDS && to <= p->deleted_before)
        return THROWN_TO_BEGINNING;
    const struct slot *slot = partition_find(p, to);
    if (recovery_distance(h, partition, from, to) < THROWN_RECORDS || slot == NULL)
        return otherwise;
    /* To the end of then: what it got next was sent after what it had got last. */
    return h->records.items[slot->record - 1].invoked_at >= last_at ? THROWN_TO_END : otherwise;
}

static void judge_jump(struct verdict *v, const struct jump *jump)
{
    const struct history *h = v->history;
    const struct reader *reader = &h->readers.items[jump->reader];
    const struct partition *p = &h->partitions.items[reader->partition];
    bool is_forward = jump->to > jump->from;
    if (!history_is_judged(h, reader->partition) || (is_forward && jump->to <= p->deleted_before))
        return;
    if (is_forward && recovery_made_gap(h, reader->partition, jump->from, jump->to, jump->at))
        return;
    enum property property = reader_jump_is(h, reader->partition, jump->from, jump->to,
                                            jump->last_at, is_forward ? POLL_GAP : POLL_STEP_BACK);
    struct violation violation = violation_at(h, reader->partition, jump->to,
                                              partition_find(p, jump->to));
    violation.process = reader->process;
    violation.node = reader->node;
    violation.place = jump->place;
    verdict_add(v, property, violation, "offset %" PRId64 " came where %" PRId64 " was next",
                jump->to, jump->from);
}

void judge_readers(struct verdict *v)
{
    for (size_t i = 0; i < v->history->jumps.count; i++)
        judge_jump(v, &v->history->jumps.items[i]);
}
