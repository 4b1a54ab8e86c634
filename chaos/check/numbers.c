/* Maps from numbers to numbers. */
#include "numbers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BITS  8
#define PAGE_COUNT (1u << PAGE_BITS)

uint32_t *pages_place(struct pages *pages, int64_t number)
{
    assert(number >= 0 && number <= NUMBER_PAGED_MAX);
    size_t page = (size_t)number >> PAGE_BITS;
    while (pages->pages.count <= page)
        vector_add(&pages->pages);
    if (pages->pages.items[page] == NULL)
        pages->pages.items[page] = memory_make(PAGE_COUNT, sizeof(uint32_t));
    return &pages->pages.items[page][number & (PAGE_COUNT - 1)];
}

void pages_close(struct pages *pages)
{
    for (size_t i = 0; i < pages->pages.count; i++)
        free(pages->pages.items[i]);
    free(pages->pages.items);
    memset(pages, 0, sizeof *pages);
}

static struct pair *find(const struct pairs *pairs, uint64_t one, uint64_t other)
{
    uint64_t hash = (one * 0xff51afd7ed558ccdu ^ other) * 0xc4ceb9fe1a85ec53u;
    uint32_t mask = pairs->slot_count - 1;
    uint32_t at = (uint32_t)(hash >> 32) & mask;
    while (pairs->slots[at].value != 0 &&
           (pairs->slots[at].one != one || pairs->slots[at].other != other))
        at = (at + 1) & mask;
    return &pairs->slots[at];
}

static void widen(struct pairs *pairs)
{
    struct pairs wider = {.slot_count = pairs->slot_count == 0 ? 64 : pairs->slot_count * 2};
    wider.slots = memory_make(wider.slot_count, sizeof *wider.slots);
    wider.count = pairs->count;
    for (uint32_t i = 0; i < pairs->slot_count; i++)
        if (pairs->slots[i].value != 0)
            *find(&wider, pairs->slots[i].one, pairs->slots[i].other) = pairs->slots[i];
    free(pairs->slots);
    *pairs = wider;
}

uint32_t *pairs_place(struct pairs *pairs, uint64_t one, uint64_t other)
{
    if (pairs->count * 2 >= pairs->slot_count)
        widen(pairs);
    struct pair *pair = find(pairs, one, other);
    if (pair->value == 0) {
        pair->one = one;
        pair->other = other;
        pairs->count++;
    }
    return &pair->value;
}

void pairs_close(struct pairs *pairs)
{
    free(pairs->slots);
    memset(pairs, 0, sizeof *pairs);
}
