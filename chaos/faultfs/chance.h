/* Chance from a seed, so that a run can be repeated. */
#ifndef FAULTFS_CHANCE_H
#define FAULTFS_CHANCE_H

#include <stdint.h>

/* A number that depends on both arguments and looks random (the finalizer of splitmix64). What
 * may survive a power cut is decided by it and not by a stream of numbers: it then depends on the
 * seed, the file and the sector, not on the order in which threads came by. */
uint64_t chance_mix(uint64_t seed, uint64_t what);
uint64_t chance_mix_text(uint64_t seed, const char *text);

/* A stream of numbers, where order is the caller's. */
struct chance {
    uint64_t seed;
    uint64_t drawn; /* numbers so far */
};

uint64_t chance_next(struct chance *chance);
/* In [0, bound); bound > 0. */
uint64_t chance_below(struct chance *chance, uint64_t bound);

#endif
