#include "log/partition.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "batches.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"

#define MODEL_BATCHES_MAX 400

/* What was appended, kept naively. */
struct model {
    struct batch_plan plans[MODEL_BATCHES_MAX];
    unsigned count;
    int64_t start_offset, next_offset;
};

static struct batch_plan random_plan(struct random *r, int64_t base_offset, unsigned number)
{
    return (struct batch_plan){.base_offset = base_offset,
                               .record_count = (int32_t)random_below(r, 6) + 1,
                               .leader_epoch = (int32_t)(number / 40),
                               .base_timestamp = 1000 + (int64_t)number * 10 +
                                                 (int64_t)random_below(r, 40),
                               .timestamp_step = (int64_t)random_below(r, 5) - 1,
                               .value_size = random_below(r, 150),
                               .wall_ms = (int64_t)number * 100};
}

static void append_random(struct log_partition *p, struct model *m, struct random *r)
{
    struct batch_plan plan = random_plan(r, m->next_offset, m->count);
    append_planned(p, &plan);
    m->plans[m->count++] = plan;
    m->next_offset += plan.record_count;
}

struct read_result {
    bool is_done;
    int status;
};

static void on_read(struct log_read *req, int status)
{
    struct read_result *result = req->data;
    cr_assert_not(result->is_done, "a callback runs once");
    result->is_done = true;
    result->status = status;
}

/* Reads and waits; returns the status (0 also for an answer at once). */
static int read_at(struct log_partition *p, struct log_read *req, struct fake_work *work,
                   int64_t offset, int64_t offset_max, size_t size_bytes_max)
{
    struct read_result result = {0};
    *req = (struct log_read){.data = &result,
                             .offset = offset,
                             .offset_max = offset_max,
                             .size_bytes_max = size_bytes_max,
                             .readers = &work->seam,
                             .home = &work->seam};
    int answer = log_partition_read(p, req, on_read);
    if (answer != 0)
        return answer < 0 ? answer : 0;
    cr_assert_not(result.is_done, "never from inside the call");
    cr_assert_eq(log_partition_pending_reads(p), 1);
    fake_work_run_all(work, NULL);
    cr_assert(result.is_done);
    cr_assert_eq(log_partition_pending_reads(p), 0);
    return result.status;
}

/* Copies the slices into one buffer and gives them back. */
static size_t gather(struct log_read *req, uint8_t *into, size_t size_max)
{
    size_t size = 0;
    for (unsigned i = 0; i < req->slice_count; i++) {
        cr_assert_leq(size + req->slices[i].bytes.size, size_max);
        memcpy(into + size, req->slices[i].bytes.data, req->slices[i].bytes.size);
        size += req->slices[i].bytes.size;
        slice_unref(&req->slices[i]);
    }
    cr_assert_eq(size, req->size_bytes);
    return size;
}

/* The bytes that batch `plan` must have in the log. */
static void check_batch(const struct batch_plan *plan, const uint8_t *at, size_t size)
{
    struct log_batch made = batch_made(plan);
    cr_assert_leq(made.data.bytes.size, size);
    cr_assert_eq((int64_t)bytes_get_be64(at), plan->base_offset);
    cr_assert_eq(bytes_get_be32(at + 12), (uint32_t)plan->leader_epoch);
    cr_assert_eq(memcmp(at + 8, made.data.bytes.data + 8, 4), 0);
    cr_assert_eq(memcmp(at + 16, made.data.bytes.data + 16, made.data.bytes.size - 16), 0);
    slice_unref(&made.data);
}

static uint8_t gathered[1 << 20];
static struct log_read one_read;

