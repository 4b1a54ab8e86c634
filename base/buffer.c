/* Counted buffers. The count of live bytes is kept here, where every buffer passes, because a
 * memory limit must see survivors that nobody thinks of any more. */
#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>

static atomic_size_t total_bytes;

struct buffer *buffer_create(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct buffer))
        return NULL;
    struct buffer *b = malloc(sizeof *b + capacity);
    if (b == NULL)
        return NULL;
    atomic_init(&b->references, 1);
    b->unused = 0;
    b->capacity = capacity;
    atomic_fetch_add_explicit(&total_bytes, capacity, memory_order_relaxed);
    return b;
}

struct buffer *buffer_ref(struct buffer *b)
{
    if (b != NULL) {
        unsigned before = atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
        assert(before > 0); /* a freed buffer can't be claimed again */
        (void)before;
    }
    return b;
}

void buffer_unref(struct buffer *b)
{
    if (b == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    atomic_fetch_sub_explicit(&total_bytes, b->capacity, memory_order_relaxed);
    free(b);
}

size_t buffer_total_bytes(void)
{
    return atomic_load_explicit(&total_bytes, memory_order_relaxed);
}
