/* What a forced recovery explains, and no more: see forced_recovery.c. */
#ifndef CHECK_FORCED_RECOVERY_H
#define CHECK_FORCED_RECOVERY_H

#include "history.h"

/* Marks the slots whose records a forced recovery took, as it may (history_settle, once it is known
 * what final reads saw). */
void recovery_mark_taken(struct history *h);

/* May something have been lost that was acknowledged first at `first_at`, was last said to be there
 * at `last_at`, and had been invoked at `invoked_at`? By recovery number `i`. */
bool recovery_may_take(const struct history *h, size_t i, int64_t invoked_at, int64_t first_at,
                       int64_t last_at);
/* The same by any of them. */
bool recovery_any_may_take(const struct history *h, int64_t invoked_at, int64_t first_at,
                           int64_t last_at);

/* How many had been ordered by then. */
size_t recovery_count_by(const struct history *h, int64_t at);

/* Did what lies behind `from` begin at `to` when somebody read it at `at`? So it is when offsets
 * went on there after a recovery, and nothing that survives lies between. */
bool recovery_made_gap(const struct history *h, uint32_t partition, int64_t from, int64_t to,
                       int64_t at);

/* The offset behind the last record below `to` that is there in the end; 0: there is none. */
int64_t recovery_survives_to(const struct history *h, uint32_t partition, int64_t to);

/* How many records lie from one offset to another: gaps count nothing. */
int64_t recovery_distance(const struct history *h, uint32_t partition, int64_t from, int64_t to);

#endif
