/* A partition on a fake disk beside a naive model of it: what the tests of partitions share. */
#ifndef LOG_PARTITION_BENCH_H
#define LOG_PARTITION_BENCH_H

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "batches.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "log/partition.h"

#define PERHAPS_UNUSED __attribute__((unused))

#define MODEL_BATCHES_MAX 400

/* What was appended, kept naively. */
struct model {
    struct batch_plan plans[MODEL_BATCHES_MAX];
    unsigned count;
    int64_t start_offset, next_offset;
};

static inline struct batch_plan random_plan(struct random *r, int64_t base_offset, unsigned number)
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

static inline void append_random(struct log_partition *p, struct model *m, struct random *r)
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

static inline void on_read(struct log_read *req, int status)
{
    struct read_result *result = req->data;
    cr_assert_not(result->is_done, "a callback runs once");
    result->is_done = true;
    result->status = status;
}

/* Reads and waits; returns the status (0 also for an answer at once). */
static inline int read_at(struct log_partition *p, struct log_read *req, struct fake_work *work,
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
static inline size_t gather(struct log_read *req, uint8_t *into, size_t size_max)
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
static inline void check_batch(const struct batch_plan *plan, const uint8_t *at, size_t size)
{
    struct log_batch made = batch_made(plan);
    cr_assert_leq(made.data.bytes.size, size);
    cr_assert_eq((int64_t)bytes_get_be64(at), plan->base_offset);
    cr_assert_eq(bytes_get_be32(at + 12), (uint32_t)plan->leader_epoch);
    cr_assert_eq(memcmp(at + 8, made.data.bytes.data + 8, 4), 0);
    cr_assert_eq(memcmp(at + 16, made.data.bytes.data + 16, made.data.bytes.size - 16), 0);
    slice_unref(&made.data);
}

static PERHAPS_UNUSED uint8_t gathered[1 << 20];
static PERHAPS_UNUSED struct log_read one_read;

/* Reads the whole log from `offset` on in many reads and compares with the model. */
static inline void check_all_from(struct log_partition *p, const struct model *m,
                                  struct fake_work *work, int64_t offset, size_t size_bytes_max)
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

static inline void bench_init(struct bench *b, uint64_t seed)
{
    *b = (struct bench){.disk = fake_disk_create(seed)};
    fake_work_init(&b->work);
    random_init(&b->random, seed);
    struct log_partition_id id = id_numbered(3);
    struct log_partition_settings settings = small_settings();
    cr_assert_eq(log_partition_create(fake_disk_seam(b->disk), &id, &settings, 0, &b->partition),
                 0);
}

static inline void bench_close(struct bench *b)
{
    log_partition_destroy(b->partition);
    cr_assert_eq(fake_disk_open_count(b->disk), 0, "a file stayed open");
    fake_disk_destroy(b->disk);
}

/* One more batch; now and then a flush, and a tail cut to less than so many bytes. */
static inline void bench_grow(struct bench *b, double trim_chance, size_t keep_bytes_max)
{
    append_random(b->partition, &b->model, &b->random);
    if (random_chance(&b->random, 0.1))
        flush_now(b->partition);
    if (random_chance(&b->random, trim_chance))
        log_partition_trim_tail(b->partition, random_below(&b->random, keep_bytes_max));
}

static inline void read_file(struct fake_disk *disk, const char *path, uint8_t *into, size_t *size)
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
static PERHAPS_UNUSED char listed[128][64];
static PERHAPS_UNUSED unsigned listed_count;

static inline void list_name(void *data, const char *name, bool is_directory)
{
    (void)data;
    (void)is_directory;
    cr_assert_lt(listed_count, 128);
    snprintf(listed[listed_count++], sizeof listed[0], "%s", name);
}

static inline unsigned list_folder(struct fake_disk *disk)
{
    listed_count = 0;
    cr_assert_eq(disk_list(fake_disk_seam(disk), FOLDER, list_name, NULL), 0);
    return listed_count;
}

#endif
