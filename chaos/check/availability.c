/* Progress in slots of 100 ms.
 *
 * A slot is asked when an acknowledgement came in it, or a send waited all through it; there is
 * progress when an acknowledgement came. What nobody asked of is neither. */
#include <stdlib.h>

#include "figures.h"

/* Longer runs get no slots. */
#define SLOTS_MAX 10000000

struct line_of_slots {
    uint32_t *acknowledged;
    int32_t *waiting; /* first as differences, then as sums */
    size_t count;
    int64_t from_at;
};

static struct line_of_slots make(int64_t from_at, size_t count)
{
    return (struct line_of_slots){.acknowledged = memory_make(count + 1, sizeof(uint32_t)),
                                  .waiting = memory_make(count + 1, sizeof(int32_t)),
                                  .count = count,
                                  .from_at = from_at};
}

static void add(struct line_of_slots *s, const struct record *r)
{
    int64_t first = (r->invoked_at - s->from_at + SLOT_US - 1) / SLOT_US;
    int64_t last = r->completed_at == NEVER ? (int64_t)s->count
                                            : (r->completed_at - s->from_at) / SLOT_US;
    if (last > (int64_t)s->count)
        last = (int64_t)s->count;
    if (r->outcome == OUTCOME_OK && last < (int64_t)s->count)
        s->acknowledged[last]++;
    if (first < last) {
        s->waiting[first]++;
        s->waiting[last]--;
    }
}

static void sum_up(struct line_of_slots *s)
{
    for (size_t i = 1; i < s->count; i++)
        s->waiting[i] += s->waiting[i - 1];
}

static struct slots count_slots(const struct line_of_slots *s, int64_t from_at, int64_t until_at)
{
    struct slots slots = {0, 0};
    for (size_t i = 0; i < s->count; i++) {
        int64_t at = s->from_at + (int64_t)i * SLOT_US;
        if (at < from_at || at >= until_at)
            continue;
        slots.asked += s->acknowledged[i] > 0 || s->waiting[i] > 0;
        slots.progress += s->acknowledged[i] > 0;
    }
    return slots;
}

/* site: NAME_NONE for all */
static struct line_of_slots fill(const struct figures *f, const struct history *h, uint32_t site)
{
    size_t count = (size_t)((f->until_at - f->from_at) / SLOT_US) + 1;
    struct line_of_slots s = make(f->from_at, count);
    for (size_t i = 0; i < h->records.count; i++) {
        const struct record *r = &h->records.items[i];
        if (r->process != NONE &&
            (site == NAME_NONE || h->processes.items[r->process].site == site))
            add(&s, r);
    }
    sum_up(&s);
    return s;
}

static void count_all(struct figures *f, const struct line_of_slots *s, int site)
{
    *(site < 0 ? &f->slots : &f->site_slots[site]) = count_slots(s, f->from_at, f->until_at);
    for (size_t i = 0; i < f->faults.count; i++) {
        struct fault_figures *fault = &f->faults.items[i];
        int64_t until_at = fault->during.until_at;
        *(site < 0 ? &fault->slots
                   : &fault->site_slots[site]) = count_slots(s, fault->fault->inject_at, until_at);
    }
}

void availability_make(struct figures *f, const struct history *h)
{
    if (f->until_at < f->from_at || (f->until_at - f->from_at) / SLOT_US > SLOTS_MAX)
        return;
    for (int site = -1; site < (int)f->site_count; site++) {
        struct line_of_slots s = fill(f, h, site < 0 ? NAME_NONE : f->sites[site]);
        count_all(f, &s, site);
        free(s.acknowledged);
        free(s.waiting);
    }
}
