/* Pieces of files compressed for a narrow link (LZ4 block format). Any thread. */
#ifndef LOG_SHIP_PACK_H
#define LOG_SHIP_PACK_H

#include <stdbool.h>

#include "base/buffer.h"

/* Replaces the piece by its compressed bytes when these are at least a tenth fewer; else, and
 * without memory, leaves it as it is. `piece` is owned by the caller before and after. */
bool ship_pack(struct slice *piece);

/* The bytes behind a compressed piece, which must be exactly `size`. 0 (*piece is owned by the
 * caller), ERR_CORRUPT when they are not, or UV_ENOMEM. */
int ship_unpack(struct bytes packed, size_t size, struct slice *piece);

#endif
