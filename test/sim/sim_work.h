/* The work seam in the simulation: a shard, a writer thread and a pool are queues of the world.
 * A shard and a single thread run their items in order, a pool in any order. */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "base/work.h"
#include "sim/world.h"

struct sim_work {
    struct work seam; /* what the code under test gets */
    struct world *world;
    struct world_life *life;                   /* of the process: what is queued ends with it */
    bool is_ordered;                           /* a shard or one thread; else a pool */
    uint64_t delay_ns_max;                     /* an item waits up to so long */
    uint64_t paused_until_ns;                  /* nothing runs before */
    uint64_t last_ns;                          /* when the last ordered item runs */
    struct work_item *first, *last;            /* ordered: queued, oldest first */
    void (*around)(void *data, bool is_after); /* before and after each item, or NULL */
    void *around_data;
};

void sim_work_init(struct sim_work *s, struct world *world, struct world_life *life,
                   bool is_ordered, uint64_t delay_ns_max);

#endif
