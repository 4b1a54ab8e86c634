/* Memory that grows. A checker without memory can't judge: it says so and ends with status 2. */
#ifndef CHECK_MEMORY_H
#define CHECK_MEMORY_H

#include <stddef.h>

/* Items one after the other; `items` moves when it grows. Zeroed is empty; memory_free(items). */
#define VECTOR(type)                                                                               \
    struct {                                                                                       \
        type *items;                                                                               \
        size_t count, capacity;                                                                    \
    }

/* Returns a new last item, all zero. */
#define vector_add(v)                                                                              \
    ((v)->items = memory_grow((v)->items, &(v)->capacity, (v)->count + 1, sizeof *(v)->items),     \
     &(v)->items[(v)->count++])

/* Room for `count` items; what is new is zero. */
void *memory_grow(void *items, size_t *capacity, size_t count, size_t item_size);
/* Never NULL, all zero. */
void *memory_make(size_t count, size_t item_size);

#endif
