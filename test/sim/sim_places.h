/* Nodes that come, leave and die while the rest goes on: where groups are to vote changes again and
 * again, and the groups' leaders bring them there, one step at a time, by the daemon's own plan and
 * steps (cluster/placement.h). What group 0 would say, each node learns late, each at its time. */
#ifndef SIM_PLACES_H
#define SIM_PLACES_H

#include "sim/sim_node.h"

/* From now on nodes come and go. */
void sim_places_start(struct sim *s);
/* No more; who does not vote follows everything as a learner, so that all can be compared. */
void sim_places_settle(struct sim *s);

/* The next step of a group led there, if any. On its shard. */
void sim_places_mend(struct sim_group *g);
/* As a node does whose part in the group is over, as far as it knows: it asks the group's leader,
 * and when that agrees, what it has is removed. */
void sim_places_leave(struct sim_group *g);
/* Has the node a replica of every group, by what group 0 would say? */
bool sim_places_has_all(const struct sim_node *n);
/* Every group is where it is to be. */
bool sim_places_are_at_rest(struct sim *s);

#endif
