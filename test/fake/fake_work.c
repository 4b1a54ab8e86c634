/* Threads by hand: which completion comes first is the test's choice, or a seed's. */
#include "fake/fake_work.h"

#include <assert.h>

static void submit(void *data, struct work_item *item)
{
    struct fake_work *w = data;
    item->next = NULL;
    *(w->last != NULL ? &w->last->next : &w->first) = item;
    w->last = item;
    w->count++;
}

void fake_work_init(struct fake_work *w)
{
    *w = (struct fake_work){.seam = {.data = w, .submit = submit}};
}

/* Takes the item at a place out of the queue before it runs, for it may submit itself. */
static void run_at(struct fake_work *w, size_t place)
{
    assert(place < w->count);
    struct work_item *before = NULL, *item = w->first;
    for (size_t i = 0; i < place; i++) {
        before = item;
        item = item->next;
    }
    *(before != NULL ? &before->next : &w->first) = item->next;
    if (w->last == item)
        w->last = before;
    w->count--;
    item->run(item);
}

bool fake_work_run_one(struct fake_work *w)
{
    if (w->count == 0)
        return false;
    run_at(w, 0);
    return true;
}

bool fake_work_run_any(struct fake_work *w, struct random *random)
{
    if (w->count == 0)
        return false;
    run_at(w, random_below(random, w->count));
    return true;
}

size_t fake_work_run_all(struct fake_work *w, struct random *random)
{
    size_t ran = 0;
    while (random != NULL ? fake_work_run_any(w, random) : fake_work_run_one(w))
        ran++;
    return ran;
}

void fake_work_drop(struct fake_work *w)
{
    w->first = w->last = NULL;
    w->count = 0;
}
