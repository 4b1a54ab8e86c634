/* A store with real threads around it: a shard, a worker and readers (for the thread sanitizer). */
#include <pthread.h>

#include "base/work.h"
#include "store_story.h"

#define ENTRY_COUNT      3000
#define READ_COUNT       4000
#define CHECKPOINT_COUNT 10
#define READS_UNDER_WAY  8

struct scene {
    struct fake_disk *disk;
    struct work_pool *shard, *worker, *readers;
    struct log_store *store;
    struct work_item turn;
    struct random random;
    struct log_checkpoint checkpoint;
    struct log_read reads[READS_UNDER_WAY];
    bool is_reading[READS_UNDER_WAY];
    uint64_t index;
    unsigned read_count, checkpoint_count;
    pthread_mutex_t lock; /* guards is_done */
    pthread_cond_t done;
    bool is_done;
};

static struct scene scene;

static void on_scene_checkpoint(struct log_checkpoint *req, int status)
{
    (void)req;
    cr_assert_eq(status, 0);
    scene.checkpoint_count++;
}

static void on_scene_read(struct log_read *req, int status)
{
    cr_assert_eq(status, 0, "%s", err_name(status));
    unsigned which = (unsigned)(req - scene.reads);
    cr_assert_gt(req->size_bytes, 0);
    cr_assert_leq((int64_t)bytes_get_be64(req->slices[0].bytes.data), req->offset);
    for (unsigned i = 0; i < req->slice_count; i++)
        slice_unref(&req->slices[i]);
    scene.is_reading[which] = false;
    scene.read_count++;
}

static void read_something(unsigned which)
{
    uint32_t number = (uint32_t)random_below(&scene.random, 4);
    struct log_partition *p = log_store_partition(scene.store, number);
    int64_t next = log_partition_next_offset(p);
    if (scene.is_reading[which] || next == 0)
        return;
    struct log_read *req = &scene.reads[which];
    *req = (struct log_read){.offset = (int64_t)random_below(&scene.random, (uint64_t)next),
                             .offset_max = INT64_MAX,
                             .size_bytes_max = 2000,
                             .readers = work_pool_work(scene.readers),
                             .home = work_pool_work(scene.shard)};
    scene.is_reading[which] = true;
    int answer = log_partition_read(p, req, on_scene_read);
    cr_assert_geq(answer, 0);
    if (answer == 1)
        on_scene_read(req, 0);
}

static bool is_anything_under_way(void)
{
    for (unsigned i = 0; i < READS_UNDER_WAY; i++)
        if (scene.is_reading[i])
            return true;
    return log_store_is_checkpointing(scene.store);
}

static void apply_one(void)
{
    struct random r;
    random_init(&r, ++scene.index);
    uint32_t number = (uint32_t)(scene.index % 4);
    story_append(scene.store, number, &r, scene.index);
    log_partition_trim_tail(log_store_partition(scene.store, number), 1000);
}

static void begin_checkpoint(void)
{
    scene.checkpoint.state = (struct log_store_state){.index = scene.index};
    cr_assert_eq(log_store_checkpoint(scene.store, &scene.checkpoint, on_scene_checkpoint), 0);
}

static void take_turn(struct work_item *item)
{
    bool goes_on = scene.read_count < READ_COUNT || scene.checkpoint_count < CHECKPOINT_COUNT;
    if (scene.index < ENTRY_COUNT)
        apply_one();
    if (goes_on && !log_store_is_checkpointing(scene.store))
        begin_checkpoint();
    if (goes_on)
        read_something((unsigned)random_below(&scene.random, READS_UNDER_WAY));
    if (goes_on || scene.index < ENTRY_COUNT || is_anything_under_way()) {
        work_submit(work_pool_work(scene.shard), item, take_turn);
        return;
    }
    pthread_mutex_lock(&scene.lock);
    scene.is_done = true;
    pthread_cond_signal(&scene.done);
    pthread_mutex_unlock(&scene.lock);
}

Test(log_store_threads, applies_reads_and_checkpoints_at_the_same_time)
{
    pthread_mutex_init(&scene.lock, NULL);
    pthread_cond_init(&scene.done, NULL);
    scene.disk = fake_disk_create(1);
    scene.shard = work_pool_create("shard", 1);
    scene.worker = work_pool_create("worker", 1);
    scene.readers = work_pool_create("readers", 3);
    random_init(&scene.random, 5);
    cr_assert_eq(log_store_open(fake_disk_seam(scene.disk), 5, work_pool_work(scene.worker),
                                work_pool_work(scene.shard), &scene.store, NULL),
                 0);
    struct log_partition_settings settings = small_settings();
    for (uint32_t number = 0; number < 4; number++) {
        struct log_partition *p;
        struct log_partition_id id = id_numbered((int32_t)number);
        cr_assert_eq(log_store_partition_add(scene.store, number, &id, &settings, 0, &p), 0);
    }
    work_submit(work_pool_work(scene.shard), &scene.turn, take_turn);
    pthread_mutex_lock(&scene.lock);
    while (!scene.is_done)
        pthread_cond_wait(&scene.done, &scene.lock);
    pthread_mutex_unlock(&scene.lock);
    work_pool_destroy(scene.readers);
    work_pool_destroy(scene.worker);
    work_pool_destroy(scene.shard);
    cr_assert_geq(scene.read_count, READ_COUNT);
    cr_assert_geq(scene.checkpoint_count, CHECKPOINT_COUNT);
    log_store_close(scene.store);
    fake_disk_destroy(scene.disk);
}
