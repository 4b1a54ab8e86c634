/* 16 buckets for each doubling; up to 16 µs each its own. */
#include "latency.h"

#define PER_DOUBLING 16

static unsigned bucket_of(uint64_t us)
{
    if (us < PER_DOUBLING)
        return (unsigned)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - 4;
    unsigned bucket = (shift + 1) * PER_DOUBLING + (unsigned)(us >> shift) - PER_DOUBLING;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

int64_t latency_bucket_end_us(unsigned i)
{
    if (i < PER_DOUBLING)
        return i + 1;
    unsigned shift = i / PER_DOUBLING - 1;
    return (int64_t)(i % PER_DOUBLING + PER_DOUBLING + 1) << shift;
}

void latency_add(struct latency *latency, int64_t duration_us)
{
    if (duration_us < 0)
        duration_us = 0;
    latency->buckets[bucket_of((uint64_t)duration_us)]++;
    latency->count++;
    if (duration_us > latency->max_us)
        latency->max_us = duration_us;
}

int64_t latency_quantile_us(const struct latency *latency, double share)
{
    uint64_t wanted = (uint64_t)((double)latency->count * share), seen = 0;
    if (latency->count == 0)
        return -1;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen > wanted) {
            int64_t end = latency_bucket_end_us(i);
            return end < latency->max_us ? end : latency->max_us;
        }
    }
    return latency->max_us;
}
