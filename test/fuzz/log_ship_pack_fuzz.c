/* Any bytes as a compressed piece: exactly the size that was asked for comes out, or an error. The
 * first 4 bytes say what was asked for. And any bytes as a piece come back as they went. */
#include <stdlib.h>
#include <string.h>

#include "../../log/ship_pack.h"
#include "base/err.h"

#define PIECE_SIZE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(struct bytes packed, size_t size)
{
    struct slice piece = {0};
    int err = ship_unpack(packed, size, &piece);
    if (err != ERR_CORRUPT && (err != 0 || piece.bytes.size != size))
        abort();
    slice_unref(&piece);
}

static void pack_and_unpack(struct bytes plain)
{
    struct buffer *copy = buffer_create(plain.size);
    struct slice piece = {.owner = copy, .bytes = bytes_of(copy->data, plain.size)}, back;
    if (plain.size > 0)
        memcpy(copy->data, plain.data, plain.size);
    if (ship_pack(&piece)) {
        if (ship_unpack(piece.bytes, plain.size, &back) != 0 ||
            memcmp(back.bytes.data, plain.data, plain.size) != 0)
            abort();
        slice_unref(&back);
    }
    slice_unref(&piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    struct bytes rest = bytes_of(data + 4, size - 4);
    unpack(rest, bytes_get_le32(data) % (PIECE_SIZE_MAX + 1));
    pack_and_unpack(rest);
    return 0;
}
