/* Brings together what only all lines together tell.
 *
 * Acknowledgements go to their slots; where observers disagree about an offset, the slot keeps
 * what most kinds of them say; each record learns where it lies; each slot learns which kind of
 * final read lacks it. */
#include <stdlib.h>
#include <string.h>

#include "forced_recovery.h"

#define FINAL (SEEN_FINAL_SITE | SEEN_FINAL_NODE)

/* ---- administration: what it takes away is not missed ---- */

static void apply_delete_topic(struct history *h, const struct operation *o)
{
    struct topic *topic = &h->topics.items[o->topic];
    if (o->invoked_at < topic->deleted_at)
        topic->deleted_at = o->invoked_at;
}

static void apply_delete_records(struct history *h, const struct operation *o)
{
    struct partition *p = &h->partitions.items[o->partition];
    int64_t before = o->offset < 0 ? NEVER : o->offset; /* below 0: up to the end of then */
    if (before > p->deleted_before)
        p->deleted_before = before;
}

/* Forgets all offsets of the group, as a commit of -1 to each of its partitions would. */
static void apply_delete_group(struct history *h, const struct operation *delete)
{
    struct operation forget = *delete;
    forget.kind = COMMIT;
    forget.offset = -1;
    for (uint32_t i = 0; i < h->members.count; i++) {
        if (h->members.items[i].group != forget.group)
            continue;
        forget.member = i;
        forget.partition = h->members.items[i].partition;
        *vector_add(&h->operations) = forget;
    }
}

static void apply_administration(struct history *h)
{
    uint32_t delete_topic = names_find(&h->names, text_of("delete-topic"));
    uint32_t delete_records = names_find(&h->names, text_of("delete-records"));
    uint32_t delete_group = names_find(&h->names, text_of("delete-group"));
    size_t count = h->operations.count;
    for (size_t i = 0; i < count; i++) {
        struct operation o = h->operations.items[i];
        if (o.kind != ADMIN || o.outcome == OUTCOME_FAIL || o.action == NAME_NONE)
            continue;
        if (o.action == delete_topic && o.topic != NONE)
            apply_delete_topic(h, &o);
        if (o.action == delete_records && o.partition != NONE)
            apply_delete_records(h, &o);
        if (o.action == delete_group && o.group != NONE)
            apply_delete_group(h, &o);
    }
}

static void find_reused_topics(struct history *h)
{
    uint32_t create = names_find(&h->names, text_of("create-topic"));
    for (size_t i = 0; i < h->operations.count; i++) {
        const struct operation *o = &h->operations.items[i];
        if (o->kind == ADMIN && o->action == create && create != NAME_NONE && o->topic != NONE &&
            o->outcome != OUTCOME_FAIL && o->completed_at > h->topics.items[o->topic].deleted_at)
            h->topics.items[o->topic].is_reused = true;
    }
}

/* ---- slots ---- */

static void see_acknowledgements(struct history *h)
{
    for (uint32_t i = 0; i < h->records.count; i++) {
        const struct record *r = &h->records.items[i];
        if (r->outcome != OUTCOME_OK || r->offset < 0 || r->partition == NONE)
            continue;
        struct slot seen = {.record = i + 1,
                            .crc = r->crc,
                            .size = r->size,
                            .key = r->key,
                            .read_at = NEVER,
                            .epoch = -1,
                            .reader = NONE,
                            .place = r->place,
                            .seen = SEEN_ACKNOWLEDGED};
        history_see(h, r->partition, r->offset, &seen);
    }
}

static int compare_dissents(const void *a, const void *b)
{
    const struct dissent *one = a, *other = b;
#define BY(member)                                                                                 \
    if (one->member != other->member)                                                              \
    return one->member < other->member ? -1 : 1
    BY(partition);
    BY(offset);
    BY(slot.record);
    BY(slot.crc);
    BY(slot.size);
    BY(slot.key);
    BY(slot.epoch);
    BY(slot.read_at);
#undef BY
    return 0;
}

/* How many kinds of observers that bind the broker say so; a plain read is the weakest. */
static int weight(const struct slot *slot)
{
    return 2 * __builtin_popcount(slot->seen & (SEEN_ACKNOWLEDGED | FINAL)) +
           (slot->seen & SEEN_READ ? 1 : 0);
}

static void add_to_one_that_agrees(struct dissent *dissents, size_t *count,
                                   const struct dissent *dissent)
{
    for (size_t i = 0; i < *count; i++) {
        if (slot_agrees(&dissents[i].slot, &dissent->slot)) {
            slot_merge(&dissents[i].slot, &dissent->slot);
            return;
        }
    }
    dissents[(*count)++] = *dissent;
}

/* What was said of one offset; returns how many dissents are left of `count`. */
static size_t decide(struct slot *slot, struct dissent *dissents, size_t count)
{
    size_t kept = 0, left = 0;
    for (size_t i = 0; i < count; i++) {
        struct dissent next = dissents[i];
        add_to_one_that_agrees(dissents, &kept, &next);
    }
    for (size_t i = 0; i < kept; i++) {
        if (weight(&dissents[i].slot) > weight(slot)) {
            struct slot weaker = *slot;
            *slot = dissents[i].slot;
            dissents[i].slot = weaker;
        }
    }
    for (size_t i = 0; i < kept; i++) {
        if (slot_agrees(slot, &dissents[i].slot))
            slot_merge(slot, &dissents[i].slot);
        else
            dissents[left++] = dissents[i];
    }
    return left;
}

