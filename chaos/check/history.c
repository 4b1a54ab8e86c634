/* What a history is made of: finding things by name, and making them at first sight. */
#include "history.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_PAGE 256

void history_init(struct history *h)
{
    memset(h, 0, sizeof *h);
    h->last_reader = NONE;
}

static void close_partitions(struct history *h)
{
    for (size_t i = 0; i < h->partitions.count; i++) {
        struct partition *p = &h->partitions.items[i];
        for (int k = 0; k < STRETCHES_MAX; k++) {
            for (size_t page = 0; page < p->pages[k].count; page++)
                free(p->pages[k].items[page]);
            free(p->pages[k].items);
        }
        free(p->claims.items);
        free(p->readers.items);
    }
    free(h->partitions.items);
    for (size_t i = 0; i < h->topics.count; i++)
        free(h->topics.items[i].partitions.items);
    free(h->topics.items);
}

static void close_clients(struct history *h)
{
    for (size_t i = 0; i < h->processes.count; i++)
        pages_close(&h->processes.items[i].operations);
    for (size_t i = 0; i < h->numbers.count; i++)
        pages_close(&h->numbers.items[i]);
    for (size_t i = 0; i < h->members.count; i++)
        for (int k = 0; k < STRETCHES_MAX; k++)
            free(h->members.items[i].delivered[k].items);
    for (size_t i = 0; i < h->readers.count; i++)
        free(h->readers.items[i].finals.items);
    for (size_t i = 0; i < h->files.count; i++)
        free(h->files.items[i].path);
}

void history_close(struct history *h)
{
    close_partitions(h);
    close_clients(h);
    names_close(&h->names);
    names_close(&h->prefixes);
    pairs_close(&h->member_by_pair);
    pairs_close(&h->reader_by_pair);
    void *rest[] = {
        h->files.items,   h->processes.items,  h->process_by_name.items, h->records.items,
        h->numbers.items, h->whole.items,      h->topic_by_name.items,   h->operations.items,
        h->members.items, h->readers.items,    h->jumps.items,           h->dissents.items,
        h->faults.items,  h->recoveries.items, h->repeated.items,        h->repetitions.items};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        free(rest[i]);
    memset(h, 0, sizeof *h);
}

/* The place for name number `name` in an index by name. */
#define index_of(vector, name)                                                                     \
    ((vector)->items = memory_grow((vector)->items, &(vector)->capacity, (size_t)(name) + 1,       \
                                   sizeof *(vector)->items),                                       \
     &(vector)->items[name])

uint32_t history_process(struct history *h, struct text name, struct text site)
{
    uint32_t number = names_add(&h->names, name);
    uint32_t *index = index_of(&h->process_by_name, number);
    if (*index != 0)
        return *index - 1;
    struct process *process = vector_add(&h->processes);
    process->name = number;
    process->file = h->at.file;
    process->last_number = -1;
    process->site = site.size == 0 ? NAME_NONE : names_add(&h->names, site);
    *index = (uint32_t)h->processes.count;
    return *index - 1;
}

uint32_t history_topic(struct history *h, struct text name)
{
    uint32_t number = names_add(&h->names, name);
    uint32_t *index = index_of(&h->topic_by_name, number);
    if (*index != 0)
        return *index - 1;
    struct topic *topic = vector_add(&h->topics);
    topic->name = number;
    topic->deleted_at = NEVER;
    *index = (uint32_t)h->topics.count;
    return *index - 1;
}

uint32_t history_partition(struct history *h, uint32_t topic, int64_t number)
{
    assert(number >= 0 && number < PARTITIONS_MAX);
    uint32_t *index = index_of(&h->topics.items[topic].partitions, number);
    if (h->topics.items[topic].partitions.count <= (size_t)number)
        h->topics.items[topic].partitions.count = (size_t)number + 1;
    if (*index != 0)
        return *index - 1;
    struct partition *p = vector_add(&h->partitions);
    p->topic = topic;
    p->number = (int32_t)number;
    p->final_from_at[0] = p->final_from_at[1] = -1;
    *index = (uint32_t)h->partitions.count;
    return *index - 1;
}

bool history_is_judged(const struct history *h, uint32_t partition)
{
    return !h->topics.items[h->partitions.items[partition].topic].is_reused;
}

bool history_has_end(const struct history *h, uint32_t partition)
{
    return history_is_judged(h, partition) &&
           h->topics.items[h->partitions.items[partition].topic].deleted_at == NEVER;
}

