/* A made-up history of a raft group for tests of the store: operations by index, each a function
 * of its seed alone, so that any store can be fed any part of it, as a WAL would. */
#ifndef LOG_STORE_STORY_H
#define LOG_STORE_STORY_H

#include <inttypes.h>

#include "base/err.h"
#include "batches.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "log/store.h"

#define STORY_PARTITIONS_MAX 12

/* A store on a disk of its own. */
struct stage {
    struct fake_disk *disk;
    struct fake_work work; /* worker and home in one */
    struct log_store *store;
};

static inline int stage_open(struct stage *s)
{
    struct err_note note = {0};
    int err = log_store_open(fake_disk_seam(s->disk), 5, &s->work.seam, &s->work.seam, &s->store,
                             &note);
    if (err != 0)
        s->store = NULL;
    return err;
}

static inline void stage_init(struct stage *s, uint64_t seed)
{
    *s = (struct stage){.disk = fake_disk_create(seed)};
    fake_work_init(&s->work);
    cr_assert_eq(stage_open(s), 0);
}

static inline void stage_close(struct stage *s)
{
    fake_work_run_all(&s->work, NULL);
    log_store_close(s->store);
    cr_assert_eq(fake_disk_open_count(s->disk), 0, "a file stayed open");
    fake_disk_destroy(s->disk);
}

/* Ends the process and the power with it, and starts again. */
static inline void stage_crash(struct stage *s)
{
    fake_disk_halt(s->disk);
    fake_work_run_all(&s->work, NULL);
    log_store_close(s->store);
    fake_disk_crash(s->disk, NULL);
    struct err_note note = {0};
    int err = log_store_open(fake_disk_seam(s->disk), 5, &s->work.seam, &s->work.seam, &s->store,
                             &note);
    cr_assert_eq(err, 0, "%s: %s", err_name(err), note.text);
}

static inline void story_append(struct log_store *store, uint32_t number, struct random *r,
                                uint64_t index)
{
    struct log_partition *p = log_store_partition(store, number);
    int64_t base_offset = log_partition_next_offset(p);
    struct batch_plan plan = {.base_offset = base_offset,
                              .record_count = (int32_t)random_below(r, 4) + 1,
                              .leader_epoch = (int32_t)(index / 100),
                              .base_timestamp = (int64_t)index * 5,
                              .timestamp_step = 1,
                              .value_size = random_below(r, 300),
                              .wall_ms = (int64_t)index * 7};
    struct log_producer_batch produced = {.producer_id = (int64_t)random_below(r, 6),
                                          .base_sequence = (int32_t)index,
                                          .last_sequence = (int32_t)index,
                                          .max_timestamp = plan.base_timestamp};
    append_planned(p, &plan);
    cr_assert_eq(
        log_producer_record(log_partition_producers(p), &produced, base_offset, plan.wall_ms), 0);
}

/* Applies entry `index` of the story. */
static inline void story_apply(struct log_store *store, uint64_t seed, uint64_t index)
{
    struct random r;
    random_init(&r, seed * 1000003 + index);
    uint32_t number = (uint32_t)random_below(&r, STORY_PARTITIONS_MAX);
    struct log_partition *p = log_store_partition(store, number);
    uint64_t kind = random_below(&r, 100);
    if (p == NULL) {
        /* Removed numbers stay unused: number n opens only in its own part of the story. */
        struct log_partition_id id = id_numbered((int32_t)number);
        struct log_partition_settings settings = small_settings();
        if (index / 20 == number && kind < 70)
            cr_assert_eq(log_store_partition_add(store, number, &id, &settings,
                                                 (int64_t)random_below(&r, 3), &p),
                         0);
    } else if (kind < 90) {
        story_append(store, number, &r, index);
    } else if (kind < 96) {
        int64_t next = log_partition_next_offset(p);
        log_partition_advance_start(p, (int64_t)random_below(&r, (uint64_t)next + 1));
    } else if (kind < 98) {
        log_producer_expire(log_partition_producers(p), (int64_t)index * 7 - 300);
    } else if (index / 20 > number) {
        log_store_partition_remove(store, number);
    }
}

struct checkpoint_result {
    bool is_done;
    int status;
};

static inline void on_checkpoint(struct log_checkpoint *req, int status)
{
    struct checkpoint_result *result = req->data;
    cr_assert_not(result->is_done);
    result->is_done = true;
    result->status = status;
}

