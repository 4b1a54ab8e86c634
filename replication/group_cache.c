/* The newest entries in memory, by index: what peers get and what apply takes. */
#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "group_internal.h"

#define CAPACITY_MIN 64

static void drop_entry(struct entry_cache *c, struct log_entry *e)
{
    c->bytes -= log_entry_size(e);
    slice_unref(&e->head);
    slice_unref(&e->body);
}

static struct log_entry *slot(const struct entry_cache *c, uint64_t index)
{
    return &c->ring[index & (c->capacity - 1)];
}

void cache_close(struct entry_cache *c)
{
    for (size_t i = 0; i < c->count; i++)
        drop_entry(c, slot(c, c->first + i));
    free(c->ring);
    *c = (struct entry_cache){0};
}

static int grow(struct entry_cache *c)
{
    struct entry_cache grown = *c;
    grown.capacity = c->capacity == 0 ? CAPACITY_MIN : c->capacity * 2;
    grown.ring = malloc(grown.capacity * sizeof *grown.ring);
    if (grown.ring == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < c->count; i++)
        *slot(&grown, c->first + i) = *slot(c, c->first + i);
    free(c->ring);
    *c = grown;
    return 0;
}

int cache_push(struct entry_cache *c, const struct log_entry *entry)
{
    if (c->count == 0)
        c->first = entry->index;
    assert(entry->index == c->first + c->count);
    if (c->count == c->capacity && grow(c) != 0)
        return UV_ENOMEM;
    struct log_entry *into = slot(c, entry->index);
    *into = *entry;
    slice_ref(into->head);
    slice_ref(into->body);
    c->bytes += log_entry_size(entry);
    c->count++;
    return 0;
}

const struct log_entry *cache_get(const struct entry_cache *c, uint64_t index)
{
    return index < c->first || index >= c->first + c->count ? NULL : slot(c, index);
}

void cache_truncate(struct entry_cache *c, uint64_t from_index)
{
    while (c->count > 0 && c->first + c->count > from_index) {
        c->count--;
        drop_entry(c, slot(c, c->first + c->count));
    }
}

void cache_drop_before(struct entry_cache *c, uint64_t index)
{
    while (c->count > 0 && c->first < index) {
        drop_entry(c, slot(c, c->first));
        c->first++;
        c->count--;
    }
}
