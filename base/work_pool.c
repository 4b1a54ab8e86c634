/* Threads that run work items: the WAL writer (one thread) and the pool for cold reads.
 *
 * One queue under one lock. The items are large (a gathered write, a segment read), so the lock
 * is never what is waited for. */
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/work.h"

#define POOL_THREADS_MAX 64

struct work_pool {
    struct work work;               /* the seam that callers use */
    pthread_mutex_t lock;           /* guards what follows */
    pthread_cond_t has_items;       /* the queue became non-empty, or is stopping */
    struct work_item *first, *last; /* queue, oldest first */
    bool is_stopping;               /* no more items will come */
    unsigned thread_count;          /* started ones */
    char name[16];                  /* of the threads */
    pthread_t threads[POOL_THREADS_MAX];
};

static void pool_submit(void *data, struct work_item *item)
{
    struct work_pool *p = data;
    item->next = NULL;
    pthread_mutex_lock(&p->lock);
    if (p->last != NULL)
        p->last->next = item;
    else
        p->first = item;
    p->last = item;
    pthread_cond_signal(&p->has_items);
    pthread_mutex_unlock(&p->lock);
}

static struct work_item *take_item(struct work_pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->first == NULL && !p->is_stopping)
        pthread_cond_wait(&p->has_items, &p->lock);
    struct work_item *item = p->first;
    if (item != NULL) {
        p->first = item->next;
        if (p->first == NULL)
            p->last = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    return item;
}

static void *thread_main(void *data)
{
    struct work_pool *p = data;
    struct work_item *item;
    pthread_setname_np(pthread_self(), p->name);
    while ((item = take_item(p)) != NULL)
        item->run(item);
    return NULL;
}

struct work_pool *work_pool_create(const char *name, unsigned thread_count)
{
    assert(thread_count > 0 && thread_count <= POOL_THREADS_MAX);
    struct work_pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->work = (struct work){.data = p, .submit = pool_submit};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->has_items, NULL);
    snprintf(p->name, sizeof p->name, "%s", name);
    for (unsigned i = 0; i < thread_count; i++) {
        if (pthread_create(&p->threads[i], NULL, thread_main, p) != 0) {
            work_pool_destroy(p);
            return NULL;
        }
        p->thread_count++;
    }
    return p;
}

struct work *work_pool_work(struct work_pool *pool)
{
    return &pool->work;
}

void work_pool_destroy(struct work_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->has_items);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->has_items);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
