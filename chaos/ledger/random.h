/* Chance that a seed repeats: which keys, sizes and partitions are drawn, never when. */
#ifndef LEDGER_RANDOM_H
#define LEDGER_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

/* The stream of `name` under `seed`: other names, other streams. */
static inline struct random random_of(uint64_t seed, const char *name)
{
    struct random r = {seed ^ 0xcbf29ce484222325u};
    for (; *name != '\0'; name++)
        r.state = (r.state ^ (uint8_t)*name) * 0x100000001b3u; /* FNV-1a */
    return r;
}

/* splitmix64 (Steele, Lea, Flood). */
static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Within [0, bound); `bound` > 0. */
static inline uint64_t random_below(struct random *r, uint64_t bound)
{
    return random_next(r) % bound;
}

#endif
