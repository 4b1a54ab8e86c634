/* Decompression with a cap.
 *
 * Each codec unpacks into a room that grows by what really comes out, never by what a header
 * claims, and stops at COMPACT_UNPACKED_MAX: a few kilobytes can't claim a machine's memory. Forms
 * are those of Kafka's clients: gzip members, the LZ4 frame, zstd frames, and snappy either bare or
 * in blocks as the Java client (Xerial's stream) writes them. */
#include "compact_unpack.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/err.h"

#define ROOM_BYTES_MIN 65536

/* Xerial's stream: this, version (4), oldest reader (4), then blocks of size (4) and bytes. */
static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
#define XERIAL_HEAD_SIZE 16

void compact_room_close(struct compact_room *room)
{
    free(room->data);
    *room = (struct compact_room){0};
}

int compact_room_reserve(struct compact_room *room, size_t size)
{
    if (size > COMPACT_UNPACKED_MAX || room->size > COMPACT_UNPACKED_MAX - size)
        return ERR_TOO_LARGE;
    size_t wanted = room->size + size;
    if (wanted <= room->capacity)
        return 0;
    size_t capacity = room->capacity == 0 ? ROOM_BYTES_MIN : room->capacity;
    while (capacity < wanted)
        capacity *= 2;
    uint8_t *data = realloc(room->data, capacity);
    if (data == NULL)
        return UV_ENOMEM;
    room->data = data;
    room->capacity = capacity;
    return 0;
}

/* Makes sure that a stream which gives more has somewhere to give it to. */
static int make_room(struct compact_room *room, size_t *free_bytes)
{
    int err = 0;
    if (room->size == room->capacity)
        err = compact_room_reserve(room, room->size < ROOM_BYTES_MIN ? ROOM_BYTES_MIN : room->size);
    if (err == ERR_TOO_LARGE && room->size < COMPACT_UNPACKED_MAX)
        err = compact_room_reserve(room, COMPACT_UNPACKED_MAX - room->size);
    *free_bytes = room->capacity - room->size;
    if (*free_bytes > COMPACT_UNPACKED_MAX - room->size)
        *free_bytes = COMPACT_UNPACKED_MAX - room->size;
    return err == 0 && *free_bytes == 0 ? ERR_TOO_LARGE : err;
}

static int take_as_it_is(struct bytes packed, struct compact_room *room)
{
    int err = compact_room_reserve(room, packed.size);
    if (err != 0)
        return err;
    if (packed.size > 0)
        memcpy(room->data, packed.data, packed.size);
    room->size = packed.size;
    return 0;
}

/* ---- gzip ---- */

/* Members may follow each other. */
static int inflate_members(z_stream *z, struct compact_room *room)
{
    for (;;) {
        size_t free_bytes;
        int err = make_room(room, &free_bytes);
        if (err != 0)
            return err;
        z->next_out = room->data + room->size;
        z->avail_out = (uInt)free_bytes;
        int got = inflate(z, Z_NO_FLUSH);
        room->size += free_bytes - z->avail_out;
        if (got == Z_MEM_ERROR)
            return UV_ENOMEM;
        if (got == Z_STREAM_END && z->avail_in == 0)
            return 0;
        if (got == Z_STREAM_END)
            got = inflateReset(z);
        if (got != Z_OK)
            return ERR_MALFORMED; /* also when the input ends too early */
    }
}

static int unpack_gzip(struct bytes packed, struct compact_room *room)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.data, .avail_in = (uInt)packed.size};
    if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
        return UV_ENOMEM;
    int err = inflate_members(&z, room);
    inflateEnd(&z);
    return err;
}

/* ---- snappy ---- */

static int unpack_block(struct bytes packed, struct compact_room *room)
{
    size_t size;
    if (snappy_uncompressed_length((const char *)packed.data, packed.size, &size) != SNAPPY_OK)
        return ERR_MALFORMED;
    /* A byte of snappy gives 22 at most: what claims more is not even tried. */
    if (size / 32 > packed.size)
        return size > COMPACT_UNPACKED_MAX ? ERR_TOO_LARGE : ERR_MALFORMED;
    int err = compact_room_reserve(room, size);
    if (err != 0)
        return err;
    char *into = (char *)room->data + room->size;
    if (size > 0 &&
        snappy_uncompress((const char *)packed.data, packed.size, into, &size) != SNAPPY_OK)
        return ERR_MALFORMED;
    room->size += size;
    return 0;
}

