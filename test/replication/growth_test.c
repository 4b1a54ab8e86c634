/* What a log grew by, against a model that remembers every entry (replication/growth.c). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../replication/growth.h"
#include "base/random.h"

#define MODEL_MAX 600000

static struct growth w;
static struct {
    uint64_t records, bytes, at_ms;
} model[MODEL_MAX + 1]; /* by index, counted from the beginning */
static uint64_t first, last, now_ms;

static void begin(uint64_t index)
{
    growth_begin(&w, index, now_ms);
    first = last = index;
}

static void add(uint32_t records, uint64_t bytes)
{
    growth_add(&w, 7, records, bytes, now_ms);
    last++;
    model[last].records = (last == first + 1 ? 0 : model[last - 1].records) + records;
    model[last].bytes = (last == first + 1 ? 0 : model[last - 1].bytes) + bytes;
    model[last].at_ms = now_ms;
}

static uint64_t records_after(uint64_t index)
{
    return model[last].records - (index == first ? 0 : model[index].records);
}

static uint64_t bytes_after(uint64_t index)
{
    return model[last].bytes - (index == first ? 0 : model[index].bytes);
}

static void check_exact(uint64_t index)
{
    struct growth_rest rest;
    cr_assert(growth_after(&w, index, &rest));
    cr_assert_eq(rest.entries, last - index);
    cr_assert_eq(rest.records, index == last ? 0 : records_after(index), "behind %llu of %llu",
                 (unsigned long long)index, (unsigned long long)last);
    cr_assert_eq(rest.bytes, index == last ? 0 : bytes_after(index));
    cr_assert_eq(rest.since_ms, index == last ? 0 : model[index + 1].at_ms);
}

Test(repl_growth, knows_the_newest_entries_one_by_one_through_cuts)
{
    struct random random;
    random_init(&random, 11);
    begin(1000);
    for (unsigned i = 0; i < 60000; i++) {
        now_ms += random_below(&random, 4);
        if (random_below(&random, 400) == 0 && last > first + 300) {
            uint64_t from = last - random_below(&random, 250);
            growth_cut(&w, from, now_ms);
            last = from - 1;
        } else {
            add((uint32_t)random_below(&random, 50), random_below(&random, 5000));
        }
        uint64_t known = last - first < 3000 ? last - first : 3000;
        if (i % 7 == 0)
            check_exact(last - random_below(&random, known + 1));
    }
    growth_close(&w);
}

/* Half a million entries need what a few thousand need, and what is far behind is known nearly. */
Test(repl_growth, stays_bounded_and_near_the_truth_far_behind)
{
    struct random random;
    struct growth_rest rest;
    random_init(&random, 12);
    begin(0);
    for (unsigned i = 0; i < 500000; i++) {
        now_ms++;
        add((uint32_t)(1 + random_below(&random, 20)), 100);
    }
    cr_assert_leq(w.capacity, GROWTH_ENTRIES_MAX);
    cr_assert_leq(w.mark_capacity, GROWTH_MARKS_MAX);
    cr_assert(growth_after(&w, 0, &rest));
    cr_assert_eq(rest.records, records_after(0), "its beginning is a mark that stays");
    check_exact(last - GROWTH_ENTRIES_MAX);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t index = random_below(&random, last);
        cr_assert(growth_after(&w, index, &rest));
        double truth = (double)records_after(index), told = (double)rest.records;
        cr_assert(told > truth * 0.98 - 1 && told < truth * 1.02 + 1, "%f for %f", told, truth);
        cr_assert_leq(rest.since_ms, model[index + 1].at_ms, "no lag is understated");
    }
    growth_close(&w);
}

Test(repl_growth, says_where_it_does_not_reach_and_what_it_knows_at_least)
{
    struct growth_rest rest;
    now_ms = 500;
    begin(100);
    cr_assert(growth_after(&w, 100, &rest));
    cr_assert_eq(rest.entries, 0);
    add(5, 50);
    cr_assert_not(growth_after(&w, 40, &rest));
    cr_assert_eq(rest.entries, 61);
    cr_assert_eq(rest.records, 5);
    growth_cut(&w, 60, 501); /* below what it ever knew */
    cr_assert(growth_after(&w, 59, &rest));
    cr_assert_eq(rest.records, 0);
    growth_close(&w);
}

