/* Counted buffers: one allocation from the socket to the WAL, the peers, the tail and the
 * consumers. A reference is a claim on the whole buffer; its bytes do not change once it is
 * shared. References are counted atomically, so a buffer may be released on any thread. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct buffer {
    atomic_uint references; /* claims; the last one frees */
    uint32_t unused;        /* keeps `capacity` aligned */
    size_t capacity;        /* bytes that follow */
    uint8_t data[];         /* the bytes */
};

/* Returns owned (one reference, released by buffer_unref), or NULL without memory. */
struct buffer *buffer_create(size_t capacity);

/* Adds a claim and returns the same buffer. NULL is allowed and stays NULL. */
struct buffer *buffer_ref(struct buffer *b);

/* Gives a claim back; the last one frees. NULL is allowed. */
void buffer_unref(struct buffer *b);

/* Bytes of all live buffers of this process: what a memory limit is compared with. */
size_t buffer_total_bytes(void);

/* A piece of a counted buffer. Holding one means holding a reference on `owner`. */
struct slice {
    struct buffer *owner; /* may be NULL: then the bytes are static or borrowed otherwise */
    struct bytes bytes;   /* lies inside the owner */
};

static inline struct slice slice_ref(struct slice s)
{
    buffer_ref(s.owner);
    return s;
}

static inline void slice_unref(struct slice *s)
{
    buffer_unref(s->owner);
    *s = (struct slice){0};
}

#endif
