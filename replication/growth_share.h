/* By partition, what some entries of a raft log brought: of the entries that are no longer known
 * one by one (growth.h). */
#ifndef REPLICATION_GROWTH_SHARE_H
#define REPLICATION_GROWTH_SHARE_H

#include "replication/group.h"

/* Sorted by partition, each once. Zero: none. */
struct growth_shares {
    struct repl_lag_share *items; /* owned */
    uint32_t count;
};

void growth_shares_close(struct growth_shares *s);
/* Sorts, and adds up those of one partition. Returns how many are left. */
unsigned growth_shares_join(struct repl_lag_share *items, unsigned count);
/* A copy of joined items. Without memory: none. */
struct growth_shares growth_shares_of(const struct repl_lag_share *items, unsigned count);
/* Adds the others, which are none then. Without memory they are lost, and `into` is none, too: less
 * is known, nothing wrong. */
void growth_shares_merge(struct growth_shares *into, struct growth_shares *others);

#endif
