/* Where the log of a replica that was put aside and the live one part (log/salvage.c). */
#include "log/salvage.h"

#include "partition_bench.h"

struct pair {
    struct bench old, live;
};

static void add(struct bench *b, int32_t epoch, int32_t records)
{
    struct batch_plan plan = {.base_offset = b->model.next_offset,
                              .record_count = records,
                              .leader_epoch = epoch,
                              .base_timestamp = 1000,
                              .value_size = 20,
                              .wall_ms = 1000};
    append_planned(b->partition, &plan);
    b->model.next_offset += records;
}

static void add_both(struct pair *p, int32_t epoch, int32_t records)
{
    add(&p->old, epoch, records);
    add(&p->live, epoch, records);
}

static void begin(struct pair *p)
{
    bench_init(&p->old, 1);
    bench_init(&p->live, 2);
}

static void recover(struct pair *p)
{
    cr_assert_eq(log_partition_stride(p->live.partition, 0, 1000), 0);
    p->live.model.next_offset = log_partition_next_offset(p->live.partition);
}

static void expect(struct pair *p, int64_t offset)
{
    cr_assert_eq(log_partition_parting(p->old.partition, p->live.partition), offset);
    flush_now(p->live.partition);
    flush_now(p->old.partition);
    cr_assert_eq(log_partition_parting(p->old.partition, p->live.partition), offset, "on disk");
    bench_close(&p->old);
    bench_close(&p->live);
}

Test(log_salvage, parts_where_the_gap_begins_within_the_epoch_that_went_on)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 70);
    add(&p.old, 3, 30);
    recover(&p);
    add(&p.live, 1000, 5);
    expect(&p, 70);
}

Test(log_salvage, parts_there_also_before_the_first_new_record)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 70);
    add(&p.old, 3, 30);
    recover(&p);
    expect(&p, 70);
}

Test(log_salvage, parts_where_the_lost_side_had_a_new_leader)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 70);
    add(&p.old, 4, 30);  /* elected there */
    add(&p.live, 3, 10); /* the survivor had more of the old leader's */
    recover(&p);
    add(&p.live, 1000, 5);
    expect(&p, 70);
}

Test(log_salvage, finds_nothing_missing_where_the_survivor_had_all)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 70);
    add_both(&p, 4, 20);
    add(&p.live, 4, 7);
    recover(&p);
    add(&p.live, 1000, 5);
    expect(&p, 90);
}

Test(log_salvage, misses_all_where_the_survivor_had_nothing)
{
    struct pair p;
    begin(&p);
    add(&p.old, 3, 40);
    recover(&p);
    add(&p.live, 1000, 5);
    expect(&p, 0);
}

Test(log_salvage, names_rather_too_much_where_retention_took_what_both_had)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 40);
    add_both(&p, 4, 40);
    add(&p.old, 4, 40);
    recover(&p);
    add(&p.live, 1000, 5);
    log_partition_advance_start(p.live.partition, 80); /* the gap's first offset */
    expect(&p, 40);
}

Test(log_salvage, counts_nothing_that_retention_has_taken_from_a_log_that_goes_on)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 40);
    add_both(&p, 3, 40);
    add(&p.old, 3, 11);
    recover(&p);
    add(&p.live, 1000, 5);
    log_partition_advance_start(p.live.partition, 40);
    expect(&p, 80);
}

Test(log_salvage, finds_nothing_missing_where_an_earlier_gap_is_the_end_of_both)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 70);
    recover(&p);
    cr_assert_eq(log_partition_stride(p.old.partition, 0, 1000), 0); /* it was of that recovery */
    p.old.model.next_offset = log_partition_next_offset(p.old.partition);
    add(&p.live, 1000, 5);
    expect(&p, LOG_OFFSET_STRIDE);
}

Test(log_salvage, parts_behind_an_earlier_gap_in_what_a_later_recovery_lost)
{
    struct pair p;
    begin(&p);
    add_both(&p, 3, 70);
    recover(&p);
    cr_assert_eq(log_partition_stride(p.old.partition, 0, 1000), 0);
    p.old.model.next_offset = log_partition_next_offset(p.old.partition);
    add(&p.old, 1000, 20); /* only there */
    recover(&p);
    expect(&p, LOG_OFFSET_STRIDE);
}

/* What `p` has behind a record of another log of the same partition. */
Test(log_salvage, goes_on_by_leader_epoch_and_then_by_offset)
{
    struct bench b;
    bench_init(&b, 1);
    add(&b, 3, 70);
    add(&b, 5, 30);
    const struct log_partition *p = b.partition;
    cr_assert_eq(log_partition_behind(p, 3, 40), 41);
    cr_assert_eq(log_partition_behind(p, 3, 69), 70);
    cr_assert_eq(log_partition_behind(p, 3, 90), 70,
                 "the other one had more of epoch 3, which was never committed");
    cr_assert_eq(log_partition_behind(p, 4, 75), 70, "what this one has instead");
    cr_assert_eq(log_partition_behind(p, 5, 20), 70);
    cr_assert_eq(log_partition_behind(p, 5, 99), 100);
    cr_assert_eq(log_partition_behind(p, 5, 120), 100, "the other one went further");
    cr_assert_eq(log_partition_behind(p, 6, 71), 100, "all of this comes before");
    bench_close(&b);
}