/* Reads the whole log from `offset` on in many reads and compares with the model. */
static void check_all_from(struct log_partition *p, const struct model *m, struct fake_work *work,
                           int64_t offset, size_t size_bytes_max)
{
    unsigned b = 0;
    while (b < m->count && m->plans[b].base_offset + m->plans[b].record_count <= offset)
        b++;
    while (b < m->count) {
        int status = read_at(p, &one_read, work, offset, INT64_MAX, size_bytes_max);
        cr_assert_eq(status, 0, "offset %" PRId64 ": %s", offset, err_name(status));
        size_t size = gather(&one_read, gathered, sizeof gathered);
        cr_assert_gt(size, 0);
        for (size_t at = 0; at < size; b++) {
            cr_assert_lt(b, m->count);
            check_batch(&m->plans[b], gathered + at, size - at);
            at += bytes_get_be32(gathered + at + 8) + 12;
            offset = m->plans[b].base_offset + m->plans[b].record_count;
        }
    }
    cr_assert_eq(offset, m->next_offset);
    cr_assert_eq(read_at(p, &one_read, work, offset, INT64_MAX, 100), ERR_OUT_OF_RANGE);
}

struct bench {
    struct fake_disk *disk;
    struct fake_work work;
    struct log_partition *partition;
    struct model model;
    struct random random;
};

static void bench_init(struct bench *b, uint64_t seed)
{
    *b = (struct bench){.disk = fake_disk_create(seed)};
    fake_work_init(&b->work);
    random_init(&b->random, seed);
    struct log_partition_id id = id_numbered(3);
    struct log_partition_settings settings = small_settings();
    cr_assert_eq(log_partition_create(fake_disk_seam(b->disk), &id, &settings, 0, &b->partition),
                 0);
}

static void bench_close(struct bench *b)
{
    log_partition_destroy(b->partition);
    cr_assert_eq(fake_disk_open_count(b->disk), 0, "a file stayed open");
    fake_disk_destroy(b->disk);
}

Test(log_partition, gives_back_what_was_appended_from_tail_and_segments)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 150; i++) {
            append_random(b.partition, &b.model, &b.random);
            if (random_chance(&b.random, 0.1))
                flush_now(b.partition);
            if (random_chance(&b.random, 0.05))
                log_partition_trim_tail(b.partition, random_below(&b.random, 3000));
        }
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

static void read_file(struct fake_disk *disk, const char *path, uint8_t *into, size_t *size)
{
    const struct disk *seam = fake_disk_seam(disk);
    struct disk_file *file;
    cr_assert_eq(disk_open(seam, path, DISK_READ, &file), 0, "%s", path);
    int64_t got = disk_read_at(seam, file, 0, into, 1 << 16);
    cr_assert_geq(got, 0);
    *size = (size_t)got;
    disk_close(seam, file);
}

#define FOLDER "topics/abcd0000000000000000000000000000-3"
static char listed[128][64];
static unsigned listed_count;

static void list_name(void *data, const char *name, bool is_directory)
{
    (void)data;
    (void)is_directory;
    cr_assert_lt(listed_count, 128);
    snprintf(listed[listed_count++], sizeof listed[0], "%s", name);
}

static unsigned list_folder(struct fake_disk *disk)
{
    listed_count = 0;
    cr_assert_eq(disk_list(fake_disk_seam(disk), FOLDER, list_name, NULL), 0);
    return listed_count;
}

Test(log_partition, writes_the_same_bytes_whenever_it_is_flushed_and_trimmed)
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

Test(log_partition, writes_the_index_entries_that_kafka_would)
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

Test(log_partition, begins_a_segment_where_size_or_time_says_so)
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

Test(log_partition, hands_out_no_flipped_bit_wherever_it_is)
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

Test(log_partition, reads_on_when_an_index_is_damaged_or_gone)
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

Test(log_partition, finds_the_first_record_of_a_time_as_a_walk_over_all_records_does)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench b;
        bench_init(&b, seed);
        for (unsigned i = 0; i < 120; i++) {
            append_random(b.partition, &b.model, &b.random);
            if (random_chance(&b.random, 0.1))
                flush_now(b.partition);
            if (random_chance(&b.random, 0.1))
                log_partition_trim_tail(b.partition, random_below(&b.random, 4000));
        }
        b.model.start_offset = (int64_t)random_below(&b.random, 60);
        log_partition_advance_start(b.partition, b.model.start_offset);
        for (unsigned i = 0; i < 50; i++)
            check_time_lookup(b.partition, &b.model, &b.work,
                              950 + (int64_t)random_below(&b.random, 1400));
        bench_close(&b);
    }
}

