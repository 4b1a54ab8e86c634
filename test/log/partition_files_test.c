/* What a partition has on disk (log/partition_flush.c, partition_record.c, partition_files.c). */
#include "partition_bench.h"

Test(log_partition_files, writes_the_same_bytes_whenever_it_is_flushed_and_trimmed)
{
    static uint8_t first[1 << 16], second[1 << 16];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct bench a, b;
        struct random flushes;
        bench_init(&a, seed);
        bench_init(&b, seed);
        random_init(&flushes, seed + 1000);
        for (unsigned i = 0; i < 120; i++) {
            append_random(a.partition, &a.model, &a.random);
            append_random(b.partition, &b.model, &b.random);
            if (random_chance(&flushes, 0.2))
                flush_now(b.partition);
            if (random_chance(&flushes, 0.2))
                log_partition_trim_tail(b.partition, 0);
        }
        flush_now(a.partition);
        flush_now(b.partition);
        unsigned count = list_folder(b.disk);
        cr_assert_eq(list_folder(a.disk), count);
        cr_assert_gt(count, 3);
        for (unsigned i = 0; i < count; i++) {
            char path[128];
            size_t first_size, second_size;
            snprintf(path, sizeof path, FOLDER "/%.60s", listed[i]);
            read_file(a.disk, path, first, &first_size);
            read_file(b.disk, path, second, &second_size);
            cr_assert(bytes_is_equal(bytes_of(first, first_size), bytes_of(second, second_size)),
                      "seed %lu: %s differs", (unsigned long)seed, path);
        }
        bench_close(&a);
        bench_close(&b);
    }
}

/* Kafka's rules, written down a second time (LogSegment.append, onBecomeInactiveSegment). */
static void index_naively(struct bytes log, int64_t base, int64_t interval, bool is_sealed,
                          uint8_t *index, size_t *index_size, uint8_t *times, size_t *times_size)
{
    int64_t since_entry = 0, max_timestamp = -1, max_offset = base, last_time = -1;
    uint8_t *index_at = index, *times_at = times;
    for (size_t at = 0; at < log.size;) {
        const uint8_t *batch = log.data + at;
        int64_t size = bytes_get_be32(batch + 8) + 12;
        int64_t last = (int64_t)bytes_get_be64(batch) + (int64_t)bytes_get_be32(batch + 23);
        if ((int64_t)bytes_get_be64(batch + 35) > max_timestamp) {
            max_timestamp = (int64_t)bytes_get_be64(batch + 35);
            max_offset = last;
        }
        bool is_last = at + (size_t)size == log.size;
        if (since_entry > interval) {
            index_at = bytes_put_be32(index_at, (uint32_t)(last - base));
            index_at = bytes_put_be32(index_at, (uint32_t)at);
            if (max_timestamp > last_time) {
                times_at = bytes_put_be64(times_at, (uint64_t)max_timestamp);
                times_at = bytes_put_be32(times_at, (uint32_t)(max_offset - base));
                last_time = max_timestamp;
            }
            since_entry = 0;
        }
        if (is_last && is_sealed && max_timestamp > last_time) {
            times_at = bytes_put_be64(times_at, (uint64_t)max_timestamp);
            times_at = bytes_put_be32(times_at, (uint32_t)(max_offset - base));
        }
        since_entry += size;
        at += (size_t)size;
    }
    *index_size = (size_t)(index_at - index);
    *times_size = (size_t)(times_at - times);
}

Test(log_partition_files, writes_the_index_entries_that_kafka_would)
{
    static uint8_t data[1 << 16], stored[1 << 16], index[4096], times[4096];
    struct bench b;
    bench_init(&b, 21);
    for (unsigned i = 0; i < 200; i++) {
        append_random(b.partition, &b.model, &b.random);
        if (random_chance(&b.random, 0.1))
            flush_now(b.partition);
    }
    flush_now(b.partition);
    unsigned count = list_folder(b.disk), entry_count = 0;
    int64_t last_base = 0;
    for (unsigned i = 0; i < count; i++)
        if (strtoll(listed[i], NULL, 10) > last_base)
            last_base = strtoll(listed[i], NULL, 10);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(listed[i] + 20, ".log") != 0)
            continue;
        char path[256];
        size_t size, stored_size, index_size, times_size;
        int64_t base = strtoll(listed[i], NULL, 10);
        snprintf(path, sizeof path, FOLDER "/%.20s.log", listed[i]);
        read_file(b.disk, path, data, &size);
        index_naively(bytes_of(data, size), base, small_settings().index_interval_bytes,
                      base != last_base, index, &index_size, times, &times_size);
        snprintf(path, sizeof path, FOLDER "/%.20s.index", listed[i]);
        read_file(b.disk, path, stored, &stored_size);
        cr_assert(bytes_is_equal(bytes_of(stored, stored_size), bytes_of(index, index_size)));
        snprintf(path, sizeof path, FOLDER "/%.20s.timeindex", listed[i]);
        read_file(b.disk, path, stored, &stored_size);
        cr_assert(bytes_is_equal(bytes_of(stored, stored_size), bytes_of(times, times_size)));
        entry_count += (unsigned)(index_size / 8);
    }
    cr_assert_gt(entry_count, 20);
    bench_close(&b);
}