static int unpack_snappy(struct bytes packed, struct compact_room *room)
{
    if (packed.size < XERIAL_HEAD_SIZE ||
        memcmp(packed.data, xerial_magic, sizeof xerial_magic) != 0)
        return unpack_block(packed, room);
    const uint8_t *at = packed.data + XERIAL_HEAD_SIZE, *end = packed.data + packed.size;
    int err = 0;
    while (at < end && err == 0) {
        size_t left = (size_t)(end - at) - 4;
        if (end - at < 4 || bytes_get_be32(at) > left)
            return ERR_MALFORMED;
        size_t size = bytes_get_be32(at);
        err = unpack_block(bytes_of(at + 4, size), room);
        at += 4 + size;
    }
    return err;
}

/* ---- lz4 ---- */

/* Without memory nothing can be said of the frame: on another replica there may be enough. */
static int judge_lz4(size_t error)
{
    bool is_memory = strcmp(LZ4F_getErrorName(error), "ERROR_allocation_failed") == 0;
    return is_memory ? UV_ENOMEM : ERR_MALFORMED;
}

static int decompress_frame(LZ4F_dctx *context, struct bytes packed, struct compact_room *room)
{
    const uint8_t *at = packed.data, *end = packed.data + packed.size;
    for (;;) {
        size_t free_bytes, taken = (size_t)(end - at);
        int err = make_room(room, &free_bytes);
        if (err != 0)
            return err;
        size_t given = free_bytes;
        size_t hint = LZ4F_decompress(context, room->data + room->size, &given, at, &taken, NULL);
        if (LZ4F_isError(hint))
            return judge_lz4(hint);
        at += taken;
        room->size += given;
        if (hint == 0)
            return at == end ? 0 : ERR_MALFORMED;
        if (taken == 0 && given == 0)
            return ERR_MALFORMED; /* the frame is cut short */
    }
}

static int unpack_lz4(struct bytes packed, struct compact_room *room)
{
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return UV_ENOMEM;
    int err = decompress_frame(context, packed, room);
    LZ4F_freeDecompressionContext(context);
    return err;
}

/* ---- zstd ---- */

/* Likewise; a frame says how much it needs, up to 128 MiB. */
static int judge_zstd(size_t error)
{
    return ZSTD_getErrorCode(error) == ZSTD_error_memory_allocation ? UV_ENOMEM : ERR_MALFORMED;
}

static int decompress_frames(ZSTD_DStream *stream, struct bytes packed, struct compact_room *room)
{
    ZSTD_inBuffer in = {.src = packed.data, .size = packed.size};
    for (;;) {
        size_t free_bytes, taken = in.pos;
        int err = make_room(room, &free_bytes);
        if (err != 0)
            return err;
        ZSTD_outBuffer out = {.dst = room->data + room->size, .size = free_bytes};
        size_t hint = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(hint))
            return judge_zstd(hint);
        room->size += out.pos;
        if (hint == 0 && in.pos == in.size)
            return 0;
        if (in.pos == taken && out.pos == 0)
            return ERR_MALFORMED; /* the frame is cut short */
    }
}

static int unpack_zstd(struct bytes packed, struct compact_room *room)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (stream == NULL)
        return UV_ENOMEM;
    int err = decompress_frames(stream, packed, room);
    ZSTD_freeDStream(stream);
    return err;
}

int compact_unpack(unsigned codec, struct bytes packed, struct compact_room *room)
{
    room->size = 0;
    int err = compact_room_reserve(room, 1); /* there is a place also for what unpacks to nothing */
    if (err != 0)
        return err;
    switch (codec) {
    case COMPACT_CODEC_NONE:
        return take_as_it_is(packed, room);
    case COMPACT_CODEC_GZIP:
        return unpack_gzip(packed, room);
    case COMPACT_CODEC_SNAPPY:
        return unpack_snappy(packed, room);
    case COMPACT_CODEC_LZ4:
        return unpack_lz4(packed, room);
    case COMPACT_CODEC_ZSTD:
        return unpack_zstd(packed, room);
    default:
        return ERR_VERSION;
    }
}
