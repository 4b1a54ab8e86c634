/* A batch's records out of their compression: the only place of the broker that decompresses. */
#ifndef LOG_COMPACT_UNPACK_H
#define LOG_COMPACT_UNPACK_H

#include "base/bytes.h"

/* Kafka's numbers, bits 0-2 of a batch's attributes. */
enum compact_codec {
    COMPACT_CODEC_NONE,
    COMPACT_CODEC_GZIP,
    COMPACT_CODEC_SNAPPY,
    COMPACT_CODEC_LZ4,
    COMPACT_CODEC_ZSTD
};

/* What records may unpack to. A constant, for every replica must judge alike; with its header the
 * batch is still one that readers take (BATCH_SIZE_MAX). */
#define COMPACT_UNPACKED_MAX (32u << 20)

/* Bytes that grow up to a bound; used again and again. */
struct compact_room {
    uint8_t *data; /* freed by compact_room_close */
    size_t size, capacity;
};
void compact_room_close(struct compact_room *room);
/* Room for `size` more bytes behind the present ones, COMPACT_UNPACKED_MAX in all. 0,
 * ERR_TOO_LARGE or UV_ENOMEM. */
int compact_room_reserve(struct compact_room *room, size_t size);

/* Unpacks into `room`, from its front. 0; ERR_MALFORMED (damaged, cut short, or more behind the
 * end), ERR_TOO_LARGE (more than COMPACT_UNPACKED_MAX), ERR_VERSION (a codec that nobody knows),
 * UV_ENOMEM. */
int compact_unpack(unsigned codec, struct bytes packed, struct compact_room *room);

#endif
