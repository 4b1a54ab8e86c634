#include "base/shard.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "base/err.h"

#define POSTERS 4
#define POSTS   2000

struct tally {
    struct work_item item;
    struct shard *shard;
    pthread_t thread; /* where it ran */
    bool is_here;     /* what the shard said there */
    int value;        /* set before posting, read after running */
    int *order;       /* next value expected, on the shard only */
};

static void run_tally(struct work_item *item)
{
    struct tally *t = item->data;
    t->thread = pthread_self();
    t->is_here = shard_is_here(t->shard);
    cr_assert_eq(t->value, *t->order);
    ++*t->order;
}

Test(shard, runs_items_on_its_thread_in_the_order_of_posting)
{
    static struct tally tallies[500];
    int order = 0;
    struct shard *s = shard_create(3);
    cr_assert_eq(shard_index(s), 3);
    cr_assert(shard_is_here(s), "before it starts, the shard is wherever its maker is");
    cr_assert_eq(shard_start(s), 0);
    for (int i = 0; i < 500; i++) {
        tallies[i] = (struct tally){.shard = s, .value = i, .order = &order};
        tallies[i].item.data = &tallies[i];
        shard_post(s, &tallies[i].item, run_tally);
    }
    cr_assert_not(shard_is_here(s));
    shard_stop(s);
    cr_assert_eq(order, 500, "stopping runs what is queued");
    for (int i = 0; i < 500; i++) {
        cr_assert(tallies[i].is_here);
        cr_assert(pthread_equal(tallies[i].thread, tallies[0].thread));
        cr_assert_not(pthread_equal(tallies[i].thread, pthread_self()));
    }
    shard_destroy(s);
}

struct poster {
    struct shard *shard;
    struct work_item items[POSTS];
    int *count; /* on the shard only */
};

static void count_up(struct work_item *item)
{
    ++*(int *)item->data;
}

static void *post_many(void *data)
{
    struct poster *p = data;
    for (int i = 0; i < POSTS; i++) {
        p->items[i].data = p->count;
        shard_post(p->shard, &p->items[i], count_up);
    }
    return NULL;
}

Test(shard, runs_each_item_once_when_many_threads_post)
{
    static struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    int count = 0;
    struct shard *s = shard_create(0);
    cr_assert_eq(shard_start(s), 0);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].shard = s;
        posters[i].count = &count;
        cr_assert_eq(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    shard_stop(s);
    cr_assert_eq(count, POSTERS * POSTS);
    shard_destroy(s);
}

struct chain {
    struct work_item item;
    struct work *there, *here; /* over and back */
    int hops;                  /* done */
    uv_sem_t done;
};

static void hop(struct work_item *item)
{
    struct chain *c = item->data;
    if (++c->hops == 100)
        uv_sem_post(&c->done);
    else
        work_submit(c->hops % 2 == 0 ? c->there : c->here, item, hop);
}

Test(shard, passes_an_item_back_and_forth_with_a_pool)
{
    struct shard *s = shard_create(0);
    struct work_pool *pool = work_pool_create("hops", 2);
    struct chain c = {.there = work_pool_work(pool), .here = shard_work(s)};
    c.item.data = &c;
    cr_assert_eq(uv_sem_init(&c.done, 0), 0);
    cr_assert_eq(shard_start(s), 0);
    work_submit(c.here, &c.item, hop);
    uv_sem_wait(&c.done);
    work_pool_destroy(pool);
    shard_stop(s);
    shard_destroy(s);
    cr_assert_eq(c.hops, 100);
    uv_sem_destroy(&c.done);
}

struct turns {
    struct work_item items[64];
    int items_run;     /* so far */
    int turns;         /* turn functions run after at least one item */
    int items_at_turn; /* items_run when the last turn ran */
};

static void run_item(struct work_item *item)
{
    struct turns *t = item->data;
    t->items_run++;
}

static void on_turn(void *data)
{
    struct turns *t = data;
    if (t->items_run > t->items_at_turn)
        t->turns++;
    t->items_at_turn = t->items_run;
}

Test(shard, runs_turns_after_items_and_once_for_many)
{
    static struct turns t;
    struct shard *s = shard_create(0);
    shard_on_turn(s, on_turn, &t);
    for (int i = 0; i < 64; i++) {
        t.items[i].data = &t;
        shard_post(s, &t.items[i], run_item); /* all are queued before the loop runs */
    }
    cr_assert_eq(shard_start(s), 0);
    shard_stop(s);
    cr_assert_eq(t.items_run, 64);
    cr_assert_eq(t.items_at_turn, 64, "a turn comes after the last item");
    cr_assert_eq(t.turns, 1);
    shard_destroy(s);
}

Test(shard, can_be_made_and_destroyed_without_a_start)
{
    struct shard *s = shard_create(0);
    shard_stop(s);
    shard_destroy(s);
    shard_destroy(NULL);
}
