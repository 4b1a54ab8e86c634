/* The system's clock behind the seam. */
#include "base/clock.h"

#include <time.h>

static uint64_t system_now_ns(void *data)
{
    (void)data;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t system_wall_ms(void *data)
{
    (void)data;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct clock clock_system(void)
{
    return (struct clock){.now_ns = system_now_ns, .wall_ms = system_wall_ms};
}
