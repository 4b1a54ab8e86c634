/* The gap that a forced recovery leaves in a partition's offsets (log/partition_stride.c). */
#include "partition_bench.h"

static void stride(struct bench *b, int32_t epoch)
{
    cr_assert_eq(log_partition_stride(b->partition, epoch, 1000), 0);
    b->model.next_offset = (b->model.next_offset / LOG_OFFSET_STRIDE + 1) * LOG_OFFSET_STRIDE;
    cr_assert_eq(log_partition_next_offset(b->partition), b->model.next_offset);
}

/* What a restart finds: the record of the manifest, and the files. */
static void reopen(struct bench *b)
{
    uint8_t *bytes;
    size_t size;
    struct err_note note = {0};
    flush_now(b->partition);
    cr_assert_eq(log_partition_encode(b->partition, &bytes, &size), 0);
    log_partition_destroy(b->partition);
    int err = log_partition_decode(fake_disk_seam(b->disk), bytes_of(bytes, size), &b->partition,
                                   &note);
    cr_assert_eq(err, 0, "%s", note.text);
    free(bytes);
}

Test(log_partition_stride, reads_on_behind_each_gap_from_tail_and_segments)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 120; i++) {
            bench_grow(&b, 0.05, 3000);
            if (random_chance(&b.random, 0.03))
                stride(&b, 0);
            if (random_chance(&b.random, 0.03))
                reopen(&b);
        }
        for (unsigned i = 0; i < 8; i++) {
            const struct batch_plan *p = &b.model.plans[random_below(&b.random, b.model.count)];
            int64_t from = p->base_offset + (int64_t)random_below(&b.random, 9);
            if (from < b.model.next_offset)
                check_all_from(b.partition, &b.model, &b.work, from, random_below(&b.random, 3000));
        }
        bench_close(&b);
    }
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_partition_stride, lets_a_read_beyond_the_old_end_wait_for_the_first_new_record)
{
    struct bench b;
    bench_init(&b, 3);
    append_random(b.partition, &b.model, &b.random);
    int64_t end = b.model.next_offset;
    stride(&b, 0);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(log_partition_behind_gap(b.partition, end + 77), LOG_OFFSET_STRIDE);
        cr_assert_eq(read_at(b.partition, &one_read, &b.work, end + 77, LOG_OFFSET_STRIDE, 100), 0);
        cr_assert_eq(one_read.slice_count, 0, "nothing is there yet");
        reopen(&b);
    }
    append_random(b.partition, &b.model, &b.random);
    cr_assert_eq(read_at(b.partition, &one_read, &b.work, end + 77, INT64_MAX, 1 << 20), 0);
    cr_assert_gt(gather(&one_read, gathered, sizeof gathered), 0);
    cr_assert_eq((int64_t)bytes_get_be64(gathered), LOG_OFFSET_STRIDE);
    cr_assert_eq(log_partition_count_between(b.partition, 0, b.model.next_offset),
                 end + b.model.plans[1].record_count, "the gap is nobody's lag");
    bench_close(&b);
}

/* One control batch, whose offset is the gap's last. */
static void check_leads_out(const struct bench *b, int64_t offset, int64_t end, int32_t epoch)
{
    struct slice batch;
    cr_assert_eq(log_partition_gap_batch(b->partition, offset, &batch), 1);
    const uint8_t *bytes = batch.bytes.data;
    cr_assert_eq(batch.bytes.size, 61 + 17);
    cr_assert_eq(bytes_get_be32(bytes + 8), batch.bytes.size - 12);
    cr_assert_eq((int64_t)bytes_get_be64(bytes) + (int32_t)bytes_get_be32(bytes + 23), end - 1);
    cr_assert_eq((int32_t)bytes_get_be32(bytes + 12), epoch, "of the epoch that reaches there");
    cr_assert_eq(bytes_get_be16(bytes + 21), 0x20, "shown to no program");
    cr_assert_eq(bytes_get_be32(bytes + 17),
                 crc32c(0, bytes_of(bytes + 21, batch.bytes.size - 21)));
    slice_unref(&batch);
}