int64_t history_end(const struct history *h, uint32_t partition)
{
    const struct partition *p = &h->partitions.items[partition];
    int64_t end = p->slots_end;
    for (size_t i = 0; i < p->readers.count; i++)
        if (h->readers.items[p->readers.items[i]].final_end > end)
            end = h->readers.items[p->readers.items[i]].final_end;
    return end;
}

bool history_may_be_cut(struct history *h, const struct record *record)
{
    struct text prefix = text_of(names_text(&h->prefixes, record->prefix));
    uint32_t name = names_find(&h->names, prefix);
    if (h->cut_at == NEVER || record->number == NONE || prefix.data[0] == '?')
        return false; /* '?': bytes that are no value at all */
    if (name == NAME_NONE || name >= h->process_by_name.capacity ||
        h->process_by_name.items[name] == 0)
        return true; /* not even its first line was written */
    const struct process *process = &h->processes.items[h->process_by_name.items[name] - 1];
    return !h->files.items[process->file].has_end && record->number > process->last_number;
}

/* Splits "<prefix>-<number>". Returns -1 where the whole value is to be the prefix. */
static int64_t split(struct text *value)
{
    uint32_t digits = 0;
    int64_t number = 0, unit = 1;
    while (digits < value->size && digits < 9) {
        char digit = value->data[value->size - 1 - digits];
        if (digit < '0' || digit > '9')
            break;
        number += (digit - '0') * unit;
        unit *= 10;
        digits++;
    }
    bool has_zero_in_front = digits > 1 && number < unit / 10;
    if (digits == 0 || digits == value->size || has_zero_in_front || number > NUMBER_PAGED_MAX ||
        value->data[value->size - 1 - digits] != '-')
        return -1;
    value->size -= digits + 1;
    return number;
}

uint32_t history_record(struct history *h, struct text value)
{
    int64_t number = split(&value);
    uint32_t prefix = names_add(&h->prefixes, value);
    uint32_t *index;
    if (number < 0) {
        index = index_of(&h->whole, prefix);
    } else {
        struct pages *numbers = index_of(&h->numbers, prefix);
        if (h->numbers.count <= prefix)
            h->numbers.count = prefix + 1;
        index = pages_place(numbers, number);
    }
    if (*index != 0)
        return *index - 1;
    struct record *record = vector_add(&h->records);
    *record = (struct record){.invoked_at = NEVER,
                              .completed_at = NEVER,
                              .offset = -1,
                              .seen_offset = -1,
                              .prefix = prefix,
                              .number = number < 0 ? NONE : (uint32_t)number,
                              .process = NONE,
                              .partition = NONE,
                              .seen_partition = NONE};
    *index = (uint32_t)h->records.count;
    return *index - 1;
}

char *history_value(const struct history *h, uint32_t record, char into[LINE_TEXT_MAX + 1])
{
    const struct record *r = &h->records.items[record];
    const char *prefix = names_text(&h->prefixes, r->prefix);
    if (r->number == NONE)
        snprintf(into, LINE_TEXT_MAX + 1, "%s", prefix);
    else
        snprintf(into, LINE_TEXT_MAX + 1, "%.240s-%u", prefix, r->number);
    return into;
}

uint32_t history_member(struct history *h, uint32_t group, uint32_t partition)
{
    uint32_t *index = pairs_place(&h->member_by_pair, group, partition);
    if (*index != 0)
        return *index - 1;
    struct member *member = vector_add(&h->members);
    member->group = group;
    member->partition = partition;
    *index = (uint32_t)h->members.count;
    return *index - 1;
}

uint32_t history_reader(struct history *h, uint32_t process, uint32_t partition, int64_t node)
{
    if (h->last_reader != NONE) {
        const struct reader *last = &h->readers.items[h->last_reader];
        if (last->process == process && last->partition == partition && last->node == node)
            return h->last_reader;
    }
    uint64_t second = (uint64_t)partition << 32 | (uint32_t)node;
    uint32_t *index = pairs_place(&h->reader_by_pair, process, second);
    if (*index == 0) {
        *vector_add(&h->partitions.items[partition].readers) = (uint32_t)h->readers.count;
        *vector_add(&h->readers) = (struct reader){.process = process,
                                                   .partition = partition,
                                                   .node = (int32_t)node,
                                                   .member = NONE,
                                                   .expected = -1,
                                                   .final_from_at = NEVER,
                                                   .final_end = -1};
        *index = (uint32_t)h->readers.count;
    }
    return h->last_reader = *index - 1;
}

/* ---- what lies where ---- */

