/* The work seam: somewhere that runs items.
 *
 * A shard's loop, the WAL writer's thread and the small pool for cold reads are all a `struct
 * work`: items handed to one run there, each exactly once, later, never from inside
 * work_submit(). A shard and a single thread run their items in the order of submission; a pool
 * in any order. In the simulation all of them are queues of the one virtual scheduler, which
 * also chooses the order.
 *
 * Crossing threads is two submits: the caller's item runs over there and submits itself (or
 * another embedded item) back to the caller's shard. */
#ifndef BASE_WORK_H
#define BASE_WORK_H

struct work_item;
typedef void (*work_cb)(struct work_item *item);

struct work_item {
    void *data;             /* the owner's own */
    work_cb run;            /* set by work_submit */
    struct work_item *next; /* private to the queue */
};

struct work {
    void *data; /* the implementation's own */
    void (*submit)(void *data, struct work_item *item);
};

/* Queues `item`; it is borrowed until `run` has begun. Any thread. Never fails: items are
 * embedded in their owners, whose own bounds limit the queue. */
static inline void work_submit(const struct work *w, struct work_item *item, work_cb run)
{
    item->run = run;
    w->submit(w->data, item);
}

struct work_pool;

/* Starts `thread_count` threads (1 for a sequential worker). Returns owned (work_pool_destroy),
 * or NULL without memory or threads. `name` shows in ps and perf; at most 15 characters. */
struct work_pool *work_pool_create(const char *name, unsigned thread_count);

/* The pool as a seam; valid as long as the pool. */
struct work *work_pool_work(struct work_pool *pool);

/* Runs what is queued, joins the threads, frees. Not from one of the pool's own threads. */
void work_pool_destroy(struct work_pool *pool);

#endif
