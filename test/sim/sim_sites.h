/* The verdict on sites in the simulation: each node's own board and judge (cluster/site/), what
 * they tell each other, and what of it becomes entries of the group that stands for group 0.
 *
 * What is tried, the real path, is played by the simulation: a try goes there and back on links as
 * they are, to a process as it is. In seeds with an odd number nobody tries, and signs of life are
 * all that is reported, as in a daemon whose canary is off. */
#ifndef SIM_SITES_H
#define SIM_SITES_H

#include "sim/sim_node.h"
#include "site/part.h"

/* Its judges' times: shorter than the daemon's, so that a minute has several quiet times. */
struct router_judge_options sim_sites_judging(void);

/* Before the nodes start: they have the group, and judge. */
void sim_sites_found(struct sim *s);
/* From now on paths are tried. */
void sim_sites_start(struct sim *s);

/* ---- a node's part ---- */

int sim_sites_open(struct sim_life *life);
void sim_sites_tick(struct sim_life *life);
/* A message that is none of these is left to others: false. */
bool sim_sites_on_message(struct sim_life *life, uint32_t from_node_id, struct bytes message);

#endif
