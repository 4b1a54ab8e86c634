/* The cluster's upkeep: checkpoints, memory of tails, and replicas that are missing.
 *
 * A node whose disk was replaced comes back as another raft id, and a spare node has none yet: the
 * new replica enters as a learner, becomes a voter when it is level, and the old one leaves. */
#ifndef SIM_OPERATOR_H
#define SIM_OPERATOR_H

#include "sim/sim_node.h"

void sim_operator_start(struct sim *s);

/* Asks every replica for a checkpoint, now. */
void sim_operator_checkpoint(struct sim *s);

/* Every node's replica of every group is a voter, no other is a member. */
bool sim_operator_is_done(struct sim *s);

#endif
