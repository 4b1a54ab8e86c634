/* The random seam: a small seeded generator (xoshiro256**, Blackman and Vigna). A simulation
 * seeds it with its seed; a real process with random_init_system(). Not for secrets. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4]; /* never all zero */
};

/* Seeds by splitmix64, so that near seeds give far streams. */
void random_init(struct random *r, uint64_t seed);

/* Seeds from the operating system (getrandom). */
void random_init_system(struct random *r);

uint64_t random_u64(struct random *r);

/* Uniform in [0, bound); bound must be above 0. */
uint64_t random_below(struct random *r, uint64_t bound);

/* True with probability `chance` in [0, 1]. */
bool random_chance(struct random *r, double chance);

#endif
