/* Nearly always empty: only what was recovered has any. */
#include "admin/gap_list.h"

#include <stdlib.h>

#include "base/err.h"

static int by_partition(const void *a, const void *b)
{
    const struct gap_list_item *first = a, *second = b;
    if (first->group_id != second->group_id)
        return first->group_id < second->group_id ? -1 : 1;
    if (first->number != second->number)
        return first->number < second->number ? -1 : 1;
    return (first->gap.from > second->gap.from) - (first->gap.from < second->gap.from);
}

static void take_partition(struct gap_list *list, const struct survey_detail *d,
                           const struct survey_partition *p)
{
    for (unsigned i = 0; i < p->gap_count; i++)
        list->items[list->count++] = (struct gap_list_item){
            .group_id = p->group_id, .number = p->number, .gap = d->gaps[p->gap_at + i]};
}

static const struct survey_detail *detail_of(const struct survey *survey, unsigned shard)
{
    const struct survey_shard *s = &survey->shards[shard];
    return s->has_answered && !s->detail.is_failed ? &s->detail : NULL;
}

int gap_list_take(struct gap_list *list, const struct survey *survey)
{
    size_t count = 0;
    *list = (struct gap_list){0};
    for (unsigned i = 0; i < survey->shard_count; i++)
        count += detail_of(survey, i) == NULL ? 0 : detail_of(survey, i)->gap_count;
    if (count == 0)
        return 0;
    list->items = malloc(count * sizeof *list->items);
    if (list->items == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < survey->shard_count; i++) {
        const struct survey_detail *d = detail_of(survey, i);
        for (size_t p = 0; d != NULL && p < d->partition_count; p++)
            take_partition(list, d, &d->partitions[p]);
    }
    qsort(list->items, list->count, sizeof *list->items, by_partition);
    return 0;
}

int64_t gap_list_within(const struct gap_list *list, uint32_t group_id, uint32_t number,
                        int64_t from, int64_t until)
{
    struct gap_list_item key = {.group_id = group_id, .number = number, .gap = {.from = -1}};
    int64_t left_out = 0;
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_partition(&list->items[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < list->count && list->items[low].group_id == group_id &&
           list->items[low].number == number;
         low++)
        left_out += survey_gap_within(&list->items[low].gap, from, until);
    return left_out;
}

void gap_list_close(struct gap_list *list)
{
    free(list->items);
}
