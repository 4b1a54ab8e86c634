#include "protocol/arena.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"

Test(kafka_arena, gives_zeroed_aligned_memory_that_does_not_overlap)
{
    struct random r;
    struct kafka_arena a;
    random_init(&r, 3);
    kafka_arena_init(&a, 1 << 20);
    for (int round = 0; round < 2; round++) {
        uint8_t *previous = NULL;
        size_t previous_size = 0;
        for (int i = 0; i < 500; i++) {
            size_t size = 1 + random_below(&r, i % 10 == 0 ? 5000 : 60);
            uint8_t *bytes = kafka_arena_allocate(&a, size);
            cr_assert(bytes != NULL && (uintptr_t)bytes % 8 == 0);
            for (size_t k = 0; k < size; k++)
                cr_assert_eq(bytes[k], 0);
            memset(bytes, i + 1, size);
            for (size_t k = 0; k < previous_size; k++)
                cr_assert_eq(previous[k], (uint8_t)i);
            previous = bytes;
            previous_size = size;
        }
        kafka_arena_reset(&a, 1 << 20);
        cr_assert_leq(kafka_arena_held_bytes(&a), KAFKA_ARENA_BLOCK_BYTES + 64);
    }
    kafka_arena_close(&a);
}

Test(kafka_arena, refuses_what_lies_beyond_its_limit_and_goes_on)
{
    struct kafka_arena a;
    kafka_arena_init(&a, 104);
    cr_assert(kafka_arena_allocate(&a, 60) != NULL);
    cr_assert(kafka_arena_allocate(&a, 41) == NULL);
    cr_assert_eq(a.err, ERR_TOO_LARGE);
    cr_assert(kafka_arena_allocate(&a, 40) != NULL);
    cr_assert(kafka_arena_allocate(&a, SIZE_MAX) == NULL);
    cr_assert(kafka_arena_array(&a, SIZE_MAX / 2, 16) == NULL, "no overflow");
    cr_assert_eq(a.used_bytes, 104);
    kafka_arena_close(&a);
}

Test(kafka_arena, holds_no_more_than_it_promises)
{
    struct random r;
    random_init(&r, 5);
    for (int round = 0; round < 100; round++) {
        size_t limit = 1 + random_below(&r, 100000);
        size_t most = 1 + random_below(&r, 3000);
        struct kafka_arena a;
        kafka_arena_init(&a, limit);
        while (kafka_arena_allocate(&a, 8 * (1 + random_below(&r, most))) != NULL)
            ;
        cr_assert_leq(kafka_arena_held_bytes(&a), limit + limit / 3 + 2 * KAFKA_ARENA_BLOCK_BYTES);
        kafka_arena_close(&a);
    }
}
