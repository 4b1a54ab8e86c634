/* A clock that stands still until told. The wall clock is a second hand of its own: it moves
 * with the monotonic one and can step, as an operator's or NTP's step does. */
#ifndef FAKE_FAKE_CLOCK_H
#define FAKE_FAKE_CLOCK_H

#include "base/clock.h"

struct fake_clock {
    struct clock seam;    /* what the code under test gets; valid as long as this does */
    uint64_t now_ns;      /* monotonic */
    int64_t wall_ms;      /* at `wall_set_ns` */
    uint64_t wall_set_ns; /* monotonic instant of the last step */
};

/* Monotonic 1 s, wall 2023-11-14T22:13:20Z. The clock must not be moved in memory afterwards. */
void fake_clock_init(struct fake_clock *c);

void fake_clock_advance_ns(struct fake_clock *c, uint64_t by_ns);
void fake_clock_advance_ms(struct fake_clock *c, uint64_t by_ms);

/* Steps the wall clock only, forward or back. */
void fake_clock_step_wall_ms(struct fake_clock *c, int64_t by_ms);

#endif
