/* One thread, one libuv loop, one queue into it.
 *
 * Posting wakes the loop with uv_async, which merges wake-ups: a thousand posts between two
 * turns cost one. The turn functions run in uv_check, after the loop's I/O callbacks, so what
 * callbacks marked is done once a turn; work posted while a turn runs is a turn of its own. */
#include "base/shard.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/event.h"

#define TURNS_MAX 8

struct turn {
    shard_turn_cb run; /* what to do */
    void *data;        /* for whom */
};

struct shard {
    struct work work;               /* the seam over shard_post */
    uv_loop_t loop;                 /* of the thread */
    uv_async_t wake;                /* the queue has items, or stop was asked */
    uv_check_t check;               /* runs the turns */
    pthread_mutex_t lock;           /* guards the queue */
    struct work_item *first, *last; /* posted, oldest first */
    bool is_stopping;               /* under the lock */
    bool is_started;                /* a thread runs the loop */
    unsigned index;                 /* for names and events */
    pthread_t thread;               /* valid when started */
    unsigned turn_count;            /* used of `turns` */
    struct turn turns[TURNS_MAX];
};

static struct work_item *take_all(struct shard *s, bool *is_stopping)
{
    pthread_mutex_lock(&s->lock);
    struct work_item *first = s->first;
    s->first = s->last = NULL;
    *is_stopping = s->is_stopping;
    pthread_mutex_unlock(&s->lock);
    return first;
}

static void on_wake(uv_async_t *wake)
{
    struct shard *s = wake->data;
    bool is_stopping;
    struct work_item *item = take_all(s, &is_stopping);
    while (item != NULL) {
        struct work_item *next = item->next; /* `run` may reuse or free the item */
        item->run(item);
        item = next;
    }
    if (is_stopping)
        uv_stop(&s->loop);
}

static void on_check(uv_check_t *check)
{
    struct shard *s = check->data;
    for (unsigned i = 0; i < s->turn_count; i++)
        s->turns[i].run(s->turns[i].data);
}

static void submit(void *data, struct work_item *item)
{
    struct shard *s = data;
    item->next = NULL;
    pthread_mutex_lock(&s->lock);
    bool was_empty = s->first == NULL;
    if (s->last != NULL)
        s->last->next = item;
    else
        s->first = item;
    s->last = item;
    pthread_mutex_unlock(&s->lock);
    if (was_empty)
        uv_async_send(&s->wake);
}

struct shard *shard_create(unsigned index)
{
    struct shard *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    if (uv_loop_init(&s->loop) != 0) {
        free(s);
        return NULL;
    }
    s->index = index;
    s->work = (struct work){.data = s, .submit = submit};
    pthread_mutex_init(&s->lock, NULL);
    if (uv_async_init(&s->loop, &s->wake, on_wake) != 0) {
        uv_loop_close(&s->loop);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
    }
    s->wake.data = s;
    uv_check_init(&s->loop, &s->check);
    s->check.data = s;
    uv_check_start(&s->check, on_check);
    return s;
}

static void *thread_main(void *data)
{
    struct shard *s = data;
    char name[16];
    snprintf(name, sizeof name, "shard-%u", s->index);
    pthread_setname_np(pthread_self(), name);
    event_set_shard((int)s->index);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

int shard_start(struct shard *s)
{
    assert(!s->is_started);
    s->is_started = true;
    int err = pthread_create(&s->thread, NULL, thread_main, s);
    if (err != 0)
        s->is_started = false;
    return uv_translate_sys_error(err);
}

void shard_stop(struct shard *s)
{
    if (!s->is_started)
        return;
    assert(!shard_is_here(s));
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_mutex_unlock(&s->lock);
    uv_async_send(&s->wake);
    pthread_join(s->thread, NULL);
    s->is_started = false;
}

void shard_destroy(struct shard *s)
{
    if (s == NULL)
        return;
    assert(!s->is_started);
    uv_close((uv_handle_t *)&s->wake, NULL);
    uv_close((uv_handle_t *)&s->check, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT); /* close callbacks, also those of the owner's handles */
    int err = uv_loop_close(&s->loop);
    assert(err == 0); /* the owner left a handle open */
    (void)err;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

uv_loop_t *shard_loop(struct shard *s)
{
    return &s->loop;
}

unsigned shard_index(const struct shard *s)
{
    return s->index;
}

bool shard_is_here(const struct shard *s)
{
    return !s->is_started || pthread_equal(pthread_self(), s->thread);
}

void shard_post(struct shard *s, struct work_item *item, work_cb run)
{
    work_submit(&s->work, item, run);
}

struct work *shard_work(struct shard *s)
{
    return &s->work;
}

void shard_on_turn(struct shard *s, shard_turn_cb turn, void *data)
{
    assert(shard_is_here(s));
    assert(s->turn_count < TURNS_MAX);
    s->turns[s->turn_count++] = (struct turn){.run = turn, .data = data};
}
