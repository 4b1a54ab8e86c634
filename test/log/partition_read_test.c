/* Cold reads and lookups by time (log/segment_read.c, log/partition_time.c). */
#include "partition_bench.h"

Test(log_partition_read, hands_out_no_flipped_bit_wherever_it_is)
{
    /* Every byte of a segment of a few batches: either the damage is told, or it lies in a batch
     * that was not asked for. */
    struct bench b;
    bench_init(&b, 5);
    for (unsigned i = 0; i < 12; i++)
        append_random(b.partition, &b.model, &b.random);
    flush_now(b.partition);
    log_partition_trim_tail(b.partition, 0);
    const char *path = FOLDER "/00000000000000000000.log";
    static uint8_t file[1 << 16];
    size_t size;
    read_file(b.disk, path, file, &size);
    for (size_t at = 0; at < size; at++) {
        cr_assert_eq(fake_disk_flip_bit(b.disk, path, at, (unsigned)(at % 8)), 0);
        unsigned damaged = 0;
        for (unsigned i = 0; i < b.model.count; i++) {
            const struct batch_plan *plan = &b.model.plans[i];
            int status = read_at(b.partition, &one_read, &b.work, plan->base_offset,
                                 plan->base_offset + 1, 1);
            if (status == 0) {
                size_t got = gather(&one_read, gathered, sizeof gathered);
                check_batch(plan, gathered, got);
            } else {
                cr_assert_eq(status, ERR_CORRUPT);
                damaged++;
            }
        }
        cr_assert_gt(damaged, 0, "byte %zu: the damage was not noticed", at);
        fake_disk_flip_bit(b.disk, path, at, (unsigned)(at % 8));
    }
    bench_close(&b);
}

Test(log_partition_read, reads_on_when_an_index_is_damaged_or_gone)
{
    struct bench b;
    bench_init(&b, 5);
    for (unsigned i = 0; i < 25; i++)
        append_random(b.partition, &b.model, &b.random);
    flush_now(b.partition);
    log_partition_trim_tail(b.partition, 0);
    const char *path = FOLDER "/00000000000000000000.index";
    size_t size;
    read_file(b.disk, path, gathered, &size);
    cr_assert_gt(size, 0);
    for (size_t at = 0; at < size; at++) {
        fake_disk_flip_bit(b.disk, path, at, (unsigned)(at % 8));
        check_all_from(b.partition, &b.model, &b.work, 20, 500);
        fake_disk_flip_bit(b.disk, path, at, (unsigned)(at % 8));
    }
    cr_assert_eq(disk_remove(fake_disk_seam(b.disk), path), 0);
    check_all_from(b.partition, &b.model, &b.work, 20, 500);
    bench_close(&b);
}

struct lookup_result {
    bool is_done;
    int status;
};

static void on_time(struct log_time_lookup *req, int status)
{
    struct lookup_result *result = req->data;
    result->is_done = true;
    result->status = status;
}

static void check_time_lookup(struct log_partition *p, const struct model *m,
                              struct fake_work *work, int64_t timestamp)
{
    int64_t expected = -1, expected_timestamp = -1;
    for (unsigned b = 0; b < m->count && expected < 0; b++)
        for (int32_t i = 0; i < m->plans[b].record_count && expected < 0; i++) {
            int64_t at = m->plans[b].base_timestamp + m->plans[b].timestamp_step * i;
            if (at >= timestamp && m->plans[b].base_offset + i >= m->start_offset) {
                expected = m->plans[b].base_offset + i;
                expected_timestamp = at;
            }
        }
    struct lookup_result result = {0};
    struct log_time_lookup req = {
        .data = &result, .timestamp_ms = timestamp, .readers = &work->seam, .home = &work->seam};
    int answer = log_partition_find_time(p, &req, on_time);
    cr_assert_geq(answer, 0);
    fake_work_run_all(work, NULL);
    cr_assert_eq(result.is_done, answer == 0);
    cr_assert_eq(result.status, 0);
    cr_assert_eq(req.offset, expected, "timestamp %" PRId64 ": %" PRId64 " not %" PRId64, timestamp,
                 req.offset, expected);
    cr_assert_eq(req.found_timestamp_ms, expected_timestamp);
}

Test(log_partition_read, finds_the_first_record_of_a_time_as_a_walk_over_all_records_does)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 120; i++)
            bench_grow(&b, 0.1, 4000);
        b.model.start_offset = (int64_t)random_below(&b.random, 60);
        log_partition_advance_start(b.partition, b.model.start_offset);
        for (unsigned i = 0; i < 50; i++)
            check_time_lookup(b.partition, &b.model, &b.work,
                              950 + (int64_t)random_below(&b.random, 1400));
        bench_close(&b);
    }
}