/* ---- by partition ---- */

#define PARTITIONS 5

static uint64_t partition_records[PARTITIONS]; /* as growth tells them */
static uint64_t told_records, told_bytes;

static void take(void *data, const struct repl_lag_share *share)
{
    (void)data;
    if (share->partition_number < PARTITIONS)
        partition_records[share->partition_number] += share->records;
    told_records += share->records;
    told_bytes += share->bytes;
}

static void ask(uint64_t index)
{
    memset(partition_records, 0, sizeof partition_records);
    told_records = told_bytes = 0;
    growth_each(&w, index, take, NULL);
}

static void check_whole(uint64_t index)
{
    struct growth_rest rest;
    growth_after(&w, index, &rest);
    ask(index);
    cr_assert_eq(told_records, rest.records, "behind %llu", (unsigned long long)index);
    cr_assert_eq(told_bytes, rest.bytes);
}

/* One partition was written to early, another late, and three all the time. */
static uint32_t partition_at(uint64_t index, uint64_t count)
{
    if (index % 4 != 0)
        return (uint32_t)(index % 4);
    return index < count / 2 ? 0 : 4;
}

Test(repl_growth, tells_partitions_apart_however_far_behind)
{
    const uint64_t count = 300000;
    static uint64_t written[PARTITIONS];
    struct random random;
    random_init(&random, 13);
    begin(0);
    for (uint64_t i = 1; i <= count; i++) {
        uint32_t partition = partition_at(i, count), records = (uint32_t)random_below(&random, 9);
        growth_add(&w, partition, records, records * 100, ++now_ms);
        written[partition] += records;
    }
    check_whole(0);
    for (unsigned p = 0; p < PARTITIONS; p++)
        cr_assert_eq(partition_records[p], written[p], "partition %u", p);
    ask(count * 3 / 4);
    cr_assert_eq(partition_records[0], 0, "nothing of it is lacking");
    for (unsigned p = 1; p < PARTITIONS; p++)
        cr_assert_float_eq((double)partition_records[p] / (double)told_records, 0.25, 0.02);
    for (unsigned i = 0; i < 3000; i++)
        check_whole(random_below(&random, count + 1));
    cr_assert_leq(w.share_count, GROWTH_SHARES_MAX);
    growth_close(&w);
}

Test(repl_growth, forgets_which_partitions_the_oldest_entries_were_of_when_there_are_too_many)
{
    struct growth_rest rest;
    begin(0);
    for (uint32_t i = 1; i <= 100000; i++)
        growth_add(&w, PARTITIONS + i, 1, 10, now_ms);
    cr_assert_leq(w.share_count, GROWTH_SHARES_MAX);
    cr_assert(growth_after(&w, 0, &rest));
    ask(0);
    cr_assert_eq(rest.records, 100000, "how much is known as before");
    cr_assert_lt(told_records, rest.records);
    cr_assert_geq(told_records, GROWTH_ENTRIES_MAX);
    cr_assert_gt(w.mark_count, GROWTH_MARKS_MAX / 8, "and when nearly as well");
    check_whole(100000 - GROWTH_ENTRIES_MAX);
    growth_cut(&w, 100000 - 5000, now_ms);
    check_whole(100000 - 8000);
    growth_cut(&w, 50, now_ms);
    cr_assert_eq(w.share_count, 0);
    growth_close(&w);
}

Test(repl_growth, tells_partitions_apart_through_cuts)
{
    struct random random;
    random_init(&random, 14);
    begin(70);
    for (unsigned i = 0; i < 60000; i++) {
        if (random_below(&random, 400) == 0 && last > first + 300) {
            uint64_t from = last - random_below(&random, 250);
            growth_cut(&w, from, now_ms);
            last = from - 1;
        }
        growth_add(&w, (uint32_t)random_below(&random, PARTITIONS),
                   (uint32_t)random_below(&random, 50) + 1, 7, now_ms);
        last++;
        if (i % 50 == 0)
            check_whole(first + random_below(&random, last - first + 1));
    }
    growth_close(&w);
}
