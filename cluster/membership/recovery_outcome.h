/* How a forced recovery ends: what was expected of it, and what then happened, side by side in the
 * history of failover epochs.
 *
 * The survivor says so, as soon as all groups that go on from its replicas have a leader again:
 * only it knows what it was found to lack once all that it had was applied. Started again before
 * that, it still says how long it took; one that never comes to serve leaves the row under way. */
#ifndef CLUSTER_MEMBERSHIP_RECOVERY_OUTCOME_H
#define CLUSTER_MEMBERSHIP_RECOVERY_OUTCOME_H

#include "broker.h"

/* Shard 0, a few times a second. */
void recovery_outcome_tick(struct broker *b);

/* From the order until the groups serve, by how long this process took to start; -1: not known.
 * Any thread. */
int64_t recovery_expected_pause_ms(const struct broker *b);

#endif