Test(log_partition_stride, leads_out_of_a_gap_behind_which_nothing_stands)
{
    struct bench b;
    struct slice batch;
    bench_init(&b, 13);
    cr_assert_eq(log_partition_gap_batch(b.partition, 0, &batch), 0, "an empty log has none");
    append_random(b.partition, &b.model, &b.random);
    int64_t end = b.model.next_offset;
    cr_assert_eq(log_partition_gap_batch(b.partition, end, &batch), 0);
    stride(&b, 0);
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(log_partition_gap_batch(b.partition, end - 1, &batch), 0, "a record is there");
        check_leads_out(&b, end, LOG_OFFSET_STRIDE, 0);
        check_leads_out(&b, LOG_OFFSET_STRIDE - 1, LOG_OFFSET_STRIDE, 0);
        cr_assert_eq(log_partition_gap_batch(b.partition, LOG_OFFSET_STRIDE, &batch), 0);
        reopen(&b);
    }
    stride(&b, 0);
    check_leads_out(&b, end, 2 * LOG_OFFSET_STRIDE, 0);
    append_random(b.partition, &b.model, &b.random);
    cr_assert_eq(log_partition_gap_batch(b.partition, end, &batch), 0, "records come behind it");
    bench_close(&b);
    cr_assert_eq(buffer_total_bytes(), 0, "a buffer leaked");
}

Test(log_partition_stride, leads_out_of_the_gap_of_a_log_that_never_had_a_record)
{
    struct bench b;
    bench_init(&b, 17);
    stride(&b, 5);
    check_leads_out(&b, 0, LOG_OFFSET_STRIDE, 5);
    bench_close(&b);
}

Test(log_partition_stride, tells_each_gap_once)
{
    struct bench b;
    int64_t ends[3], from, until;
    bench_init(&b, 7);
    append_random(b.partition, &b.model, &b.random);
    cr_assert_not(log_partition_gap(b.partition, 0, &from, &until), "there is none yet");
    for (int i = 0; i < 3; i++) {
        ends[i] = b.model.next_offset;
        stride(&b, 0);
        if (i < 2)
            append_random(b.partition, &b.model, &b.random);
    }
    for (int round = 0; round < 2; round++) {
        int64_t at = 0, records = log_partition_next_offset(b.partition);
        for (int i = 0; i < 3; i++, at = until) {
            cr_assert(log_partition_gap(b.partition, at, &from, &until));
            cr_assert_eq(from, ends[i]);
            cr_assert_eq(until, (i + 1) * LOG_OFFSET_STRIDE);
            records -= until - from;
        }
        cr_assert_not(log_partition_gap(b.partition, at, &from, &until));
        cr_assert_eq(records, log_partition_count_between(b.partition, 0, INT64_MAX));
        reopen(&b);
    }
    bench_close(&b);
}

Test(log_partition_stride, lets_epochs_end_at_the_new_next_offset_also_without_a_record)
{
    for (int has_records = 0; has_records < 2; has_records++) {
        struct bench b;
        int32_t found;
        int64_t end;
        bench_init(&b, 5);
        if (has_records)
            append_random(b.partition, &b.model, &b.random); /* in epoch 0 */
        stride(&b, 0);
        for (int round = 0; round < 2; round++) {
            log_partition_epoch_end(b.partition, 3, &found, &end);
            cr_assert_eq(found, 0);
            cr_assert_eq(end, LOG_OFFSET_STRIDE, "never -1, never the old end");
            reopen(&b);
        }
        bench_close(&b);
    }
}

Test(log_partition_stride, keeps_the_start_in_the_gap_when_retention_takes_all_before_it)
{
    struct bench b;
    bench_init(&b, 9);
    for (unsigned i = 0; i < 30; i++)
        append_random(b.partition, &b.model, &b.random);
    int64_t end = b.model.next_offset;
    stride(&b, 0);
    append_random(b.partition, &b.model, &b.random);
    int64_t until = log_partition_retention_offset(b.partition, INT64_MAX / 2, 1, -1, false);
    cr_assert_eq(until, end);
    log_partition_advance_start(b.partition, until);
    reopen(&b);
    cr_assert_eq(log_partition_start_offset(b.partition), end);
    cr_assert_eq(read_at(b.partition, &one_read, &b.work, end, INT64_MAX, 1 << 20), 0);
    cr_assert_gt(gather(&one_read, gathered, sizeof gathered), 0);
    cr_assert_eq((int64_t)bytes_get_be64(gathered), LOG_OFFSET_STRIDE);
    bench_close(&b);
}

Test(log_partition_stride, ends_with_a_flush_that_began_before_it)
{
    struct bench b;
    struct log_flush *flush;
    bench_init(&b, 11);
    for (unsigned i = 0; i < 5; i++)
        append_random(b.partition, &b.model, &b.random);
    cr_assert_eq(log_partition_flush_prepare(b.partition, &flush), 0);
    stride(&b, 0);
    log_partition_flush_finish(b.partition, flush, log_flush_run(flush));
    log_partition_trim_tail(b.partition, 0);
    reopen(&b);
    append_random(b.partition, &b.model, &b.random);
    check_all_from(b.partition, &b.model, &b.work, 0, 500);
    bench_close(&b);
}
