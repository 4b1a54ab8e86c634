/* Commits that wait for their entry, each with its own deadline. */
#ifndef CLUSTER_CONSUMER_COMMIT_WAIT_H
#define CLUSTER_CONSUMER_COMMIT_WAIT_H

#include "consumer/coordinator.h"

/* `detail`: of a commit without an error, what became of its offsets (commit_detail_read);
 * borrowed. Else empty. */
typedef void (*commit_wait_cb)(void *data, int16_t error_code, struct bytes detail);

/* Proposes a copy of the body. `cb` runs exactly once, perhaps from inside the call: with the
 * verdict as Kafka's code, or REQUEST_TIMED_OUT. On the coordinator's shard. */
void commit_wait_begin(struct coordinator *c, uint32_t partition_number, struct bytes body,
                       commit_wait_cb cb, void *data);

/* Answers those whose time is over. */
void commit_wait_tick(struct coordinator *c);

#endif
