/* The simulated world: virtual time, one queue of events, one source of chance.
 *
 * Everything that happens in a simulation is an event at a virtual instant; events of the same
 * instant run in the order they were made. All choices come from one seeded generator, so a seed
 * replays exactly. One thread. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct world;
typedef void (*world_cb)(void *data);

/* Something that can end (a node's life): events made for it don't run after its end. */
struct world_life {
    bool is_over;
};

/* Ends the process without memory. */
struct world *world_create(uint64_t seed);

uint64_t world_now_ns(const struct world *w);
struct random *world_random(struct world *w);

/* Runs `cb` at `at_ns` (not before now). `life` may be NULL; it must stay in memory. */
void world_at(struct world *w, uint64_t at_ns, struct world_life *life, world_cb cb, void *data);
static inline void world_in(struct world *w, uint64_t delay_ns, struct world_life *life,
                            world_cb cb, void *data)
{
    world_at(w, world_now_ns(w) + delay_ns, life, cb, data);
}

/* Runs the next event; false when there is none or it is later than `until_ns` (then time is
 * `until_ns`). */
bool world_step(struct world *w, uint64_t until_ns);
uint64_t world_event_count(const struct world *w);
uint64_t world_seed(const struct world *w);

/* A hash over all events so far: two runs of a seed are the same when it is. What happened within
 * an event is mixed in by whoever saw it. */
void world_mix(struct world *w, uint64_t value);
uint64_t world_hash(const struct world *w);

/* Uniform in [low, high] of virtual nanoseconds. */
uint64_t world_between(struct world *w, uint64_t low_ns, uint64_t high_ns);

#define WORLD_US UINT64_C(1000)
#define WORLD_MS UINT64_C(1000000)
#define WORLD_S  UINT64_C(1000000000)

/* A broken invariant: says which with what was seen, and ends the process with status 3. */
void world_violation(const struct world *w, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#endif
