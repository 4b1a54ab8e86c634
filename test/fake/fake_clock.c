/* Time by hand: no test waits for it, and each run sees the same. */
#include "fake/fake_clock.h"

static uint64_t fake_now_ns(void *data)
{
    const struct fake_clock *c = data;
    return c->now_ns;
}

static int64_t fake_wall_ms(void *data)
{
    const struct fake_clock *c = data;
    return c->wall_ms + (int64_t)((c->now_ns - c->wall_set_ns) / 1000000);
}

void fake_clock_init(struct fake_clock *c)
{
    *c = (struct fake_clock){
        .seam = {.data = c, .now_ns = fake_now_ns, .wall_ms = fake_wall_ms},
        .now_ns = 1000000000,
        .wall_ms = INT64_C(1700000000000),
        .wall_set_ns = 1000000000,
    };
}

void fake_clock_advance_ns(struct fake_clock *c, uint64_t by_ns)
{
    c->now_ns += by_ns;
}

void fake_clock_advance_ms(struct fake_clock *c, uint64_t by_ms)
{
    c->now_ns += by_ms * 1000000;
}

void fake_clock_step_wall_ms(struct fake_clock *c, int64_t by_ms)
{
    c->wall_ms += by_ms;
}
