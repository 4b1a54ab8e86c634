/* The tail: where most fetches end.
 *
 * A ring of small descriptors; the bytes stay in the buffers they were received in. Memory is
 * counted in whole buffers, because one surviving batch keeps all of its buffer alive: a batch
 * that is small in its buffer is therefore copied out when it is pushed. */
#include "tail.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#define CAPACITY_FIRST   4
#define COPY_BELOW_SHARE 8 /* copy a batch that is smaller than an eighth of its buffer */

static struct log_tail_batch *slot(const struct log_tail *t, unsigned index)
{
    return &t->ring[(t->first + index) & (t->capacity - 1)];
}

void log_tail_close(struct log_tail *t)
{
    while (t->count > 0)
        log_tail_drop_first(t);
    free(t->ring);
    *t = (struct log_tail){0};
}

static int make_room(struct log_tail *t)
{
    if (t->count < t->capacity)
        return 0;
    unsigned capacity = t->capacity == 0 ? CAPACITY_FIRST : t->capacity * 2;
    struct log_tail_batch *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < t->count; i++)
        ring[i] = *slot(t, i);
    free(t->ring);
    t->ring = ring;
    t->capacity = capacity;
    t->first = 0;
    return 0;
}

/* Gives back memory after a burst: a tail that was long once must not stay large for ever. */
static void shrink_if_sparse(struct log_tail *t)
{
    if (t->count > 0 || t->capacity <= 64)
        return;
    free(t->ring);
    t->ring = NULL;
    t->capacity = 0;
    t->first = 0;
}

static int claim(struct slice from, struct slice *claimed)
{
    if (from.owner != NULL && from.bytes.size >= from.owner->capacity / COPY_BELOW_SHARE) {
        *claimed = slice_ref(from);
        return 0;
    }
    struct buffer *copy = buffer_create(from.bytes.size);
    if (copy == NULL)
        return UV_ENOMEM;
    memcpy(copy->data, from.bytes.data, from.bytes.size);
    *claimed = (struct slice){.owner = copy, .bytes = bytes_of(copy->data, from.bytes.size)};
    return 0;
}

int log_tail_push(struct log_tail *t, const struct log_tail_batch *batch)
{
    assert(batch->next_offset > batch->base_offset);
    assert(t->count == 0 || batch->base_offset >= slot(t, t->count - 1)->next_offset);
    struct slice data;
    if (make_room(t) != 0 || claim(batch->data, &data) != 0)
        return UV_ENOMEM;
    if (t->count == 0 || slot(t, t->count - 1)->data.owner != data.owner)
        t->owner_bytes += data.owner->capacity;
    t->unflushed_bytes += data.bytes.size;
    struct log_tail_batch *added = slot(t, t->count++);
    *added = *batch;
    added->data = data;
    return 0;
}

const struct log_tail_batch *log_tail_at(const struct log_tail *t, unsigned index)
{
    assert(index < t->count);
    return slot(t, index);
}

unsigned log_tail_find(const struct log_tail *t, int64_t offset)
{
    unsigned low = 0, high = t->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (slot(t, middle)->next_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t log_tail_first_offset(const struct log_tail *t, int64_t otherwise)
{
    return t->count > 0 ? slot(t, 0)->base_offset : otherwise;
}

void log_tail_mark_flushed(struct log_tail *t, int64_t offset)
{
    while (t->flushed_count < t->count && slot(t, t->flushed_count)->base_offset < offset) {
        t->unflushed_bytes -= slot(t, t->flushed_count)->data.bytes.size;
        t->flushed_count++;
    }
}

void log_tail_drop_first(struct log_tail *t)
{
    assert(t->count > 0);
    struct log_tail_batch *dropped = slot(t, 0);
    if (t->flushed_count > 0)
        t->flushed_count--;
    else
        t->unflushed_bytes -= dropped->data.bytes.size;
    /* The next batch may lie in the same buffer, which then stays counted. */
    if (t->count == 1 || slot(t, 1)->data.owner != dropped->data.owner)
        t->owner_bytes -= dropped->data.owner->capacity;
    slice_unref(&dropped->data);
    t->first++;
    t->count--;
    shrink_if_sparse(t);
}
