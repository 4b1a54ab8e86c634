#include "base/random.h"

#include <criterion/criterion.h>

Test(random, gives_the_same_numbers_again_from_the_same_seed_only)
{
    struct random a, b, c;
    random_init(&a, 42);
    random_init(&b, 42);
    random_init(&c, 43);
    unsigned same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = random_u64(&a);
        cr_assert_eq(value, random_u64(&b));
        same += value == random_u64(&c);
    }
    cr_assert_eq(same, 0);
}

Test(random, never_changes_its_numbers_between_releases)
{
    /* A seed in a bug report must replay: xoshiro256** from splitmix64(0). */
    struct random r;
    random_init(&r, 0);
    cr_assert_eq(r.state[0], UINT64_C(0xe220a8397b1dcdaf), "splitmix64's published first value");
    cr_assert_eq(r.state[1], UINT64_C(0x6e789e6aa1b965f4), "and its second");
    cr_assert_eq(random_u64(&r), UINT64_C(0x99ec5f36cb75f2b4));
}

Test(random, stays_below_its_bound_and_reaches_every_value)
{
    struct random r;
    random_init(&r, 1);
    unsigned counts[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint64_t value = random_below(&r, 7);
        cr_assert_lt(value, 7);
        counts[value]++;
    }
    for (int i = 0; i < 7; i++)
        cr_assert(counts[i] > 850 && counts[i] < 1150, "%u of 1000", counts[i]);
    cr_assert_eq(random_below(&r, 1), 0);
}

Test(random, takes_chances_as_often_as_they_say)
{
    struct random r;
    random_init(&r, 1);
    unsigned taken = 0;
    for (int i = 0; i < 10000; i++) {
        taken += random_chance(&r, 0.25);
        cr_assert_not(random_chance(&r, 0.0));
        cr_assert(random_chance(&r, 1.0));
    }
    cr_assert(taken > 2300 && taken < 2700, "%u of 2500", taken);
}

Test(random, of_the_system_differs_each_time)
{
    struct random a, b;
    random_init_system(&a);
    random_init_system(&b);
    cr_assert_neq(random_u64(&a), random_u64(&b));
}
