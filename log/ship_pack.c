/* Compressed pieces: one LZ4 block each, without a head of its own.
 *
 * The receiver asked for the piece and knows its size from the contents, so nothing is allocated by
 * a number that came over the network, and LZ4's checked decoder neither reads nor writes beyond
 * what it is given. Blocks, not frames: frames repeat size and checksum, which the contents and the
 * connection have already. LZ4 because it is faster than the links between sites; what compresses
 * better costs the source more time than it saves the link. */
#include "ship_pack.h"

#include <assert.h>
#include <lz4.h>

#include "base/err.h"

#define GAIN_SHARE_MIN 10 /* a tenth */

bool ship_pack(struct slice *piece)
{
    size_t size = piece->bytes.size;
    if (size > LZ4_MAX_INPUT_SIZE)
        return false;
    size_t size_max = size - (size + GAIN_SHARE_MIN - 1) / GAIN_SHARE_MIN;
    struct buffer *packed = size_max == 0 ? NULL : buffer_create(size_max);
    if (packed == NULL)
        return false;
    int packed_size = LZ4_compress_default((const char *)piece->bytes.data, (char *)packed->data,
                                           (int)size, (int)size_max);
    if (packed_size <= 0) { /* it has no room: not worth it */
        buffer_unref(packed);
        return false;
    }
    assert((size_t)packed_size <= size_max);
    slice_unref(piece);
    *piece = (struct slice){.owner = packed, .bytes = bytes_of(packed->data, (size_t)packed_size)};
    return true;
}

int ship_unpack(struct bytes packed, size_t size, struct slice *piece)
{
    if (packed.size == 0 || packed.size >= size || size > LZ4_MAX_INPUT_SIZE)
        return ERR_CORRUPT;
    struct buffer *buffer = buffer_create(size);
    if (buffer == NULL)
        return UV_ENOMEM;
    int got = LZ4_decompress_safe((const char *)packed.data, (char *)buffer->data, (int)packed.size,
                                  (int)size);
    if (got < 0 || (size_t)got != size) {
        buffer_unref(buffer);
        return ERR_CORRUPT;
    }
    *piece = (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, size)};
    return 0;
}
