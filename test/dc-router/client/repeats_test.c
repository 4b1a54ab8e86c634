/* Which records are known to be there twice. */
#include <criterion/criterion.h>

#include "base/bytes.h"
#include "repeats.h"

static struct record_id id_of(uint64_t number)
{
    struct record_id id;
    bytes_put_be64(bytes_put_be64(id.bytes, 77), number);
    return id;
}

static bool has(struct repeats *r, uint64_t number, int64_t offset, uint64_t now_ms)
{
    struct record_id id = id_of(number);
    return repeats_has(r, &id, r, offset, now_ms);
}

Test(client_repeats, knows_an_id_at_another_place_and_not_at_its_own)
{
    struct repeats *r = repeats_new(10, 1000);
    cr_assert_not(has(r, 1, 100, 0));
    cr_assert_not(has(r, 1, 100, 1), "it is handed out again: nobody was done with it");
    cr_assert(has(r, 1, 101, 1));
    struct record_id id = id_of(1);
    cr_assert(repeats_has(r, &id, &id, 100, 1), "the same offset of another partition");
    repeats_free(r);
}

Test(client_repeats, forgets_the_oldest_beyond_its_bound)
{
    struct repeats *r = repeats_new(1000, 1000000);
    for (uint64_t i = 0; i < 1500; i++)
        cr_assert_not(has(r, i, (int64_t)i, i));
    cr_assert_eq(repeats_count(r), 1000);
    for (uint64_t i = 500; i < 1500; i++)
        cr_assert(has(r, i, 9999, 1500));
    for (uint64_t i = 0; i < 500; i++)
        cr_assert_not(has(r, i, 9999, 1500));
    cr_assert_eq(repeats_count(r), 1000);
    repeats_free(r);
}

Test(client_repeats, forgets_what_is_too_old)
{
    struct repeats *r = repeats_new(10, 1000);
    cr_assert_not(has(r, 1, 1, 0));
    cr_assert_not(has(r, 2, 2, 500));
    cr_assert(has(r, 1, 3, 1000));
    cr_assert_not(has(r, 1, 3, 1001));
    cr_assert(has(r, 2, 3, 1500));
    repeats_free(r);
}

Test(client_repeats, stays_within_a_bound_of_one)
{
    struct repeats *r = repeats_new(1, 1000);
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert_not(has(r, i, 1, 0));
        cr_assert(has(r, i, 2, 0));
    }
    repeats_free(r);
}
