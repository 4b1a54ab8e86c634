/* Memory that grows by half again, so that a million items cost few copies and little air. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (memory != NULL)
        return memory;
    fprintf(stderr, "check: out of memory\n");
    exit(2);
}

void *memory_grow(void *items, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity)
        return items;
    size_t grown = count + count / 2 + 8;
    items = must(realloc(items, grown * item_size));
    memset((char *)items + *capacity * item_size, 0, (grown - *capacity) * item_size);
    *capacity = grown;
    return items;
}

void *memory_make(size_t count, size_t item_size)
{
    return must(calloc(count == 0 ? 1 : count, item_size));
}
