/* A snapshot's pieces written by several threads at once (for the thread sanitizer, too). */
#include <pthread.h>

#include "base/work.h"
#include "store_story.h"

#define SEED        21
#define INDEX       300
#define WORKERS     4
#define PIECES_MAX  256
#define STALE_COUNT 64

struct piece {
    struct log_install_write write;
    struct slice bytes;
};

struct receiver {
    struct fake_disk *disk;
    struct work_pool *shard, *workers;
    struct log_store *store;
    struct log_install *install;
    struct piece pieces[PIECES_MAX];
    unsigned piece_count, written_count;
    struct log_install_commit commit;
    struct work_item item;
    int status;           /* the first error, or the commit's */
    pthread_mutex_t lock; /* guards is_done */
    pthread_cond_t done;
    bool is_done;
};

static struct receiver receiver = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                   .done = PTHREAD_COND_INITIALIZER};

static void tell_done(int status)
{
    pthread_mutex_lock(&receiver.lock);
    receiver.status = status;
    receiver.is_done = true;
    pthread_cond_signal(&receiver.done);
    pthread_mutex_unlock(&receiver.lock);
}

static void on_committed(struct log_install_commit *req, int status)
{
    (void)req;
    tell_done(status);
}

static void on_written(struct log_install_write *req, int status)
{
    (void)req;
    if (status != 0)
        receiver.status = status;
    if (++receiver.written_count < receiver.piece_count)
        return;
    if (receiver.status != 0) {
        tell_done(receiver.status);
        return;
    }
    receiver.commit.install = receiver.install;
    log_install_commit(&receiver.commit, on_committed);
}

static void write_all(struct work_item *item)
{
    (void)item;
    for (unsigned i = 0; i < receiver.piece_count; i++) {
        struct piece *p = &receiver.pieces[i];
        p->write.install = receiver.install;
        p->write.piece = p->bytes;
        log_install_write(&p->write, on_written);
        slice_unref(&p->bytes);
    }
}

static void on_piece_read(struct log_pin_read *req, int status)
{
    cr_assert_eq(status, 0);
    *(struct slice *)req->data = req->piece;
}

/* All that is missing, read before any thread of the receiver works. */
static void gather(struct stage *from, struct log_pin *pin)
{
    uint32_t size_max;
    while (receiver.piece_count < PIECES_MAX) {
        struct piece *p = &receiver.pieces[receiver.piece_count];
        if (!log_install_next(receiver.install, &p->write.file, &p->write.position, &size_max))
            break;
        struct log_pin_read read = {.data = &p->bytes,
                                    .pin = pin,
                                    .file = p->write.file,
                                    .position = p->write.position,
                                    .size_max = size_max};
        log_pin_read(from->store, &read, on_piece_read);
        fake_work_run_all(&from->work, NULL);
        receiver.piece_count++;
    }
    cr_assert_gt(receiver.piece_count, 2 * WORKERS);
    cr_assert_lt(receiver.piece_count, PIECES_MAX);
}

/* What an attempt at another snapshot has left. */
static void leave_stale_files(const struct disk *disk)
{
    cr_assert_eq(disk_make_directory(disk, "groups/5/incoming"), 0);
    for (unsigned i = 0; i < STALE_COUNT; i++) {
        char path[64];
        struct disk_file *file;
        snprintf(path, sizeof path, "groups/5/incoming/left-%u", i);
        cr_assert_eq(disk_open(disk, path, DISK_WRITE | DISK_CREATE, &file), 0);
        disk_close(disk, file);
    }
}

static void count_file(void *data, const char *name, bool is_directory)
{
    (void)name;
    *(unsigned *)data += !is_directory;
}

static void open_receiver(void)
{
    receiver.disk = fake_disk_create(SEED);
    receiver.shard = work_pool_create("shard", 1);
    receiver.workers = work_pool_create("workers", WORKERS);
    cr_assert_eq(log_store_open(fake_disk_seam(receiver.disk), 5, work_pool_work(receiver.workers),
                                work_pool_work(receiver.shard), &receiver.store, NULL),
                 0);
    leave_stale_files(fake_disk_seam(receiver.disk));
}

static void wait_until_done(void)
{
    pthread_mutex_lock(&receiver.lock);
    while (!receiver.is_done)
        pthread_cond_wait(&receiver.done, &receiver.lock);
    pthread_mutex_unlock(&receiver.lock);
    work_pool_destroy(receiver.workers);
    work_pool_destroy(receiver.shard);
}

Test(log_ship_threads, clean_up_once_before_the_first_of_many_pieces)
{
    struct stage from;
    struct log_pin *pin;
    unsigned left = 0;
    stage_init(&from, SEED);
    for (uint64_t index = 1; index <= INDEX; index++)
        story_apply(from.store, SEED, index);
    cr_assert_eq(stage_checkpoint(&from, INDEX), 0);
    open_receiver();
    cr_assert_eq(log_store_pin(from.store, &pin), 0);
    cr_assert_eq(log_store_install_begin(receiver.store, log_pin_contents(pin), &receiver.install),
                 0);
    gather(&from, pin);
    work_submit(work_pool_work(receiver.shard), &receiver.item, write_all);
    wait_until_done();
    cr_assert_eq(receiver.status, 0, "%s", err_name(receiver.status));
    const struct disk *disk = fake_disk_seam(receiver.disk);
    cr_assert_eq(disk_list(disk, "groups/5/incoming", count_file, &left), UV_ENOENT);
    cr_assert_eq(left, 0, "a folder that something was left in stays");
    struct stage to = {.disk = receiver.disk, .store = receiver.store};
    check_state(to.store);
    check_same(&from, &to);
    log_store_unpin(from.store, pin);
    stage_close(&from);
    log_store_close(receiver.store);
    fake_disk_destroy(receiver.disk);
}
