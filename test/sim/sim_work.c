/* Work items as events of the world. */
#include "sim/sim_work.h"

#include <stdlib.h>

struct run {
    struct sim_work *work;
    struct work_item *item;
};

static void on_run(void *data)
{
    struct run *run = data;
    struct sim_work *s = run->work;
    struct work_item *item = run->item;
    free(run);
    item->run(item);
    if (s->after != NULL && !s->life->is_over)
        s->after(s->after_data);
}

static void submit(void *data, struct work_item *item)
{
    struct sim_work *s = data;
    struct run *run = malloc(sizeof *run);
    if (run == NULL)
        abort();
    *run = (struct run){.work = s, .item = item};
    uint64_t at_ns = world_now_ns(s->world) + world_between(s->world, 1, s->delay_ns_max);
    if (s->is_ordered && at_ns <= s->last_ns)
        at_ns = s->last_ns + 1;
    if (s->is_ordered)
        s->last_ns = at_ns;
    world_at(s->world, at_ns, s->life, on_run, run);
}

void sim_work_init(struct sim_work *s, struct world *world, struct world_life *life,
                   bool is_ordered, uint64_t delay_ns_max)
{
    *s = (struct sim_work){.world = world,
                           .life = life,
                           .is_ordered = is_ordered,
                           .delay_ns_max = delay_ns_max};
    s->seam = (struct work){.data = s, .submit = submit};
}
