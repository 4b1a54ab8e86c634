/* The clock seam. Code below `cluster` never asks the system for the time: it asks this. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    void *data;                     /* the implementation's own */
    uint64_t (*now_ns)(void *data); /* monotonic, arbitrary start */
    int64_t (*wall_ms)(void *data); /* milliseconds since 1970, may step */
};

static inline uint64_t clock_now_ns(const struct clock *c)
{
    return c->now_ns(c->data);
}

static inline uint64_t clock_now_ms(const struct clock *c)
{
    return c->now_ns(c->data) / 1000000;
}

static inline int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c->data);
}

/* The system's clock (CLOCK_MONOTONIC, CLOCK_REALTIME). Any thread. */
struct clock clock_system(void);

#endif
