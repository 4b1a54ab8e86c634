/* Lists that are small and sorted: a log has few partitions, as a rule, and what lies between two
 * marks even fewer. */
#include "growth_share.h"

#include <stdlib.h>
#include <string.h>

void growth_shares_close(struct growth_shares *s)
{
    free(s->items);
    *s = (struct growth_shares){0};
}

static int by_partition(const void *a, const void *b)
{
    const struct repl_lag_share *one = a, *other = b;
    return (one->partition_number > other->partition_number) -
           (one->partition_number < other->partition_number);
}

unsigned growth_shares_join(struct repl_lag_share *items, unsigned count)
{
    unsigned joined = 0;
    if (count > 1)
        qsort(items, count, sizeof items[0], by_partition);
    for (unsigned i = 0; i < count; i++) {
        if (joined > 0 && items[joined - 1].partition_number == items[i].partition_number) {
            items[joined - 1].records += items[i].records;
            items[joined - 1].bytes += items[i].bytes;
        } else {
            items[joined++] = items[i];
        }
    }
    return joined;
}

struct growth_shares growth_shares_of(const struct repl_lag_share *items, unsigned count)
{
    struct growth_shares s = {0};
    if (count == 0)
        return s;
    s.items = malloc(count * sizeof items[0]);
    if (s.items == NULL)
        return s;
    memcpy(s.items, items, count * sizeof items[0]);
    s.count = count;
    return s;
}

void growth_shares_merge(struct growth_shares *into, struct growth_shares *others)
{
    struct repl_lag_share *both;
    if (others->count > 0) {
        both = realloc(into->items, (size_t)(into->count + others->count) * sizeof *both);
        if (both == NULL) {
            growth_shares_close(into);
        } else {
            memcpy(both + into->count, others->items, others->count * sizeof *both);
            into->items = both;
            into->count = growth_shares_join(both, into->count + others->count);
        }
    }
    growth_shares_close(others);
}
