/* The WAL between real threads: two shards append, read and release while the writer writes and
 * the readers prepare files. Run under the thread sanitizer too. */
#include <pthread.h>

#include "wal_fixture.h"

#define SHARDS    2
#define APPENDS   600
#define IN_FLIGHT 8

struct shard_of_test {
    struct log_wal *wal;
    struct work_pool *pool; /* its one thread */
    uint32_t group_id;
    struct request requests[IN_FLIGHT];
    uint64_t next, done; /* entries appended; acknowledged */
    struct log_wal_read *read;
    bool is_reading;
    unsigned reads;
    struct work_item start;
    pthread_mutex_t lock; /* of is_over */
    pthread_cond_t is_over_changed;
    bool is_over;
};

static void send_next(struct shard_of_test *s, struct request *r);

static void on_thread_read(struct log_wal_read *read, int status)
{
    struct shard_of_test *s = read->data;
    cr_assert(status == 0 || status == ERR_COMPACTED);
    for (unsigned i = 0; i < read->entry_count; i++)
        assert_is_entry(&read->entries[i], s->group_id, read->index + i, 1, 1500);
    read_close(read);
    s->is_reading = false;
    s->reads++;
}

static void read_some(struct shard_of_test *s)
{
    if (s->is_reading || s->done < 20)
        return;
    s->is_reading = true;
    *s->read = (struct log_wal_read){.data = s, .group_id = s->group_id, .index = s->done - 5};
    s->read->size_bytes_max = 5000;
    s->read->home = work_pool_work(s->pool);
    log_wal_read(s->wal, s->read, on_thread_read);
}

static void on_thread_appended(struct log_wal_append *append, int status)
{
    struct request *r = append->data;
    struct shard_of_test *s = (struct shard_of_test *)(uintptr_t)append->voted_for;
    cr_assert_eq(status, 0);
    cr_assert_eq(r->entries[0].index, s->done + 1, "acknowledged in order");
    s->done++;
    request_close(r);
    if (s->done % 10 == 0)
        log_wal_release(s->wal, s->group_id, s->done - 9);
    read_some(s);
    if (s->next <= APPENDS)
        send_next(s, r);
    if (s->done < APPENDS)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_over = true;
    pthread_cond_signal(&s->is_over_changed);
    pthread_mutex_unlock(&s->lock);
}

static void send_next(struct shard_of_test *s, struct request *r)
{
    *r = (struct request){0};
    r->append.data = r;
    r->append.voted_for = (uint64_t)(uintptr_t)s; /* unused without has_vote: the way back */
    r->append.group.group_id = s->group_id;
    r->append.home = work_pool_work(s->pool);
    r->append.entries = r->entries;
    request_add(r, s->next++, 1, 1, 1500);
    cr_assert_eq(log_wal_append(s->wal, &r->append, on_thread_appended), 0);
}

static void start_shard(struct work_item *item)
{
    struct shard_of_test *s = item->data;
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        send_next(s, &s->requests[i]);
}

Test(log_wal_thread, serves_two_shards_at_once)
{
    struct wal_fixture f;
    static struct shard_of_test shards[SHARDS];
    struct work_pool *writer = work_pool_create("wal", 1), *readers = work_pool_create("read", 2);
    struct clock clock = clock_system();
    fixture_init(&f, 1);
    f.options.file_size_bytes = 128 * KIB;
    f.options.kept_bytes_max = 128 * KIB;
    f.options.gather_us_max = 50;
    f.options.clock = &clock;
    cr_assert_eq(log_wal_open(fake_disk_seam(f.disk), &f.options, work_pool_work(writer),
                              work_pool_work(readers), &f.wal, &f.note),
                 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        struct shard_of_test *s = &shards[i];
        *s = (struct shard_of_test){.wal = f.wal, .group_id = i, .next = 1, .start = {.data = s}};
        s->pool = work_pool_create("shard", 1);
        s->read = malloc(sizeof *s->read);
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->is_over_changed, NULL);
        work_submit(work_pool_work(s->pool), &s->start, start_shard);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&shards[i].lock);
        while (!shards[i].is_over)
            pthread_cond_wait(&shards[i].is_over_changed, &shards[i].lock);
        pthread_mutex_unlock(&shards[i].lock);
    }
    log_wal_stop(f.wal);
    work_pool_destroy(writer); /* runs what is queued; then the readers; then what they answered */
    work_pool_destroy(readers);
    for (unsigned i = 0; i < SHARDS; i++) {
        work_pool_destroy(shards[i].pool);
        cr_assert_gt(shards[i].reads, 0);
        cr_assert_eq(fixture_state(&f, i).last_index, APPENDS);
        free(shards[i].read);
    }
    cr_assert_gt(fixture_counters(&f).files_recycled, 0);
    cr_assert_leq(fixture_counters(&f).writes, 2 * APPENDS + 100);
    log_wal_close(f.wal);
    f.wal = NULL;
    f.options.clock = &f.clock.seam;
    fixture_open(&f);
    for (unsigned i = 0; i < SHARDS; i++)
        cr_assert_eq(fixture_state(&f, i).last_index, APPENDS);
    fixture_close(&f);
}
