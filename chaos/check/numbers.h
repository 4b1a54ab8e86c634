/* Maps from numbers: dense ones through pages, sparse ones through a hash table. */
#ifndef CHECK_NUMBERS_H
#define CHECK_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* From 0 … NUMBER_PAGED_MAX to a number + 1. Numbers that rise one by one cost four bytes each. */
struct pages {
    VECTOR(uint32_t *) pages;
};
#define NUMBER_PAGED_MAX ((INT64_C(1) << 28) - 1)

/* The place of a number; it holds 0 until it is written. number: 0 … NUMBER_PAGED_MAX */
uint32_t *pages_place(struct pages *pages, int64_t number);
void pages_close(struct pages *pages);

/* From any two numbers to a number + 1. */
struct pairs {
    struct pair *slots;
    uint32_t slot_count, count;
};
struct pair {
    uint64_t one, other;
    uint32_t value; /* 0: free */
};

/* The place of a pair; it holds 0 until it is written, which must be before the next call. */
uint32_t *pairs_place(struct pairs *pairs, uint64_t one, uint64_t other);
void pairs_close(struct pairs *pairs);

#endif
