/* A queue of work that runs when the test says so: stands for a shard, a worker thread or a
 * pool. One thread only. */
#ifndef FAKE_FAKE_WORK_H
#define FAKE_FAKE_WORK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/random.h"
#include "base/work.h"

struct fake_work {
    struct work seam;               /* what the code under test gets; valid as long as this does */
    struct work_item *first, *last; /* queued, oldest first */
    size_t count;                   /* queued */
};

/* The queue must not be moved in memory afterwards. */
void fake_work_init(struct fake_work *w);

/* Runs the oldest item, as a thread or a shard does. False when there is none. */
bool fake_work_run_one(struct fake_work *w);

/* Runs any one item, as a pool does. False when there is none. */
bool fake_work_run_any(struct fake_work *w, struct random *random);

/* Runs until nothing is queued, also what the items themselves submit: oldest first, or with
 * `random` in any order. Returns how many ran. */
size_t fake_work_run_all(struct fake_work *w, struct random *random);

/* Forgets what is queued without running it: the process has crashed. */
void fake_work_drop(struct fake_work *w);

#endif
