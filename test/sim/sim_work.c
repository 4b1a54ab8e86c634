/* Work items as events of the world. An event says only "the next one may run": so the items of a
 * shard keep their order whatever pauses do to the events. */
#include "sim/sim_work.h"

#include <stdlib.h>

struct run {
    struct sim_work *work;
    struct work_item *item; /* of a pool; an ordered queue takes its oldest */
};

static struct work_item *take(struct sim_work *s, struct work_item *chosen)
{
    if (!s->is_ordered)
        return chosen;
    struct work_item *item = s->first;
    s->first = item->next;
    if (s->first == NULL)
        s->last = NULL;
    return item;
}

static void on_run(void *data)
{
    struct run *run = data;
    struct sim_work *s = run->work;
    if (world_now_ns(s->world) < s->paused_until_ns) {
        world_at(s->world, s->paused_until_ns, s->life, on_run, run);
        return;
    }
    struct work_item *item = take(s, run->item);
    free(run);
    if (s->around != NULL)
        s->around(s->around_data, false);
    item->run(item);
    if (s->around != NULL && !s->life->is_over)
        s->around(s->around_data, true);
}

static void queue(struct sim_work *s, struct work_item *item)
{
    item->next = NULL;
    *(s->last != NULL ? &s->last->next : &s->first) = item;
    s->last = item;
}

static void submit(void *data, struct work_item *item)
{
    struct sim_work *s = data;
    struct run *run = malloc(sizeof *run);
    if (run == NULL)
        abort();
    *run = (struct run){.work = s, .item = item};
    uint64_t at_ns = world_now_ns(s->world) + world_between(s->world, 1, s->delay_ns_max);
    if (s->is_ordered) {
        at_ns = at_ns > s->last_ns ? at_ns : s->last_ns + 1;
        s->last_ns = at_ns;
        queue(s, item);
    }
    world_at(s->world, at_ns, s->life, on_run, run);
}

void sim_work_init(struct sim_work *s, struct world *world, struct world_life *life,
                   bool is_ordered, uint64_t delay_ns_max)
{
    *s = (struct sim_work){
        .world = world, .life = life, .is_ordered = is_ordered, .delay_ns_max = delay_ns_max};
    s->seam = (struct work){.data = s, .submit = submit};
}
