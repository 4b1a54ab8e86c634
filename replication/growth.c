/* See the header. The ring is read backwards from the nearest mark, at most GROWTH_MARK_EVERY
 * steps; when the marks are full, or tell too many partitions apart, every second one of their
 * older half goes, and its partitions are added to the next one's. */
#include "growth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RING_MIN  64
#define MARKS_MIN 16

_Static_assert((GROWTH_ENTRIES_MAX & (GROWTH_ENTRIES_MAX - 1)) == 0, "a ring");

static void drop_shares(struct growth *w, struct growth_mark *mark)
{
    w->share_count -= mark->by_partition.count;
    growth_shares_close(&mark->by_partition);
}

static void drop_last_mark(struct growth *w)
{
    drop_shares(w, &w->marks[--w->mark_count]);
}

void growth_begin(struct growth *w, uint64_t index, uint64_t now_ms)
{
    while (w->mark_count > 0)
        drop_last_mark(w);
    w->count = 0;
    w->first = w->last = index;
    w->first_at_ms = now_ms;
    w->records = w->bytes = 0;
}

void growth_close(struct growth *w)
{
    growth_begin(w, 0, 0);
    free(w->ring);
    free(w->marks);
    *w = (struct growth){0};
}

static struct growth_entry *slot(const struct growth *w, uint64_t index)
{
    return &w->ring[index & (w->capacity - 1)];
}

/* ---- adding ---- */

static bool grow_ring(struct growth *w)
{
    struct growth grown = *w;
    if (w->capacity >= GROWTH_ENTRIES_MAX)
        return false;
    grown.capacity = w->capacity == 0 ? RING_MIN : w->capacity * 2;
    grown.ring = malloc(grown.capacity * sizeof *grown.ring);
    if (grown.ring == NULL)
        return false;
    for (size_t i = 0; i < w->count; i++)
        *slot(&grown, w->last - i) = *slot(w, w->last - i);
    free(w->ring);
    *w = grown;
    return true;
}

static bool grow_marks(struct growth *w)
{
    size_t capacity = w->mark_capacity == 0 ? MARKS_MIN : w->mark_capacity * 2;
    if (w->mark_capacity >= GROWTH_MARKS_MAX)
        return false;
    struct growth_mark *marks = realloc(w->marks, capacity * sizeof *marks);
    if (marks == NULL)
        return false;
    w->marks = marks;
    w->mark_capacity = capacity;
    return true;
}

static void merge_into_next(struct growth *w, size_t i)
{
    struct growth_shares *into = &w->marks[i + 1].by_partition;
    w->share_count -= into->count + w->marks[i].by_partition.count;
    growth_shares_merge(into, &w->marks[i].by_partition);
    w->share_count += into->count;
}

static void thin_marks(struct growth *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->mark_count; i++) {
        if (i + 1 < w->mark_count && i < w->mark_count / 2 && i % 2 == 0)
            merge_into_next(w, i);
        else
            w->marks[kept++] = w->marks[i];
    }
    w->mark_count = kept;
}

/* First the marks' distance is given away, down to a quarter of them; then, where adding up does
 * not help for there are too many partitions, which ones the oldest entries were of. */
static void keep_shares_bounded(struct growth *w)
{
    if (w->share_count > GROWTH_SHARES_MAX && w->mark_count > GROWTH_MARKS_MAX / 4)
        thin_marks(w);
    if (w->share_count <= GROWTH_SHARES_MAX)
        return;
    for (size_t i = 0; w->share_count > GROWTH_SHARES_MAX / 4 * 3 && i < w->mark_count; i++)
        drop_shares(w, &w->marks[i]);
}

/* Of the entries since the newest mark, which are all known one by one unless memory is short. */
static struct growth_shares newest_shares(const struct growth *w)
{
    struct repl_lag_share shares[GROWTH_MARK_EVERY];
    unsigned count = 0;
    for (uint64_t i = 0; i < GROWTH_MARK_EVERY && i < w->count; i++) {
        const struct growth_entry *e = slot(w, w->last - i);
        if (e->records > 0)
            shares[count++] = (struct repl_lag_share){e->partition_number, e->records, e->bytes};
    }
    return growth_shares_of(shares, growth_shares_join(shares, count));
}

static void add_mark(struct growth *w, uint64_t now_ms)
{
    if (w->mark_count == w->mark_capacity && !grow_marks(w)) {
        if (w->mark_capacity == 0)
            return;
        thin_marks(w);
    }
    struct growth_mark *mark = &w->marks[w->mark_count++];
    *mark = (struct growth_mark){.index = w->last,
                                 .records = w->records,
                                 .bytes = w->bytes,
                                 .at_ms = now_ms,
                                 .by_partition = newest_shares(w)};
    w->share_count += mark->by_partition.count;
    keep_shares_bounded(w);
}

