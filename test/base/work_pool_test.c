#include "base/work.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <uv.h>

#define ITEMS 3000

struct job {
    struct work_item item;
    int number;
    int *order;        /* next number; one thread only */
    atomic_int *count; /* run so far */
    atomic_int runs;   /* of this job */
};

static void run_in_order(struct work_item *item)
{
    struct job *j = item->data;
    cr_assert_eq(j->number, *j->order);
    ++*j->order;
}

static void run_anywhere(struct work_item *item)
{
    struct job *j = item->data;
    atomic_fetch_add(&j->runs, 1);
    atomic_fetch_add(j->count, 1);
}

Test(work_pool, of_one_thread_keeps_the_order_of_submission)
{
    static struct job jobs[ITEMS];
    int order = 0;
    struct work_pool *pool = work_pool_create("one", 1);
    for (int i = 0; i < ITEMS; i++) {
        jobs[i].number = i;
        jobs[i].order = &order;
        jobs[i].item.data = &jobs[i];
        work_submit(work_pool_work(pool), &jobs[i].item, run_in_order);
    }
    work_pool_destroy(pool);
    cr_assert_eq(order, ITEMS, "destroying runs what is queued");
}

Test(work_pool, of_several_threads_runs_each_item_once)
{
    static struct job jobs[ITEMS];
    atomic_int count = 0;
    struct work_pool *pool = work_pool_create("four", 4);
    for (int i = 0; i < ITEMS; i++) {
        jobs[i].count = &count;
        jobs[i].item.data = &jobs[i];
        work_submit(work_pool_work(pool), &jobs[i].item, run_anywhere);
    }
    work_pool_destroy(pool);
    cr_assert_eq(atomic_load(&count), ITEMS);
    for (int i = 0; i < ITEMS; i++)
        cr_assert_eq(atomic_load(&jobs[i].runs), 1);
}

struct meeting {
    struct work_item items[2];
    uv_barrier_t both; /* passed only by two at a time */
    atomic_int passed;
};

static void meet(struct work_item *item)
{
    struct meeting *m = item->data;
    uv_barrier_wait(&m->both);
    atomic_fetch_add(&m->passed, 1);
}

Test(work_pool, of_two_threads_runs_two_items_at_a_time)
{
    static struct meeting m;
    cr_assert_eq(uv_barrier_init(&m.both, 2), 0);
    struct work_pool *pool = work_pool_create("two", 2);
    for (int i = 0; i < 2; i++) {
        m.items[i].data = &m;
        work_submit(work_pool_work(pool), &m.items[i], meet);
    }
    work_pool_destroy(pool);
    cr_assert_eq(atomic_load(&m.passed), 2);
    uv_barrier_destroy(&m.both);
}
