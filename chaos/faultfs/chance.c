/* Chance from a seed: a hash of the seed and of what is decided. */
#include "chance.h"

#include <assert.h>

uint64_t chance_mix(uint64_t seed, uint64_t what)
{
    uint64_t x = seed + (what + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t chance_mix_text(uint64_t seed, const char *text)
{
    uint64_t mixed = chance_mix(seed, 0);
    for (; *text != '\0'; text++)
        mixed = chance_mix(mixed, (unsigned char)*text);
    return mixed;
}

uint64_t chance_next(struct chance *chance)
{
    return chance_mix(chance->seed, ++chance->drawn);
}

uint64_t chance_below(struct chance *chance, uint64_t bound)
{
    assert(bound > 0);
    return chance_next(chance) % bound;
}
