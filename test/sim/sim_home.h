/* An asynchronous group: it votes at home alone, and follows elsewhere.
 *
 * Whoever is its home serves it, after a start, only when it has heard what became of the group
 * meanwhile: the daemon's hold (cluster/membership/recovered.c), with the other group in group 0's
 * place, and the story's own word for what group 0 has ordered. */
#ifndef SIM_HOME_H
#define SIM_HOME_H

#include "sim/sim_node.h"

#define SIM_ASYNCHRONOUS_GROUP SIM_GROUPS

/* Does the node vote in the group, as things are? */
bool sim_home_votes(const struct sim *s, uint32_t group_id, unsigned number);
/* Has it one voter alone? */
bool sim_home_is_alone(const struct sim *s, uint32_t group_id);
/* Is the group one that a disaster of this seed takes the majority of? */
bool sim_home_is_lost_with(const struct sim *s, uint32_t group_id);
/* Its first configuration, on a disk that has nothing of it: it comes after the founding. */
int sim_home_found(struct sim_group *g);
void sim_home_opened(struct sim_group *g);
void sim_home_tick(struct sim_life *life);

#endif
