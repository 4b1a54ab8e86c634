/* The writer: a chunk that small values are copied into, and slices. A piece is what was copied
 * since the last slice; it becomes a slice itself when something is referenced behind it, when
 * its chunk is full, or at the end. */
#include "protocol/writer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

#define CHUNK_BYTES_MIN 512
#define CHUNK_BYTES_MAX 65536

void kafka_writer_init(struct kafka_writer *w, size_t limit_bytes)
{
    *w = (struct kafka_writer){.limit_bytes = limit_bytes, .chunk_bytes = CHUNK_BYTES_MIN};
}

void kafka_writer_close(struct kafka_writer *w)
{
    for (size_t i = 0; i < w->slice_count; i++)
        slice_unref(&w->slices[i]);
    free(w->slices);
    buffer_unref(w->chunk);
    *w = (struct kafka_writer){0};
}

int kafka_writer_fail(struct kafka_writer *w, int err)
{
    assert(err < 0);
    if (w->err == 0)
        w->err = err;
    return w->err;
}

struct kafka_writer kafka_writer_counting(const struct kafka_writer *w)
{
    return (struct kafka_writer){
        .limit_bytes = w->limit_bytes, .is_flexible = w->is_flexible, .is_counting = true};
}

/* Makes room for one more slice, its reference already taken. */
static int add_slice(struct kafka_writer *w, struct slice slice)
{
    if (w->slice_count == w->slice_capacity) {
        size_t capacity = w->slice_capacity == 0 ? 8 : w->slice_capacity * 2;
        struct slice *grown = realloc(w->slices, capacity * sizeof *grown);
        if (grown == NULL)
            return kafka_writer_fail(w, UV_ENOMEM);
        w->slices = grown;
        w->slice_capacity = capacity;
    }
    w->slices[w->slice_count++] = slice_ref(slice);
    return 0;
}

static int end_piece(struct kafka_writer *w)
{
    if (w->piece == w->at)
        return 0;
    struct slice slice = {w->chunk, bytes_of(w->piece, (size_t)(w->at - w->piece))};
    w->piece = w->at;
    return add_slice(w, slice);
}

static int begin_chunk(struct kafka_writer *w)
{
    if (end_piece(w) != 0)
        return w->err;
    buffer_unref(w->chunk);
    w->chunk = buffer_create(w->chunk_bytes);
    if (w->chunk == NULL) {
        w->piece = w->at = w->end = NULL;
        return kafka_writer_fail(w, UV_ENOMEM);
    }
    w->piece = w->at = w->chunk->data;
    w->end = w->at + w->chunk_bytes;
    if (w->chunk_bytes < CHUNK_BYTES_MAX)
        w->chunk_bytes *= 2;
    return 0;
}

/* Counts the bytes; false when they are not to be stored. */
static bool admit(struct kafka_writer *w, size_t size)
{
    if (w->err != 0)
        return false;
    if (size > w->limit_bytes - w->size_bytes) {
        kafka_writer_fail(w, ERR_TOO_LARGE);
        return false;
    }
    w->size_bytes += size;
    return !w->is_counting;
}

void kafka_write_raw(struct kafka_writer *w, struct bytes bytes)
{
    if (!admit(w, bytes.size))
        return;
    while (bytes.size > 0) {
        if (w->at == w->end && begin_chunk(w) != 0)
            return;
        size_t room = (size_t)(w->end - w->at);
        size_t part = bytes.size < room ? bytes.size : room;
        memcpy(w->at, bytes.data, part);
        w->at += part;
        bytes.data += part;
        bytes.size -= part;
    }
}

void kafka_write_slice(struct kafka_writer *w, struct slice slice)
{
    if (slice.bytes.size <= KAFKA_WRITER_COPY_BYTES) {
        kafka_write_raw(w, slice.bytes);
        return;
    }
    if (admit(w, slice.bytes.size) && end_piece(w) == 0)
        add_slice(w, slice);
}

void kafka_writer_begin_frame(struct kafka_writer *w)
{
    assert(w->size_bytes == 0 && !w->is_counting);
    static const uint8_t room[4];
    kafka_write_raw(w, bytes_of(room, sizeof room));
    if (w->err == 0)
        w->size_field = w->chunk->data; /* the first bytes of the first chunk */
}

int kafka_writer_finish(struct kafka_writer *w)
{
    assert(!w->is_counting);
    if (w->err != 0 || end_piece(w) != 0)
        return w->err;
    if (w->size_field != NULL && w->size_bytes - 4 > INT32_MAX)
        return kafka_writer_fail(w, ERR_TOO_LARGE);
    if (w->size_field != NULL)
        bytes_put_be32(w->size_field, (uint32_t)(w->size_bytes - 4));
    return 0;
}

const struct slice *kafka_writer_slices(const struct kafka_writer *w, size_t *count)
{
    assert(w->err == 0 && w->piece == w->at);
    *count = w->slice_count;
    return w->slices;
}

size_t kafka_writer_copy(const struct kafka_writer *w, uint8_t *to, size_t size)
{
    assert(w->err == 0 && w->piece == w->at && size >= w->size_bytes);
    for (size_t i = 0; i < w->slice_count; i++) {
        memcpy(to, w->slices[i].bytes.data, w->slices[i].bytes.size);
        to += w->slices[i].bytes.size;
    }
    return w->size_bytes;
}

int kafka_writer_begin(struct kafka_writer *w, int16_t version, int16_t low, int16_t high,
                       int16_t flexible)
{
    if (version < low || version > high)
        return ERR_VERSION;
    w->is_flexible = version >= flexible;
    return 0;
}
