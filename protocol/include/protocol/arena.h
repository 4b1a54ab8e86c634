/* The memory of one request: arrays of decoded messages, and of the answer being built. It is
 * given back in one step. The limit makes "no allocation beyond the request's size" a fact:
 * whatever a request claims, it gets KAFKA_ARENA_FACTOR bytes for each of its own at most. */
#ifndef PROTOCOL_ARENA_H
#define PROTOCOL_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct kafka_arena_block;

struct kafka_arena {
    struct kafka_arena_block *blocks; /* all that is held, the one in use first */
    uint8_t *at;                      /* next free byte of the block in use */
    size_t left;                      /* bytes left in the block in use */
    size_t used_bytes;                /* given out since init or reset, padding included */
    size_t limit_bytes;               /* used_bytes never goes beyond */
    int err;                          /* why the last refused allocation was refused */
};

/* The largest ratio of an array element in memory to the same element on the wire, over all
 * messages; the generated code asserts that at compile time. */
#define KAFKA_ARENA_FACTOR 16

/* Largest step in which memory is taken for small allocations. */
#define KAFKA_ARENA_BLOCK_BYTES 4096

/* The limit with which every well-formed message of that size can be decoded: the factor covers
 * the elements, and for an array's padding (below 8) its count of at least one byte. */
static inline size_t kafka_arena_limit_for(size_t message_bytes)
{
    return message_bytes * KAFKA_ARENA_FACTOR;
}

/* Takes no memory yet. Beyond its limit it holds up to a third more plus a block, because
 * small allocations don't straddle blocks. */
void kafka_arena_init(struct kafka_arena *a, size_t limit_bytes);

/* Gives everything back; only init may follow. */
void kafka_arena_close(struct kafka_arena *a);

/* Forgets all allocations under a new limit, and keeps one ordinary block for the next use. */
void kafka_arena_reset(struct kafka_arena *a, size_t limit_bytes);

/* Zeroed bytes, aligned for any message, valid until close or reset. NULL beyond the limit
 * (a->err is ERR_TOO_LARGE) or without memory (UV_ENOMEM). */
void *kafka_arena_allocate(struct kafka_arena *a, size_t size);

/* The same for `count` elements; 0 of them give a pointer that must not be followed. */
void *kafka_arena_array(struct kafka_arena *a, size_t count, size_t element_size);

/* Bytes taken from the system and not given back. */
size_t kafka_arena_held_bytes(const struct kafka_arena *a);

#endif