static void let_the_most_decide(struct history *h)
{
    struct dissent *all = h->dissents.items;
    size_t kept = 0;
    if (h->dissents.count > 0)
        qsort(all, h->dissents.count, sizeof *all, compare_dissents);
    for (size_t from = 0, to; from < h->dissents.count; from = to) {
        for (to = from + 1; to < h->dissents.count && all[to].partition == all[from].partition &&
                            all[to].offset == all[from].offset;)
            to++;
        struct partition *p = &h->partitions.items[all[from].partition];
        size_t left = decide(partition_slot(p, all[from].offset), all + from, to - from);
        memmove(all + kept, all + from, left * sizeof *all);
        kept += left;
    }
    h->dissents.count = kept;
}

/* ---- final reads ---- */

/* Whoever looked after this instant must have found it. */
static int64_t known_at(const struct history *h, const struct slot *slot)
{
    const struct record *r = &h->records.items[slot->record - 1];
    int64_t at = slot->read_at;
    if (slot->seen & SEEN_ACKNOWLEDGED && r->completed_at < at)
        at = r->completed_at;
    return at;
}

/* `ends_from_at`: from here on readers asked how far they should read. */
static void mark_hole(struct history *h, const struct reader *reader, int64_t ends_from_at,
                      int64_t from, int64_t to)
{
    struct partition *p = &h->partitions.items[reader->partition];
    uint8_t kind = reader->node >= 0 ? SEEN_FINAL_NODE : SEEN_FINAL_SITE;
    if (from < p->deleted_before)
        from = p->deleted_before;
    for (int64_t offset = partition_next(p, from); offset >= 0 && offset < to;
         offset = partition_next(p, offset + 1)) {
        struct slot *slot = partition_slot(p, offset);
        /* Behind its end there may be what came since that was asked for: sends of unknown outcome,
         * which a network that was cut brings late. One reader may see it before another begins. */
        if (offset < reader->final_end || known_at(h, slot) < ends_from_at)
            slot->missing |= kind;
    }
}

static void mark_missing(struct history *h, const struct reader *reader, int64_t ends_from_at)
{
    struct partition *p = &h->partitions.items[reader->partition];
    int64_t *from_at = &p->final_from_at[reader->node >= 0];
    int64_t at = 0;
    if (*from_at < reader->final_from_at)
        *from_at = reader->final_from_at;
    for (size_t i = 0; i < reader->finals.count; i++) {
        mark_hole(h, reader, ends_from_at, at, reader->finals.items[i].from);
        at = reader->finals.items[i].to;
    }
    mark_hole(h, reader, ends_from_at, at, p->slots_end);
}

/* ---- records ---- */

/* Sent again, because the first place was lost before it was acknowledged. */
static bool is_moved(const struct history *h, const struct record *r, const struct slot *slot)
{
    const struct slot *first = partition_find(&h->partitions.items[r->seen_partition],
                                              r->seen_offset);
    return first->is_taken && !slot->is_taken;
}

static void place_record(struct history *h, uint32_t partition, int64_t offset,
                         const struct slot *slot)
{
    struct record *r = &h->records.items[slot->record - 1];
    if (slot->seen & (FINAL))
        r->is_in_end = true;
    if (r->seen_offset < 0 || is_moved(h, r, slot)) {
        r->seen_offset = offset;
        r->seen_partition = partition;
    } else {
        *vector_add(&h->repetitions) = (struct repetition){
            .record = slot->record - 1, .partition = partition, .offset = offset};
    }
}

static void place_records(struct history *h)
{
    for (uint32_t i = 0; i < h->partitions.count; i++) {
        const struct partition *p = &h->partitions.items[i];
        for (int64_t at = partition_next(p, 0); at >= 0; at = partition_next(p, at + 1))
            place_record(h, i, at, partition_find(p, at));
    }
    for (size_t i = 0; i < h->dissents.count; i++)
        if (h->dissents.items[i].slot.seen & (FINAL))
            h->records.items[h->dissents.items[i].slot.record - 1].is_in_end = true;
}

/* ---- files that were cut short ---- */

/* Writers hold lines back for a moment, so that the last ones that are there are not the first ones
 * that are not. */
#define HELD_BACK_US 1000000

static void find_cut(struct history *h)
{
    h->cut_at = NEVER;
    for (size_t i = 0; i < h->files.count; i++) {
        const struct history_file *file = &h->files.items[i];
        if (!file->has_end && file->last_at - HELD_BACK_US < h->cut_at)
            h->cut_at = file->last_at - HELD_BACK_US;
    }
}

static int64_t first_final_at(const struct history *h)
{
    int64_t at = NEVER;
    for (size_t i = 0; i < h->readers.count; i++)
        if (h->readers.items[i].final_end >= 0 && h->readers.items[i].final_from_at < at)
            at = h->readers.items[i].final_from_at;
    return at;
}

static int compare_recoveries(const void *a, const void *b)
{
    const struct forced_recovery *one = a, *other = b;
    return (one->at > other->at) - (one->at < other->at);
}

void history_settle(struct history *h)
{
    int64_t ends_from_at = first_final_at(h);
    if (h->recoveries.count > 0)
        qsort(h->recoveries.items, h->recoveries.count, sizeof *h->recoveries.items,
              compare_recoveries);
    find_cut(h);
    apply_administration(h);
    find_reused_topics(h);
    see_acknowledgements(h);
    let_the_most_decide(h);
    for (size_t i = 0; i < h->readers.count; i++)
        if (h->readers.items[i].final_end >= 0)
            mark_missing(h, &h->readers.items[i], ends_from_at);
    recovery_mark_taken(h);
    place_records(h);
}
