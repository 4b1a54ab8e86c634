/* The checker both ways: nothing is found in good histories, and each lie is found by its name. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "made.h"
#include "mutate.h"

#define GOOD_SEEDS  300
#define SEEDS_EACH  25
#define APPLIED_MIN 5 /* of SEEDS_EACH; a lie needs a place where it is one */

static struct generate_options small(uint64_t seed)
{
    return (struct generate_options){.seed = seed,
                                     .sends = 60 + seed % 5 * 30,
                                     .partitions = 2 + (unsigned)(seed % 2),
                                     .producers = 3 + (unsigned)(seed % 4),
                                     .groups = 1};
}

static void fail_with(const struct verdict *v, uint64_t seed, const char *lie)
{
    for (int i = 0; i < PROPERTY_COUNT; i++)
        for (size_t k = 0; k < v->shown[i].count; k++)
            cr_log_error("%s: %s", property_name((enum property)i), v->shown[i].items[k].what);
    cr_assert_fail("seed %llu, %s", (unsigned long long)seed, lie);
}

Test(chaos_check, finds_nothing_in_good_histories)
{
    for (uint64_t seed = 1; seed <= GOOD_SEEDS; seed++) {
        struct generate_options options = small(seed);
        struct made made = made_by(&options);
        struct history h;
        struct verdict v;
        made_judge(&made, &h, &v);
        if (verdict_violations(&v) > 0 || v.incomplete_count > 0)
            fail_with(&v, seed, "nothing is wrong");
        made_judged_close(&h, &v);
        made_close(&made);
    }
}

static void judge_lie(const struct tape *tape, const struct mutation *m, uint64_t seed)
{
    struct made made = made_of(tape);
    struct history h;
    struct verdict v;
    made_judge(&made, &h, &v);
    if (v.counts[m->expected] == 0)
        fail_with(&v, seed, m->name);
    for (int i = 0; i < PROPERTY_COUNT; i++)
        if (v.counts[i] > 0 && i != (int)m->expected && !(m->also >> i & 1))
            fail_with(&v, seed, m->name);
    made_judged_close(&h, &v);
    made_close(&made);
}

static void tell_all_lies(uint64_t seed, unsigned *applied)
{
    struct generate_options options = small(seed);
    struct made made = made_by(&options);
    struct tape good = {.random = seed};
    for (unsigned i = 0; i < GENERATE_FILES; i++)
        cr_assert_eq(tape_take(&good, generate_file_name(i), made.bytes[i], made.sizes[i]), 0);
    for (size_t i = 0; i < mutation_count; i++) {
        struct tape tape;
        tape_copy(&tape, &good);
        tape.random = seed * 1000 + i;
        if (mutations[i].apply(&tape)) {
            applied[i]++;
            judge_lie(&tape, &mutations[i], seed);
        }
        tape_close(&tape);
    }
    tape_close(&good);
    made_close(&made);
}

static void tell_lies_from(uint64_t first_seed)
{
    unsigned *applied = memory_make(mutation_count, sizeof *applied);
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS_EACH; seed++)
        tell_all_lies(seed, applied);
    for (size_t i = 0; i < mutation_count; i++)
        cr_assert_geq(applied[i], APPLIED_MIN, "%s found a place %u times", mutations[i].name,
                      applied[i]);
    free(applied);
}

Test(chaos_check, finds_each_lie_by_its_name_in_seeds_1_to_25)
{
    tell_lies_from(1);
}

Test(chaos_check, finds_each_lie_by_its_name_in_seeds_26_to_50)
{
    tell_lies_from(26);
}

Test(chaos_check, finds_each_lie_by_its_name_in_seeds_51_to_75)
{
    tell_lies_from(51);
}

Test(chaos_check, finds_each_lie_by_its_name_in_seeds_76_to_100)
{
    tell_lies_from(76);
}

/* What a killed writer leaves is a history too, with less in it. */
Test(chaos_check, finds_nothing_in_good_histories_that_were_cut_short)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct generate_options options = small(seed);
        struct made made = made_by(&options);
        struct history h;
        struct verdict v;
        unsigned file = 1 + (unsigned)(seed % 2); /* the first one tells of deletions */
        made.sizes[file] = made.sizes[file] * (10 + seed * 7 % 80) / 100;
        made_judge(&made, &h, &v);
        if (verdict_violations(&v) > 0 || v.incomplete_count > 0)
            fail_with(&v, seed, "nothing is wrong in what is left");
        made_judged_close(&h, &v);
        made_close(&made);
    }
}
