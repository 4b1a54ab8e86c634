#include "log/partition.h"

#include "partition_bench.h"

Test(log_partition, gives_back_what_was_appended_from_tail_and_segments)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 150; i++)
            bench_grow(&b, 0.05, 3000);
        for (unsigned i = 0; i < 8; i++)
            check_all_from(b.partition, &b.model, &b.work,
                           (int64_t)random_below(&b.random, (uint64_t)b.model.next_offset),
                           random_below(&b.random, 3000));
        bench_close(&b);
    }
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_partition, leaves_out_batches_beyond_the_high_watermark)
{
    struct bench b;
    bench_init(&b, 1);
    for (unsigned i = 0; i < 20; i++)
        append_random(b.partition, &b.model, &b.random);
    for (int round = 0; round < 2; round++) { /* from the tail, then from segments */
        int64_t limit = b.model.plans[10].base_offset;
        cr_assert_eq(read_at(b.partition, &one_read, &b.work, 0, limit, 1 << 20), 0);
        size_t size = gather(&one_read, gathered, sizeof gathered);
        size_t expected = 0;
        for (unsigned i = 0; i < 10; i++) {
            struct log_batch made = batch_made(&b.model.plans[i]);
            expected += made.data.bytes.size;
            slice_unref(&made.data);
        }
        cr_assert_eq(size, expected);
        cr_assert_eq(read_at(b.partition, &one_read, &b.work, limit, limit, 1 << 20), 0);
        cr_assert_eq(one_read.slice_count, 0);
        flush_now(b.partition);
        log_partition_trim_tail(b.partition, 0);
    }
    bench_close(&b);
}

Test(log_partition, drops_whole_segments_below_its_start_and_keeps_the_rest_readable)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 150; i++) {
            append_random(b.partition, &b.model, &b.random);
            if (random_chance(&b.random, 0.1))
                flush_now(b.partition);
            if (random_chance(&b.random, 0.04)) {
                int64_t start = (int64_t)random_below(&b.random, (uint64_t)b.model.next_offset + 1);
                log_partition_advance_start(b.partition, start);
                if (start > b.model.start_offset)
                    b.model.start_offset = start;
            }
            if (random_chance(&b.random, 0.1))
                log_partition_trim_tail(b.partition, 0);
        }
        int64_t start = b.model.start_offset;
        cr_assert_eq(log_partition_start_offset(b.partition), start);
        if (start > 0)
            cr_assert_eq(read_at(b.partition, &one_read, &b.work, start - 1, INT64_MAX, 1),
                         ERR_OUT_OF_RANGE);
        cr_assert_eq(log_partition_remove_dead_files(b.partition), 0);
        check_all_from(b.partition, &b.model, &b.work, start, 700);
        flush_now(b.partition);
        log_partition_trim_tail(b.partition, 0);
        check_all_from(b.partition, &b.model, &b.work, start, 700);
        bench_close(&b);
    }
}

Test(log_partition, offers_retention_by_time_and_size)
{
    struct bench b;
    bench_init(&b, 1);
    struct batch_plan plan = {.record_count = 1, .value_size = 3000};
    for (int i = 0; i < 5; i++) { /* a segment each */
        plan.base_timestamp = 1000 * i;
        append_planned(b.partition, &plan);
        plan.base_offset++;
    }
    int64_t segment = log_partition_size_bytes(b.partition) / 5;
    cr_assert_eq(log_partition_retention_offset(b.partition, 3000, -1, -1, true), -1);
    cr_assert_eq(log_partition_retention_offset(b.partition, 2500, 1000, -1, true), 2);
    cr_assert_eq(log_partition_retention_offset(b.partition, 4999, 1000, -1, true), 4);
    cr_assert_eq(log_partition_retention_offset(b.partition, 1000000, 1000, -1, true), 5,
                 "also of the open segment, when all in it is old");
    cr_assert_eq(log_partition_retention_offset(b.partition, 1000000, 1000, -1, false), 4,
                 "or of sealed ones only");
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 3 * segment, true), 2);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 3 * segment + 1, true), 1);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 5 * segment, true), -1);
    log_partition_advance_start(b.partition, 2);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 3 * segment, true), -1);
    cr_assert_eq(log_partition_size_bytes(b.partition), 3 * segment);
    bench_close(&b);
}

