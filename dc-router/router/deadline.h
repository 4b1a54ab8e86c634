/* What is to happen at the latest: a wheel of deadlines, turned by the shard's tick. */
#ifndef ROUTER_DEADLINE_H
#define ROUTER_DEADLINE_H

#include <stdint.h>

#define DEADLINE_SLOTS   512
#define DEADLINE_SLOT_MS 20

struct deadline;
typedef void (*deadline_cb)(struct deadline *d);

/* Embed it, zeroed. */
struct deadline {
    void *data;
    deadline_cb cb; /* private from here on */
    uint64_t at_ms;
    struct deadline *next, **previous; /* previous is NULL while it is not set */
};

/* Zeroed, it is empty. */
struct deadline_wheel {
    struct deadline *slots[DEADLINE_SLOTS];
    uint64_t turned_ms; /* up to here all were told */
};

/* `cb` runs once, from deadline_wheel_turn, at `at_ms` or soon after it; set again, it moves. */
void deadline_set(struct deadline_wheel *wheel, struct deadline *d, uint64_t at_ms, deadline_cb cb);
/* Also when it is not set, or was told. */
void deadline_drop(struct deadline *d);
void deadline_wheel_turn(struct deadline_wheel *wheel, uint64_t now_ms);

#endif
