/* Writes Kafka's primitive types into a bounded list of counted buffers.
 *
 * Small values are copied into chunks; record batches are referenced where they lie, so a Fetch
 * answer is a few heads and the very buffers that came from the producer. The result is a list
 * of slices for one writev. Errors stick, as in the reader: check kafka_writer_finish. */
#ifndef PROTOCOL_WRITER_H
#define PROTOCOL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "protocol/types.h"

struct kafka_writer {
    struct slice *slices;  /* finished pieces, each with its own reference */
    size_t slice_count;    /* of them */
    size_t slice_capacity; /* room in `slices` */
    struct buffer *chunk;  /* copied bytes go here; NULL at first */
    uint8_t *piece;        /* first byte of the chunk that is in no slice yet */
    uint8_t *at;           /* next free byte of the chunk */
    uint8_t *end;          /* one past the chunk's last byte */
    uint8_t *size_field;   /* the frame's size, filled in at the end; NULL before begin */
    size_t size_bytes;     /* written so far, the size field included */
    size_t limit_bytes;    /* size_bytes never goes beyond */
    size_t chunk_bytes;    /* of the next chunk */
    int err;               /* 0, ERR_TOO_LARGE, ERR_INVALID or UV_ENOMEM */
    bool is_flexible;      /* set by the encode functions */
    bool is_counting;      /* nothing is stored, only size_bytes grows */
};

/* Slices up to this size are copied: a system call's vector entry and a reference cost more. */
#define KAFKA_WRITER_COPY_BYTES 256

/* Takes no memory yet. `limit_bytes` bounds the frame, size field and referenced bytes too. */
void kafka_writer_init(struct kafka_writer *w, size_t limit_bytes);

/* Gives back all references and memory. Those who took slices keep what they referenced. */
void kafka_writer_close(struct kafka_writer *w);

/* Begins a frame: room for the 4-byte size. */
void kafka_writer_begin_frame(struct kafka_writer *w);

/* Ends writing: fills in the size, if a frame was begun, and closes the last slice. Returns 0 or
 * the first error: ERR_TOO_LARGE (beyond the limit), ERR_INVALID (null where the version has
 * none, a string or array beyond its length field) or UV_ENOMEM. */
int kafka_writer_finish(struct kafka_writer *w);

/* What was written, in order; valid until close. Only after kafka_writer_finish gave 0. */
const struct slice *kafka_writer_slices(const struct kafka_writer *w, size_t *count);

/* Copies the finished bytes; `size` must be at least size_bytes. Returns size_bytes. */
size_t kafka_writer_copy(const struct kafka_writer *w, uint8_t *to, size_t size);

/* Records the first error. Returns the one that sticks. */
int kafka_writer_fail(struct kafka_writer *w, int err);

/* Copies the bytes. */
void kafka_write_raw(struct kafka_writer *w, struct bytes bytes);

/* References the slice (a claim on its owner until close), or copies it when it is small. A
 * larger slice without an owner must stay valid until the writer is closed. */
void kafka_write_slice(struct kafka_writer *w, struct slice slice);

void kafka_write_bool(struct kafka_writer *w, bool value);
void kafka_write_int8(struct kafka_writer *w, int8_t value);
void kafka_write_int16(struct kafka_writer *w, int16_t value);
void kafka_write_int32(struct kafka_writer *w, int32_t value);
void kafka_write_int64(struct kafka_writer *w, int64_t value);
void kafka_write_uuid(struct kafka_writer *w, struct kafka_uuid value);
void kafka_write_uvarint(struct kafka_writer *w, uint32_t value);
void kafka_write_varint(struct kafka_writer *w, int32_t value);
void kafka_write_varlong(struct kafka_writer *w, int64_t value);
void kafka_write_string(struct kafka_writer *w, struct kafka_string value, bool is_nullable);
void kafka_write_bytes(struct kafka_writer *w, struct bytes value, bool is_nullable);
void kafka_write_slices(struct kafka_writer *w, struct kafka_slices value, bool is_nullable);
void kafka_write_count(struct kafka_writer *w, int32_t count, bool is_nullable);

/* A tagged field's head; its `size` comes from writing it to a counting writer first. */
void kafka_write_tag(struct kafka_writer *w, uint32_t tag, size_t size);
struct kafka_writer kafka_writer_counting(const struct kafka_writer *w);

/* What every generated encode does first: ERR_VERSION outside [low, high]. That does not stick:
 * nothing was written. */
int kafka_writer_begin(struct kafka_writer *w, int16_t version, int16_t low, int16_t high,
                       int16_t flexible);

#endif