Test(log_partition, leaves_an_open_segment_behind_when_all_in_it_is_gone)
{
    struct bench b;
    bench_init(&b, 1);
    struct batch_plan plan = {.record_count = 10};
    append_planned(b.partition, &plan);
    flush_now(b.partition);
    log_partition_advance_start(b.partition, 10);
    plan.base_offset = 10;
    append_planned(b.partition, &plan);
    flush_now(b.partition);
    cr_assert_eq(log_partition_remove_dead_files(b.partition), 0);
    cr_assert_eq(list_folder(b.disk), 3, "the files of the segment that begins at 10");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(strncmp(listed[i], "00000000000000000010.", 21), 0);
    bench_close(&b);
}

Test(log_partition, says_where_an_epoch_ended)
{
    struct bench b;
    bench_init(&b, 1);
    int32_t found;
    int64_t end;
    log_partition_epoch_end(b.partition, 5, &found, &end);
    cr_assert(found == 5 && end == 0, "whatever it was, nothing of it is here");
    int32_t epochs[] = {2, 2, 5, 9};
    struct batch_plan plan = {.record_count = 10};
    for (int i = 0; i < 4; i++) {
        plan.leader_epoch = epochs[i];
        append_planned(b.partition, &plan);
        plan.base_offset += 10;
    }
    log_partition_epoch_end(b.partition, 1, &found, &end);
    cr_assert(found == 1 && end == 0);
    log_partition_epoch_end(b.partition, 2, &found, &end);
    cr_assert(found == 2 && end == 20);
    log_partition_epoch_end(b.partition, 8, &found, &end);
    cr_assert(found == 5 && end == 30);
    log_partition_epoch_end(b.partition, 100, &found, &end);
    cr_assert(found == 9 && end == 40);
    cr_assert_eq(log_partition_last_epoch(b.partition), 9);
    bench_close(&b);
}

Test(log_partition, says_which_epoch_a_record_is_of_as_far_as_it_knows)
{
    struct bench b;
    bench_init(&b, 1);
    cr_assert_eq(log_partition_epoch_of(b.partition, 0), -1, "there is no record");
    int32_t epochs[] = {2, 5, 9};
    struct batch_plan plan = {.record_count = 10};
    for (int i = 0; i < 3; i++) {
        plan.leader_epoch = epochs[i];
        append_planned(b.partition, &plan);
        plan.base_offset += 10;
    }
    for (int64_t offset = 0; offset < 30; offset++)
        cr_assert_eq(log_partition_epoch_of(b.partition, offset), epochs[offset / 10]);
    cr_assert_eq(log_partition_epoch_of(b.partition, 30), -1, "not there yet");
    flush_now(b.partition);
    log_partition_advance_start(b.partition, 15);
    cr_assert_eq(log_partition_epoch_of(b.partition, 9), -1, "where that began is forgotten");
    cr_assert_eq(log_partition_epoch_of(b.partition, 14), 5, "gone, and still known");
    bench_close(&b);
}

Test(log_partition, copies_a_small_batch_out_of_a_large_buffer)
{
    struct bench b;
    bench_init(&b, 1);
    struct batch_plan plan = {.record_count = 1, .value_size = 50};
    struct log_batch small = batch_made(&plan);
    struct buffer *large = buffer_create(1 << 20);
    memcpy(large->data, small.data.bytes.data, small.data.bytes.size);
    struct log_batch in_large = small;
    in_large.data = (struct slice){.owner = large,
                                   .bytes = bytes_of(large->data, small.data.bytes.size)};
    cr_assert_eq(log_partition_append(b.partition, &in_large), 0);
    buffer_unref(large);
    cr_assert_lt(buffer_total_bytes(), 2000, "the large buffer must be free");
    cr_assert_eq(log_partition_tail_bytes(b.partition), small.data.bytes.size);
    slice_unref(&small.data);
    bench_close(&b);
}
