/* Virtual time: a binary heap of events by instant and number. */
#include "sim/world.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct event {
    uint64_t at_ns;
    uint64_t number; /* orders events of the same instant */
    struct world_life *life;
    world_cb cb;
    void *data;
};

struct world {
    uint64_t now_ns;
    uint64_t next_number;
    uint64_t run_count;
    uint64_t seed;
    uint64_t hash; /* over all events */
    struct random random;
    struct event *heap;
    size_t count, capacity;
};

struct world *world_create(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->seed = seed;
    w->now_ns = WORLD_S;
    random_init(&w->random, seed);
    return w;
}

uint64_t world_now_ns(const struct world *w)
{
    return w->now_ns;
}

struct random *world_random(struct world *w)
{
    return &w->random;
}

uint64_t world_event_count(const struct world *w)
{
    return w->run_count;
}

uint64_t world_seed(const struct world *w)
{
    return w->seed;
}

void world_mix(struct world *w, uint64_t value)
{
    w->hash = (w->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    w->hash ^= w->hash >> 29;
}

uint64_t world_hash(const struct world *w)
{
    return w->hash;
}

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->number < b->number);
}

static void swap(struct event *a, struct event *b)
{
    struct event kept = *a;
    *a = *b;
    *b = kept;
}

void world_at(struct world *w, uint64_t at_ns, struct world_life *life, world_cb cb, void *data)
{
    if (w->count == w->capacity) {
        w->capacity = w->capacity == 0 ? 1024 : w->capacity * 2;
        w->heap = realloc(w->heap, w->capacity * sizeof *w->heap);
        if (w->heap == NULL)
            abort();
    }
    size_t at = w->count++;
    w->heap[at] = (struct event){.at_ns = at_ns < w->now_ns ? w->now_ns : at_ns,
                                 .number = w->next_number++,
                                 .life = life,
                                 .cb = cb,
                                 .data = data};
    for (; at > 0 && is_before(&w->heap[at], &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&w->heap[at], &w->heap[(at - 1) / 2]);
}

static struct event take_first(struct world *w)
{
    struct event first = w->heap[0];
    w->heap[0] = w->heap[--w->count];
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child >= w->count)
            break;
        if (child + 1 < w->count && is_before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!is_before(&w->heap[child], &w->heap[at]))
            break;
        swap(&w->heap[at], &w->heap[child]);
        at = child;
    }
    return first;
}

bool world_step(struct world *w, uint64_t until_ns)
{
    if (w->count == 0 || w->heap[0].at_ns > until_ns) {
        w->now_ns = until_ns;
        return false;
    }
    struct event e = take_first(w);
    w->now_ns = e.at_ns;
    w->run_count++;
    world_mix(w, e.at_ns ^ e.number << 40);
    if (e.life == NULL || !e.life->is_over)
        e.cb(e.data);
    return true;
}

uint64_t world_between(struct world *w, uint64_t low_ns, uint64_t high_ns)
{
    assert(low_ns <= high_ns);
    return low_ns + random_below(&w->random, high_ns - low_ns + 1);
}

void world_violation(const struct world *w, const char *invariant, const char *format, ...)
{
    va_list arguments;
    fprintf(stdout, "VIOLATION seed=%" PRIu64 " at=%.3fs invariant=\"%s\": ", w->seed,
            (double)w->now_ns / 1e9, invariant);
    va_start(arguments, format);
    vfprintf(stdout, format, arguments);
    va_end(arguments);
    fprintf(stdout, "\n");
    fflush(stdout);
    _Exit(3);
}
