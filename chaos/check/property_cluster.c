/* What nodes say of partitions: one leader in an epoch; bounds of the log that can have been.
 *
 * The latest offset that is answered lies behind everything acknowledged or read before the
 * question. The earliest lies between what was certainly deleted before the question and what may
 * have been deleted before the answer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

static void judge_claims(struct verdict *v, uint32_t partition)
{
    const struct partition *p = &v->history->partitions.items[partition];
    for (size_t i = 1; i < p->claims.count; i++) {
        const struct leader_claim *claim = &p->claims.items[i];
        for (size_t k = 0; k < i; k++) {
            const struct leader_claim *other = &p->claims.items[k];
            if (other->epoch != claim->epoch)
                continue;
            struct violation violation = violation_blank();
            violation.partition = partition;
            violation.epoch = claim->epoch;
            violation.node = claim->leader;
            violation.place = claim->place;
            verdict_add(v, TWO_LEADERS, violation,
                        "node %" PRId64 " to node %" PRId64 ", node %" PRId64 " to node %" PRId64,
                        claim->leader, claim->node, other->leader, other->node);
        }
    }
}

/* ---- list-offsets ---- */

/* From `at` on the log has reached beyond `end`. */
struct reached {
    int64_t at, end;
};

static int compare_reached(const void *a, const void *b)
{
    const struct reached *one = a, *other = b;
    return (one->at > other->at) - (one->at < other->at);
}

/* Returns owned: by instant, `end` rising. */
static struct reached *collect_reached(const struct history *h, const struct partition *p,
                                       size_t *count)
{
    VECTOR(struct reached) reached = {NULL, 0, 0};
    for (int64_t offset = partition_next(p, 0); offset >= 0;
         offset = partition_next(p, offset + 1)) {
        const struct slot *slot = partition_find(p, offset);
        const struct record *r = &h->records.items[slot->record - 1];
        int64_t at = slot->read_at;
        if (slot->seen & SEEN_ACKNOWLEDGED && r->completed_at < at)
            at = r->completed_at;
        if (at != NEVER)
            *vector_add(&reached) = (struct reached){at, offset + 1};
    }
    *count = reached.count;
    if (reached.count > 0)
        qsort(reached.items, reached.count, sizeof *reached.items, compare_reached);
    for (size_t i = 1; i < reached.count; i++)
        if (reached.items[i].end < reached.items[i - 1].end)
            reached.items[i].end = reached.items[i - 1].end;
    return reached.items;
}

static int64_t reached_before(const struct reached *reached, size_t count, int64_t at)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (reached[middle].at < at)
            from = middle + 1;
        else
            to = middle;
    }
    return from == 0 ? 0 : reached[from - 1].end;
}

static struct violation violation_of(const struct operation *o)
{
    struct violation violation = violation_blank();
    violation.partition = o->partition;
    violation.process = o->process;
    violation.offset = o->offset;
    violation.place = o->place;
    return violation;
}

static void judge_latest(struct verdict *v, const struct operation *o,
                         const struct reached *reached, size_t count)
{
    int64_t end = reached_before(reached, count, o->invoked_at);
    if (o->offset < end)
        verdict_add(v, STALE_LIST_OFFSETS, violation_of(o),
                    "latest is said to be %" PRId64 ", offset %" PRId64 " was there before",
                    o->offset, end - 1);
}

static void judge_earliest(struct verdict *v, const struct operation *o,
                           const struct operation *const *deletions, size_t deletion_count)
{
    int64_t low = 0, high = 0; /* certainly, and perhaps deleted */
    for (size_t i = 0; i < deletion_count; i++) {
        const struct operation *d = deletions[i];
        int64_t before = d->offset < 0 ? NEVER : d->offset;
        if (d->partition != o->partition)
            continue;
        if (d->outcome == OUTCOME_OK && d->completed_at < o->invoked_at && d->offset > low)
            low = d->offset;
        if (d->invoked_at < o->completed_at && before > high)
            high = before;
    }
    if (o->offset < low || o->offset > high)
        verdict_add(v, STALE_LIST_OFFSETS, violation_of(o),
                    "earliest is said to be %" PRId64 ", deleted was up to %" PRId64, o->offset,
                    o->offset < low ? low : high);
}

static int compare_by_partition(const void *a, const void *b)
{
    const struct operation *one = *(const struct operation *const *)a;
    const struct operation *other = *(const struct operation *const *)b;
    return (one->partition > other->partition) - (one->partition < other->partition);
}

/* Operations on the bounds of logs. */
struct bounds {
    const struct operation **lists, **deletions;
    size_t list_count, deletion_count;
};

static void judge_lists(struct verdict *v, const struct bounds *b, size_t from, size_t to)
{
    const struct history *h = v->history;
    const struct partition *p = &h->partitions.items[b->lists[from]->partition];
    size_t reached_count;
    struct reached *reached = collect_reached(h, p, &reached_count);
    for (size_t i = from; i < to; i++) {
        if (b->lists[i]->completed_at > h->topics.items[p->topic].deleted_at)
            continue;
        if (b->lists[i]->which == 'l')
            judge_latest(v, b->lists[i], reached, reached_count);
        else
            judge_earliest(v, b->lists[i], b->deletions, b->deletion_count);
    }
    free(reached);
}

static void collect_bounds(const struct history *h, struct bounds *b)
{
    for (size_t i = 0; i < h->operations.count; i++) {
        const struct operation *o = &h->operations.items[i];
        if (o->partition == NONE || !history_is_judged(h, o->partition))
            continue;
        if (o->kind == LIST_OFFSETS && o->outcome == OUTCOME_OK)
            b->lists[b->list_count++] = o;
        if (o->kind == ADMIN && o->outcome != OUTCOME_FAIL &&
            strcmp(names_text(&h->names, o->action), "delete-records") == 0)
            b->deletions[b->deletion_count++] = o;
    }
    qsort(b->lists, b->list_count, sizeof *b->lists, compare_by_partition);
}

void judge_cluster(struct verdict *v)
{
    const struct history *h = v->history;
    struct bounds b = {.lists = memory_make(h->operations.count, sizeof *b.lists),
                       .deletions = memory_make(h->operations.count, sizeof *b.deletions)};
    for (uint32_t i = 0; i < h->partitions.count; i++)
        if (history_is_judged(h, i))
            judge_claims(v, i);
    collect_bounds(h, &b);
    for (size_t from = 0, to; from < b.list_count; from = to) {
        for (to = from; to < b.list_count && b.lists[to]->partition == b.lists[from]->partition;)
            to++;
        judge_lists(v, &b, from, to);
    }
    free(b.lists);
    free(b.deletions);
}
