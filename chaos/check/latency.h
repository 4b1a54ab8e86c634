/* Durations in buckets of about 6 % each: quantiles of millions in little memory. */
#ifndef CHECK_LATENCY_H
#define CHECK_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 512

struct latency {
    uint64_t buckets[LATENCY_BUCKETS];
    uint64_t count;
    int64_t max_us;
};

void latency_add(struct latency *latency, int64_t duration_us);
/* share: 0.5 is the median. The bucket's upper end, never above the maximum; -1 of nothing. */
int64_t latency_quantile_us(const struct latency *latency, double share);
/* The first duration above bucket i. */
int64_t latency_bucket_end_us(unsigned i);

#endif