/* A checkpoint at `index`, run to its end. */
static inline int stage_checkpoint(struct stage *s, uint64_t index)
{
    uint8_t configuration[8], machine[16];
    bytes_put_le64(configuration, index / 50);
    bytes_put_le64(machine, index / 8); /* not each checkpoint has a new one */
    bytes_put_le64(machine + 8, ~(index / 8));
    struct checkpoint_result result = {0};
    struct log_checkpoint req = {
        .data = &result,
        .state = {.index = index,
                  .term = index / 100 + 1,
                  .configuration_index = index / 50,
                  .configuration = bytes_of(configuration, sizeof configuration),
                  .generation = 3,
                  .recovery_id = 0x1234567890abcdef,
                  .feature_level = 2,
                  .machine = bytes_of(machine, sizeof machine)}};
    cr_assert_eq(log_store_checkpoint(s->store, &req, on_checkpoint), 0);
    cr_assert(log_store_is_checkpointing(s->store));
    fake_work_run_all(&s->work, NULL);
    cr_assert(result.is_done);
    return result.status;
}

/* The state must be what the checkpoint at its index wrote. */
static inline void check_state(const struct log_store *store)
{
    const struct log_store_state *state = log_store_state(store);
    if (state->index == 0)
        return;
    cr_assert_eq(state->term, state->index / 100 + 1);
    cr_assert_eq(state->generation, 3);
    cr_assert_eq(state->recovery_id, 0x1234567890abcdef);
    cr_assert_eq(state->feature_level, 2);
    cr_assert_eq(state->configuration_index, state->index / 50);
    cr_assert_eq(state->configuration.size, 8);
    cr_assert_eq(bytes_get_le64(state->configuration.data), state->index / 50);
    cr_assert_eq(state->machine.size, 16);
    cr_assert_eq(bytes_get_le64(state->machine.data), state->index / 8);
    cr_assert_eq(bytes_get_le64(state->machine.data + 8), ~(state->index / 8));
}

/* ---- comparing two stores with everything they have on disk ---- */

struct tree_sum {
    const struct disk *disk;
    const char *folder;
    uint64_t sum; /* independent of order */
    unsigned file_count;
};

static inline void sum_entry(void *data, const char *name, bool is_directory)
{
    struct tree_sum *sum = data;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", sum->folder, name);
    if (is_directory) {
        struct tree_sum inner = {.disk = sum->disk, .folder = path};
        cr_assert_eq(disk_list(sum->disk, path, sum_entry, &inner), 0);
        if (inner.file_count > 0) /* an empty folder is no difference */
            sum->sum += inner.sum;
        sum->file_count += inner.file_count;
        return;
    }
    static uint8_t bytes[1 << 24];
    struct disk_file *file;
    cr_assert_eq(disk_open(sum->disk, path, DISK_READ, &file), 0);
    int64_t size = disk_read_at(sum->disk, file, 0, bytes, sizeof bytes);
    disk_close(sum->disk, file);
    cr_assert_geq(size, 0);
    uint32_t crc = crc32c(crc32c(0, bytes_of_text(path)), bytes_of(bytes, (size_t)size));
    sum->sum += ((uint64_t)crc << 20) + (uint64_t)size;
    sum->file_count++;
}

static inline struct tree_sum sum_of_topics(struct stage *s)
{
    struct tree_sum sum = {.disk = fake_disk_seam(s->disk), .folder = "topics"};
    cr_assert_eq(disk_list(sum.disk, "topics", sum_entry, &sum), 0);
    return sum;
}

static inline void check_same(struct stage *a, struct stage *b)
{
    for (uint32_t number = 0; number < STORY_PARTITIONS_MAX; number++) {
        struct log_partition *one = log_store_partition(a->store, number);
        struct log_partition *two = log_store_partition(b->store, number);
        cr_assert_eq(one == NULL, two == NULL, "partition %u is in one of them only", number);
        if (one == NULL)
            continue;
        uint8_t *first, *second;
        size_t first_size, second_size;
        cr_assert_eq(log_partition_encode(one, &first, &first_size), 0);
        cr_assert_eq(log_partition_encode(two, &second, &second_size), 0);
        cr_assert(bytes_is_equal(bytes_of(first, first_size), bytes_of(second, second_size)),
                  "partition %u differs", number);
        free(first);
        free(second);
    }
    struct tree_sum one = sum_of_topics(a), two = sum_of_topics(b);
    cr_assert_eq(one.file_count, two.file_count);
    cr_assert_eq(one.sum, two.sum, "files differ");
}

#endif
