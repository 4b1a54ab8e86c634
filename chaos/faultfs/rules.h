/* The faults in force that strike calls: fail, slow, lose, misdirect. */
#ifndef FAULTFS_RULES_H
#define FAULTFS_RULES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chance.h"
#include "command.h"

#define RULES_COUNT_MAX 64u

struct rules {
    pthread_mutex_t lock;
    pthread_cond_t woken; /* who sleeps for a slow call may go on */
    struct chance chance; /* jitter */
    struct command rules[RULES_COUNT_MAX];
    size_t count;
    atomic_size_t count_seen;       /* `count`, for a look without the lock */
    uint64_t wakes;                 /* grows when sleepers shall wake */
    atomic_uint_fast64_t struck[4]; /* calls failed, slowed, lost, misdirected */
};

/* What shall happen to a call. At most one of fail, lose and misdirect: the oldest in force. */
struct verdict {
    int err; /* 0: goes through */
    bool is_lost;
    bool is_misdirected;
};

int rules_init(struct rules *rules, uint64_t seed);
/* 0, or -1 when RULES_COUNT_MAX are in force already. */
int rules_add(struct rules *rules, const struct command *rule);
void rules_clear(struct rules *rules);
/* Slow calls go on at once. */
void rules_wake(struct rules *rules);

/* Is anything in force that a call could meet? Then its path is worth finding out. */
bool rules_are_there(struct rules *rules);
/* Meets the rules with one call on the file at `path` (relative to the mount), sleeps if it is to
 * be slow, counts. */
struct verdict rules_meet(struct rules *rules, enum command_call call, const char *path);
/* Whether a glob of a command means this path: the whole of it or, without '/', its last part. */
bool rules_path_matches(const char *glob, const char *path);

/* Writes ` fault="…"` for each into `into`, NUL-terminated, cut short if need be. */
void rules_describe(struct rules *rules, char *into, size_t size);

#endif
