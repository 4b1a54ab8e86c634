/* xoshiro256** seeded by splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2018). Small, fast, and the same on every machine: a seed replays anywhere. */
#include "base/random.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t rotate_left(uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

void random_init(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r->state[i] = z ^ (z >> 31);
    }
}

void random_init_system(struct random *r)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort(); /* a kernel without randomness can't draw an incarnation either */
    random_init(r, seed);
}

uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    assert(bound > 0);
    uint64_t biased_below = -bound % bound; /* values under this would favour small results */
    for (;;) {
        uint64_t value = random_u64(r);
        if (value >= biased_below)
            return value % bound;
    }
}

bool random_chance(struct random *r, double chance)
{
    return (double)(random_u64(r) >> 11) * 0x1.0p-53 < chance;
}
