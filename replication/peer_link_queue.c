/* The write side of a connection.
 *
 * Frames become pieces of one byte stream: what is small (frame headers, heads, entry heads) is
 * copied side by side into a chunk and becomes one piece, what is large stays where it was
 * received and is referenced. So a turn's frames to a peer are one writev with few pieces: on a
 * local socket one gathered write costs 25 to 40 times less than one write per kilobyte. A chunk
 * of which all is written is used again; in steady state nothing is allocated. */
#include "peer_link_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE      ((size_t)32 << 10)
#define COPIED_SIZE_MAX 512 /* below, copying is cheaper than a reference and a piece */
#define PIECES_MIN      64

void peer_queue_init(struct peer_queue *q)
{
    *q = (struct peer_queue){0};
}

void peer_queue_close(struct peer_queue *q)
{
    peer_queue_consume(q, q->size_bytes);
    buffer_unref(q->chunk);
    free(q->pieces);
    *q = (struct peer_queue){0};
}

static struct slice *piece_at(const struct peer_queue *q, size_t index)
{
    return &q->pieces[(q->first + index) & (q->piece_capacity - 1)];
}

static int reserve_pieces(struct peer_queue *q, size_t more)
{
    if (q->piece_count + more <= q->piece_capacity)
        return 0;
    size_t capacity = q->piece_capacity > 0 ? q->piece_capacity : PIECES_MIN;
    while (capacity < q->piece_count + more)
        capacity *= 2;
    struct slice *pieces = calloc(capacity, sizeof *pieces);
    if (pieces == NULL)
        return UV_ENOMEM;
    for (size_t i = 0; i < q->piece_count; i++)
        pieces[i] = *piece_at(q, i);
    free(q->pieces);
    q->pieces = pieces;
    q->piece_capacity = capacity;
    q->first = 0;
    return 0;
}

static int reserve_chunk(struct peer_queue *q, size_t size)
{
    if (q->chunk != NULL && q->chunk->capacity - q->chunk_used >= size)
        return 0;
    struct buffer *chunk = buffer_create(size > CHUNK_SIZE ? size : CHUNK_SIZE);
    if (chunk == NULL)
        return UV_ENOMEM;
    buffer_unref(q->chunk);
    q->chunk = chunk;
    q->chunk_used = 0;
    return 0;
}

static bool is_copied(struct bytes bytes)
{
    return bytes.size <= COPIED_SIZE_MAX;
}

static void add_piece(struct peer_queue *q, struct slice piece)
{
    assert(q->piece_count < q->piece_capacity);
    *piece_at(q, q->piece_count++) = piece;
    q->size_bytes += piece.bytes.size;
}

/* Copies behind what the chunk holds; a piece that ends there grows instead of a new one. */
static void add_copied(struct peer_queue *q, struct bytes bytes)
{
    if (bytes.size == 0)
        return;
    uint8_t *at = q->chunk->data + q->chunk_used;
    assert(bytes.size <= q->chunk->capacity - q->chunk_used);
    memcpy(at, bytes.data, bytes.size);
    q->chunk_used += bytes.size;
    struct slice *last = q->piece_count > 0 ? piece_at(q, q->piece_count - 1) : NULL;
    if (last != NULL && last->owner == q->chunk && last->bytes.data + last->bytes.size == at) {
        last->bytes.size += bytes.size;
        q->size_bytes += bytes.size;
        return;
    }
    add_piece(q, (struct slice){.owner = buffer_ref(q->chunk), .bytes = bytes_of(at, bytes.size)});
}

int peer_queue_push(struct peer_queue *q, const uint8_t header[PEER_FRAME_HEADER_SIZE],
                    const struct net_frame *frame)
{
    size_t copied_size = PEER_FRAME_HEADER_SIZE + frame->head.size;
    for (unsigned i = 0; i < frame->payload_count; i++)
        if (is_copied(frame->payload[i].bytes))
            copied_size += frame->payload[i].bytes.size;
    if (reserve_pieces(q, 2 + (size_t)frame->payload_count) < 0 ||
        reserve_chunk(q, copied_size) < 0)
        return UV_ENOMEM;

    add_copied(q, bytes_of(header, PEER_FRAME_HEADER_SIZE));
    add_copied(q, frame->head);
    for (unsigned i = 0; i < frame->payload_count; i++) {
        if (is_copied(frame->payload[i].bytes))
            add_copied(q, frame->payload[i].bytes);
        else
            add_piece(q, slice_ref(frame->payload[i]));
    }
    return 0;
}

unsigned peer_queue_gather(const struct peer_queue *q, uv_buf_t *into, unsigned max,
                           size_t *size_bytes)
{
    unsigned count = 0;
    *size_bytes = 0;
    for (; count < max && count < q->piece_count; count++) {
        const struct slice *piece = piece_at(q, count);
        into[count] = (uv_buf_t){.base = (char *)(uintptr_t)piece->bytes.data,
                                 .len = piece->bytes.size};
        *size_bytes += piece->bytes.size;
    }
    return count;
}

void peer_queue_consume(struct peer_queue *q, size_t size)
{
    assert(size <= q->size_bytes);
    q->size_bytes -= size;
    while (size > 0) {
        struct slice *piece = piece_at(q, 0);
        if (size < piece->bytes.size) {
            piece->bytes.data += size;
            piece->bytes.size -= size;
            return;
        }
        size -= piece->bytes.size;
        slice_unref(piece);
        q->first = (q->first + 1) & (q->piece_capacity - 1);
        q->piece_count--;
    }
    if (q->piece_count == 0)
        q->chunk_used = 0; /* no piece refers to the chunk any more */
}
