/* The read side of a connection.
 *
 * Bytes are read into counted buffers and frames are handed out where they lie, so that entries
 * travel on to WAL, cache and tail by reference. A buffer is filled to its end, frame behind
 * frame, even while earlier frames in it are held: held frames then lie dense, and what a cache
 * keeps is about what its buffers take. A buffer that nobody holds any more is used again.
 *
 * A frame that the rest of the buffer can't hold moves to the front of a new one; one beyond the
 * ordinary size gets a buffer of exactly its size, which goes with it. Whoever keeps a small
 * piece for long (a tail that has gone quiet) copies it out: that is known there, not here. */
#include "peer_link_receive.h"

#include <assert.h>
#include <string.h>

#define ROOM_MIN ((size_t)4 << 10) /* below, a read is not worth its call */

void peer_receive_init(struct peer_receive *r, size_t buffer_size)
{
    assert(buffer_size >= 2 * ROOM_MIN);
    *r = (struct peer_receive){.buffer_size = buffer_size, .size_needed = PEER_FRAME_HEADER_SIZE};
}

void peer_receive_close(struct peer_receive *r)
{
    buffer_unref(r->buffer);
    r->buffer = NULL;
    r->start = r->end = 0;
}

/* Only this thread can make a second reference out of the only one. */
static bool is_held_by_nobody_else(const struct buffer *b)
{
    return atomic_load_explicit(&b->references, memory_order_acquire) == 1;
}

static bool has_room(const struct peer_receive *r)
{
    if (r->buffer == NULL)
        return false;
    size_t unread = r->end - r->start;
    bool is_size_known = r->size_needed > PEER_FRAME_HEADER_SIZE;
    size_t wanted = is_size_known ? r->size_needed - unread : ROOM_MIN;
    return r->buffer->capacity - r->end >= wanted;
}

static void move_to_front(struct peer_receive *r)
{
    if (r->end > r->start)
        memmove(r->buffer->data, r->buffer->data + r->start, r->end - r->start);
    r->end -= r->start;
    r->start = 0;
}

static int replace_buffer(struct peer_receive *r)
{
    size_t capacity = r->size_needed > r->buffer_size ? r->size_needed : r->buffer_size;
    struct buffer *next = buffer_create(capacity);
    if (next == NULL)
        return UV_ENOMEM;
    size_t unread = r->end - r->start;
    if (r->buffer != NULL)
        memcpy(next->data, r->buffer->data + r->start, unread);
    buffer_unref(r->buffer);
    r->buffer = next;
    r->start = 0;
    r->end = unread;
    return 0;
}

int peer_receive_room(struct peer_receive *r, uint8_t **at, size_t *size)
{
    bool is_ordinary = r->buffer != NULL && r->buffer->capacity == r->buffer_size;
    if (is_ordinary && (r->start == r->end || !has_room(r)) && is_held_by_nobody_else(r->buffer))
        move_to_front(r);
    if (!has_room(r) && replace_buffer(r) < 0)
        return UV_ENOMEM;
    *at = r->buffer->data + r->end;
    *size = r->buffer->capacity - r->end;
    assert(*size > 0);
    return 0;
}

void peer_receive_filled(struct peer_receive *r, size_t size)
{
    assert(r->buffer != NULL && size <= r->buffer->capacity - r->end);
    r->end += size;
}

int peer_receive_next(struct peer_receive *r, const struct peer_frame_limits *limits,
                      struct peer_frame *frame)
{
    if (r->end - r->start < r->size_needed)
        return 0;
    struct bytes unread = bytes_of(r->buffer->data + r->start, r->end - r->start);
    int size = peer_frame_decode(unread, limits, frame, &r->size_needed);
    if (size == ERR_NEED_MORE)
        return 0;
    if (size < 0)
        return size;
    r->start += (size_t)size;
    r->size_needed = PEER_FRAME_HEADER_SIZE;
    return 1;
}