void growth_add(struct growth *w, uint32_t partition_number, uint32_t records, uint64_t bytes,
                uint64_t now_ms)
{
    bool has_room = w->count < w->capacity || grow_ring(w);
    w->last++;
    w->records += records;
    w->bytes += bytes;
    if (w->capacity > 0) {
        *slot(w, w->last) = (struct growth_entry){.partition_number = partition_number,
                                                  .records = records,
                                                  .bytes = bytes,
                                                  .at_ms = now_ms};
        w->count += has_room;
    }
    if (w->last % GROWTH_MARK_EVERY == 0)
        add_mark(w, now_ms);
}

/* ---- what had come up to an index ---- */

/* The first mark that is not before `index`; mark_count when there is none. */
static size_t mark_from(const struct growth *w, uint64_t index)
{
    size_t low = 0, high = w->mark_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->marks[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct growth_mark end_mark(const struct growth *w)
{
    uint64_t at_ms = w->count > 0 ? slot(w, w->last)->at_ms : w->first_at_ms;
    return (struct growth_mark){
        .index = w->last, .records = w->records, .bytes = w->bytes, .at_ms = at_ms};
}

static uint64_t share(uint64_t from, uint64_t to, double part)
{
    return from + (uint64_t)((double)(to - from) * part);
}

/* Known one by one are the entries behind this index. */
static uint64_t ring_from(const struct growth *w)
{
    return w->last - w->count;
}

static struct growth_mark point_at(const struct growth *w, uint64_t index)
{
    size_t i = mark_from(w, index);
    struct growth_mark above = i < w->mark_count ? w->marks[i] : end_mark(w);
    struct growth_mark below = {.index = w->first, .at_ms = w->first_at_ms};
    if (i > 0)
        below = w->marks[i - 1];
    while (index >= ring_from(w) && above.index > index) {
        const struct growth_entry *e = slot(w, above.index--);
        above.records -= e->records;
        above.bytes -= e->bytes;
    }
    if (above.index == index)
        return above;
    double part = (double)(index - below.index) / (double)(above.index - below.index);
    return (struct growth_mark){.index = index,
                                .records = share(below.records, above.records, part),
                                .bytes = share(below.bytes, above.bytes, part)};
}

/* When the entry came. Between two marks: the earlier one's time, so that no lag is understated. */
static uint64_t came_at_ms(const struct growth *w, uint64_t index)
{
    if (index > ring_from(w))
        return slot(w, index)->at_ms;
    size_t i = mark_from(w, index);
    if (i < w->mark_count && w->marks[i].index == index)
        return w->marks[i].at_ms;
    return i > 0 ? w->marks[i - 1].at_ms : w->first_at_ms;
}

bool growth_after(const struct growth *w, uint64_t index, struct growth_rest *rest)
{
    bool is_known = index >= w->first;
    struct growth_mark point = {.index = w->first};
    *rest = (struct growth_rest){.entries = index < w->last ? w->last - index : 0};
    if (index >= w->last)
        return is_known;
    if (is_known)
        point = point_at(w, index);
    rest->records = w->records - point.records;
    rest->bytes = w->bytes - point.bytes;
    rest->since_ms = is_known ? came_at_ms(w, index + 1) : w->first_at_ms;
    return is_known;
}

/* ---- by partition ---- */

/* Of a mark's shares those of the last (1 - part) of its entries. They are rounded in such a way
 * that all together are rounded as growth_after() rounds. */
static void each_share(const struct growth_mark *mark, double part, growth_cb cb, void *data)
{
    uint64_t records = 0, bytes = 0;
    for (uint32_t i = 0; i < mark->by_partition.count; i++) {
        struct repl_lag_share whole = mark->by_partition.items[i], left = whole;
        left.records += share(0, records, part) - share(0, records + whole.records, part);
        left.bytes += share(0, bytes, part) - share(0, bytes + whole.bytes, part);
        records += whole.records;
        bytes += whole.bytes;
        if (left.records > 0 || left.bytes > 0)
            cb(data, &left);
    }
}

void growth_each(const struct growth *w, uint64_t index, growth_cb cb, void *data)
{
    uint64_t from = index > w->first ? index : w->first;
    for (size_t i = mark_from(w, from + 1); from < ring_from(w) && i < w->mark_count; i++) {
        uint64_t before = i > 0 ? w->marks[i - 1].index : w->first;
        double part = (double)(from - before) / (double)(w->marks[i].index - before);
        each_share(&w->marks[i], part, cb, data);
        from = w->marks[i].index;
    }
    if (from < ring_from(w))
        from = ring_from(w);
    while (from < w->last) {
        const struct growth_entry *e = slot(w, ++from);
        struct repl_lag_share one = {e->partition_number, e->records, e->bytes};
        if (one.records > 0)
            cb(data, &one);
    }
}

/* ---- cutting ---- */

void growth_cut(struct growth *w, uint64_t index, uint64_t now_ms)
{
    if (index > w->last)
        return;
    if (index <= ring_from(w)) { /* more than is known one by one */
        growth_begin(w, index - 1, now_ms);
        return;
    }
    while (w->last >= index) {
        const struct growth_entry *e = slot(w, w->last--);
        w->records -= e->records;
        w->bytes -= e->bytes;
        w->count--;
    }
    while (w->mark_count > 0 && w->marks[w->mark_count - 1].index > w->last)
        drop_last_mark(w);
}
