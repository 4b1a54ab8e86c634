/* The settings in force, shared by all shards, and the next ones.
 *
 * A file is read as a whole and checked as a whole, with what may not change while the router runs;
 * only then does every shard take it, one after another within moments. Each keeps the settings it
 * has until it takes others: nothing is ever half of one and half of the other. */
#ifndef ROUTER_KEPT_SETTINGS_H
#define ROUTER_KEPT_SETTINGS_H

#include <stdatomic.h>
#include <stdint.h>

#include "conf/router_conf.h"

struct kept_settings {
    struct router_settings values; /* never changed */
    uint64_t number;               /* 1: of the start; one more with each reload */
    int64_t loaded_at_ms;          /* wall clock */
    atomic_uint claims;            /* private */
};

/* A copy with one claim, or NULL without memory. */
struct kept_settings *kept_settings_create(const struct router_settings *values, uint64_t number,
                                           int64_t wall_ms);
/* Any thread. */
struct kept_settings *kept_settings_claim(struct kept_settings *k);
void kept_settings_release(struct kept_settings *k);

/* May a router with settings `now` go on with `next`? 0, or ERR_CANT_CHANGE and a note that names
 * what can't be changed while it runs. */
int kept_settings_may_follow(const struct router_settings *now, const struct router_settings *next,
                             struct err_note *note);

#endif