static uint64_t stretch_of(int64_t offset)
{
    return (uint64_t)offset >> STRETCH_BITS;
}

bool history_holds(int64_t offset)
{
    return offset >= 0 && stretch_of(offset) < STRETCHES_MAX &&
           offset % STRETCH <= NUMBER_PAGED_MAX;
}

static struct slot *page_make(void)
{
    struct slot *slots = memory_make(SLOT_PAGE, sizeof(struct slot));
    for (int i = 0; i < SLOT_PAGE; i++) {
        slots[i].read_at = NEVER;
        slots[i].epoch = -1;
        slots[i].reader = NONE;
    }
    return slots;
}

struct slot *partition_slot(struct partition *p, int64_t offset)
{
    assert(history_holds(offset));
    size_t page = (size_t)(offset % STRETCH) / SLOT_PAGE;
    uint64_t stretch = stretch_of(offset);
    while (p->pages[stretch].count <= page)
        vector_add(&p->pages[stretch]);
    struct slot **slots = &p->pages[stretch].items[page];
    if (*slots == NULL)
        *slots = page_make();
    if (p->slots_end <= offset)
        p->slots_end = offset + 1;
    return &(*slots)[offset % SLOT_PAGE];
}

/* NULL: nothing of it was ever touched. */
static const struct slot *page_find(const struct partition *p, int64_t offset)
{
    size_t page = (size_t)(offset % STRETCH) / SLOT_PAGE;
    uint64_t stretch = stretch_of(offset);
    return stretch < STRETCHES_MAX && page < p->pages[stretch].count ? p->pages[stretch].items[page]
                                                                     : NULL;
}

const struct slot *partition_find(const struct partition *p, int64_t offset)
{
    const struct slot *slots = offset < 0 ? NULL : page_find(p, offset);
    if (slots == NULL || slots[offset % SLOT_PAGE].record == 0)
        return NULL;
    return &slots[offset % SLOT_PAGE];
}

/* The first offset behind this one's page that may be touched. */
static int64_t page_end(const struct partition *p, int64_t offset)
{
    int64_t next = (offset / SLOT_PAGE + 1) * SLOT_PAGE;
    uint64_t stretch = stretch_of(offset);
    bool is_last = (size_t)(offset % STRETCH) / SLOT_PAGE + 1 >= p->pages[stretch].count;
    return is_last ? (int64_t)(stretch + 1) * STRETCH : next;
}

int64_t partition_next(const struct partition *p, int64_t from)
{
    for (int64_t offset = from; offset < p->slots_end;) {
        if (partition_find(p, offset) != NULL)
            return offset;
        offset = page_find(p, offset) == NULL ? page_end(p, offset) : offset + 1;
    }
    return -1;
}

static bool is_read(const struct slot *slot)
{
    return (slot->seen & ~SEEN_ACKNOWLEDGED) != 0;
}

bool slot_agrees(const struct slot *a, const struct slot *b)
{
    bool are_both_read = is_read(a) && is_read(b);
    return a->record == b->record &&
           (!are_both_read || (a->crc == b->crc && a->size == b->size && a->key == b->key)) &&
           (a->epoch == b->epoch || a->epoch < 0 || b->epoch < 0);
}

void slot_merge(struct slot *slot, const struct slot *seen)
{
    uint8_t all = slot->seen | seen->seen;
    int64_t read_at = seen->read_at < slot->read_at ? seen->read_at : slot->read_at;
    int64_t last_read_at = seen->last_read_at > slot->last_read_at ? seen->last_read_at
                                                                   : slot->last_read_at;
    int64_t last_got_at = seen->last_got_at > slot->last_got_at ? seen->last_got_at
                                                                : slot->last_got_at;
    if (!is_read(slot) && is_read(seen))
        *slot = *seen; /* only readers know the bytes */
    slot->seen = all;
    slot->read_at = read_at;
    slot->last_read_at = last_read_at;
    slot->last_got_at = last_got_at;
    if (slot->epoch < 0)
        slot->epoch = seen->epoch;
}

void history_see(struct history *h, uint32_t partition, int64_t offset, const struct slot *seen)
{
    struct slot *slot = partition_slot(&h->partitions.items[partition], offset);
    if (slot->record == 0)
        *slot = *seen;
    else if (slot_agrees(slot, seen))
        slot_merge(slot, seen);
    else if (h->dissents.count < DISSENTS_MAX)
        *vector_add(&h->dissents) = (struct dissent){
            .partition = partition, .offset = offset, .slot = *seen};
    else
        h->dissents_dropped++;
}
