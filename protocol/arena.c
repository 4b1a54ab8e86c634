/* Blocks in a list, the one in use first. Small allocations are cut from it; what is larger than
 * a quarter of a block gets a block of its own behind it, so at most a quarter of a block is
 * ever lost at its end. */
#include "protocol/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define ALIGNMENT 8

struct kafka_arena_block {
    struct kafka_arena_block *next; /* in the list */
    size_t capacity;                /* bytes that follow */
    alignas(ALIGNMENT) uint8_t data[];
};

static struct kafka_arena_block *block_create(struct kafka_arena *a, size_t capacity)
{
    struct kafka_arena_block *block = malloc(sizeof *block + capacity);
    if (block == NULL)
        a->err = UV_ENOMEM;
    else
        block->capacity = capacity;
    return block;
}

void kafka_arena_init(struct kafka_arena *a, size_t limit_bytes)
{
    *a = (struct kafka_arena){.limit_bytes = limit_bytes};
}

static void free_blocks(struct kafka_arena_block *block)
{
    while (block != NULL) {
        struct kafka_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void kafka_arena_close(struct kafka_arena *a)
{
    free_blocks(a->blocks);
    *a = (struct kafka_arena){0};
}

void kafka_arena_reset(struct kafka_arena *a, size_t limit_bytes)
{
    struct kafka_arena_block *kept = a->blocks;
    kafka_arena_init(a, limit_bytes);
    if (kept == NULL)
        return;
    free_blocks(kept->next);
    kept->next = NULL;
    if (kept->capacity != KAFKA_ARENA_BLOCK_BYTES) {
        free(kept);
        return;
    }
    a->blocks = kept;
    a->at = kept->data;
    a->left = kept->capacity;
}

/* Behind the one in use, which goes on being used. */
static void *allocate_own_block(struct kafka_arena *a, size_t size)
{
    struct kafka_arena_block *block = block_create(a, size);
    if (block == NULL)
        return NULL;
    struct kafka_arena_block **place = a->blocks == NULL ? &a->blocks : &a->blocks->next;
    block->next = *place;
    *place = block;
    return block->data;
}

static bool begin_block(struct kafka_arena *a)
{
    struct kafka_arena_block *block = block_create(a, KAFKA_ARENA_BLOCK_BYTES);
    if (block == NULL)
        return false;
    block->next = a->blocks;
    a->blocks = block;
    a->at = block->data;
    a->left = block->capacity;
    return true;
}

static void *take(struct kafka_arena *a, size_t size)
{
    if (size > a->left && size > KAFKA_ARENA_BLOCK_BYTES / 4)
        return allocate_own_block(a, size);
    if (size > a->left && !begin_block(a))
        return NULL;
    void *taken = a->at;
    a->at += size;
    a->left -= size;
    return taken;
}

void *kafka_arena_allocate(struct kafka_arena *a, size_t size)
{
    size_t left = a->limit_bytes - a->used_bytes;
    size_t padding = (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;
    if (size > left || padding > left - size) {
        a->err = ERR_TOO_LARGE;
        return NULL;
    }
    void *taken = take(a, size + padding);
    if (taken == NULL)
        return NULL;
    a->used_bytes += size + padding;
    assert(a->used_bytes <= a->limit_bytes);
    return memset(taken, 0, size + padding);
}

void *kafka_arena_array(struct kafka_arena *a, size_t count, size_t element_size)
{
    assert(element_size > 0);
    if (count > a->limit_bytes / element_size) {
        a->err = ERR_TOO_LARGE;
        return NULL;
    }
    static _Alignas(16) uint8_t none[16]; /* what an array of nothing points at */
    return count == 0 ? none : kafka_arena_allocate(a, count * element_size);
}

size_t kafka_arena_held_bytes(const struct kafka_arena *a)
{
    size_t held = 0;
    for (const struct kafka_arena_block *block = a->blocks; block != NULL; block = block->next)
        held += sizeof *block + block->capacity;
    return held;
}
