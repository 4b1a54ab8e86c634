/* An operator wants a raft group's leader where it belongs, now. */
#ifndef CLUSTER_MEMBERSHIP_HOME_H
#define CLUSTER_MEMBERSHIP_HOME_H

#include "broker.h"

/* Tells whoever leads the group, as far as is known. Nothing comes back: look who leads, and ask
 * again after HOME_ASK_AGAIN_MS. Any shard. */
void home_ask(struct broker *b, uint32_t group_id);
#define HOME_ASK_AGAIN_MS 1000

/* Shard 0. */
void home_on_message(struct broker *b, struct bytes message);

#endif