Test(log_partition, offers_retention_by_time_and_size_of_sealed_segments_only)
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
    cr_assert_eq(log_partition_retention_offset(b.partition, 3000, -1, -1), -1);
    cr_assert_eq(log_partition_retention_offset(b.partition, 2500, 1000, -1), 2);
    cr_assert_eq(log_partition_retention_offset(b.partition, 1000000, 1000, -1), 4);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 3 * segment), 2);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 3 * segment + 1), 1);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 5 * segment), -1);
    log_partition_advance_start(b.partition, 2);
    cr_assert_eq(log_partition_retention_offset(b.partition, 0, -1, 3 * segment), -1);
    cr_assert_eq(log_partition_size_bytes(b.partition), 3 * segment);
    bench_close(&b);
}

Test(log_partition, says_where_an_epoch_ended)
{
    struct bench b;
    bench_init(&b, 1);
    int32_t found;
    int64_t end;
    log_partition_epoch_end(b.partition, 5, &found, &end);
    cr_assert_eq(found, -1);
    int32_t epochs[] = {2, 2, 5, 9};
    struct batch_plan plan = {.record_count = 10};
    for (int i = 0; i < 4; i++) {
        plan.leader_epoch = epochs[i];
        append_planned(b.partition, &plan);
        plan.base_offset += 10;
    }
    log_partition_epoch_end(b.partition, 1, &found, &end);
    cr_assert_eq(found, -1);
    log_partition_epoch_end(b.partition, 2, &found, &end);
    cr_assert(found == 2 && end == 20);
    log_partition_epoch_end(b.partition, 8, &found, &end);
    cr_assert(found == 5 && end == 30);
    log_partition_epoch_end(b.partition, 100, &found, &end);
    cr_assert(found == 9 && end == 40);
    cr_assert_eq(log_partition_last_epoch(b.partition), 9);
    bench_close(&b);
}

Test(log_partition, opens_again_from_its_record_and_cuts_what_came_after)
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

Test(log_partition, builds_a_missing_index_anew_and_refuses_missing_data)
{
    struct bench b;
    bench_init(&b, 9);
    for (unsigned i = 0; i < 40; i++)
        append_random(b.partition, &b.model, &b.random);
    flush_now(b.partition);
    uint8_t *record;
    size_t record_size;
    cr_assert_eq(log_partition_encode(b.partition, &record, &record_size), 0);
    static uint8_t before[1 << 16], after[1 << 16];
    size_t before_size, after_size;
    const char *index = FOLDER "/00000000000000000000.index";
    const char *time_index = FOLDER "/00000000000000000000.timeindex";
    read_file(b.disk, time_index, before, &before_size);
    cr_assert_gt(before_size, 0);
    cr_assert_eq(disk_remove(fake_disk_seam(b.disk), index), 0);
    cr_assert_eq(disk_remove(fake_disk_seam(b.disk), time_index), 0);
    struct log_partition *again;
    cr_assert_eq(
        log_partition_decode(fake_disk_seam(b.disk), bytes_of(record, record_size), &again, NULL),
        0);
    read_file(b.disk, time_index, after, &after_size);
    cr_assert(bytes_is_equal(bytes_of(before, before_size), bytes_of(after, after_size)));
    log_partition_destroy(again);
    struct err_note note;
    cr_assert_eq(disk_remove(fake_disk_seam(b.disk), FOLDER "/00000000000000000000.log"), 0);
    cr_assert_eq(
        log_partition_decode(fake_disk_seam(b.disk), bytes_of(record, record_size), &again, &note),
        ERR_CORRUPT);
    cr_assert_not_null(strstr(note.text, "00000000000000000000.log"));
    free(record);
    bench_close(&b);
}

Test(log_partition, refuses_a_record_cut_anywhere)
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

Test(log_partition, passes_a_failed_write_or_sync_up)
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