Test(log_partition_files, begins_a_segment_where_size_or_time_says_so)
{
    struct bench b;
    bench_init(&b, 1);
    struct batch_plan plan = {.record_count = 1, .value_size = 1900};
    for (int i = 0; i < 4; i++) { /* two of them fill 4000 bytes */
        append_planned(b.partition, &plan);
        plan.base_offset++;
    }
    plan.wall_ms = 100001; /* more than segment_ms after the first of its segment */
    append_planned(b.partition, &plan);
    flush_now(b.partition);
    cr_assert_eq(list_folder(b.disk), 9);
    const char *names[] = {"00000000000000000000.log", "00000000000000000002.log",
                           "00000000000000000004.log"};
    for (unsigned n = 0; n < 3; n++) {
        bool is_there = false;
        for (unsigned i = 0; i < listed_count; i++)
            is_there |= strcmp(listed[i], names[n]) == 0;
        cr_assert(is_there, "%s", names[n]);
    }
    bench_close(&b);
}

Test(log_partition_files, opens_again_from_its_record_and_cuts_what_came_after)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 20 + seed; i++)
            append_random(b.partition, &b.model, &b.random);
        log_partition_advance_start(b.partition, (int64_t)(seed % 30));
        flush_now(b.partition);
        uint8_t *record;
        size_t record_size;
        cr_assert_eq(log_partition_encode(b.partition, &record, &record_size), 0);
        struct model known = b.model;
        for (unsigned i = 0; i < 30; i++)
            append_random(b.partition, &b.model, &b.random);
        flush_now(b.partition);

        struct log_partition *again;
        struct err_note note = {0};
        cr_assert_eq(log_partition_decode(fake_disk_seam(b.disk), bytes_of(record, record_size),
                                          &again, &note),
                     0, "%s", note.text);
        cr_assert_eq(log_partition_next_offset(again), known.next_offset);
        check_all_from(again, &known, &b.work, log_partition_start_offset(again), 1000);
        uint8_t *second;
        size_t second_size;
        cr_assert_eq(log_partition_encode(again, &second, &second_size), 0);
        cr_assert(bytes_is_equal(bytes_of(record, record_size), bytes_of(second, second_size)));
        for (unsigned i = known.count; i < b.model.count; i++)
            append_planned(again, &b.model.plans[i]); /* as the WAL brings it again */
        flush_now(again);
        check_all_from(again, &b.model, &b.work, log_partition_start_offset(again), 1000);
        log_partition_destroy(again);
        free(record);
        free(second);
        bench_close(&b);
    }
}

Test(log_partition_files, opens_without_files_that_are_missing_and_serves_the_others)
{
    struct bench b;
    bench_init(&b, 9);
    for (unsigned i = 0; i < 120; i++)
        append_random(b.partition, &b.model, &b.random);
    flush_now(b.partition);
    uint8_t *record;
    size_t record_size;
    cr_assert_eq(log_partition_encode(b.partition, &record, &record_size), 0);
    cr_assert_eq(disk_remove(fake_disk_seam(b.disk), FOLDER "/00000000000000000000.log"), 0);
    cr_assert_eq(disk_remove(fake_disk_seam(b.disk), FOLDER "/00000000000000000000.timeindex"), 0);
    struct log_partition *again;
    cr_assert_eq(
        log_partition_decode(fake_disk_seam(b.disk), bytes_of(record, record_size), &again, NULL),
        0);
    int64_t next_segment = 0;
    cr_assert_gt(list_folder(b.disk), 6);
    for (unsigned i = 0; i < listed_count; i++) {
        int64_t base = strtoll(listed[i], NULL, 10);
        if (base > 0 && (next_segment == 0 || base < next_segment))
            next_segment = base;
    }
    cr_assert_eq(read_at(again, &one_read, &b.work, 0, INT64_MAX, 100), ERR_CORRUPT);
    check_all_from(again, &b.model, &b.work, next_segment, 1000);
    log_partition_destroy(again);
    free(record);
    bench_close(&b);
}

Test(log_partition_files, refuses_a_record_cut_anywhere)
{
    struct bench b;
    bench_init(&b, 9);
    for (unsigned i = 0; i < 40; i++)
        append_random(b.partition, &b.model, &b.random);
    flush_now(b.partition);
    uint8_t *record;
    size_t record_size;
    cr_assert_eq(log_partition_encode(b.partition, &record, &record_size), 0);
    for (size_t size = 0; size < record_size; size++) {
        struct log_partition *again;
        cr_assert_lt(
            log_partition_decode(fake_disk_seam(b.disk), bytes_of(record, size), &again, NULL), 0);
    }
    free(record);
    bench_close(&b);
}

Test(log_partition_files, passes_a_failed_write_or_sync_up)
{
    const enum fake_disk_operation operations[] = {FAKE_DISK_WRITE, FAKE_DISK_SYNC,
                                                   FAKE_DISK_SYNC_DIRECTORY, FAKE_DISK_OPEN};
    for (unsigned o = 0; o < 4; o++) {
        struct bench b;
        bench_init(&b, 2);
        append_random(b.partition, &b.model, &b.random);
        fake_disk_fail_nth(b.disk, operations[o], 1, UV_EIO);
        struct log_flush *flush;
        cr_assert_eq(log_partition_flush_prepare(b.partition, &flush), 0);
        int status = log_flush_run(flush);
        cr_assert_eq(status, UV_EIO);
        log_partition_flush_finish(b.partition, flush, status);
        cr_assert_gt(log_partition_unflushed_bytes(b.partition), 0);
        bench_close(&b);
    }
}
