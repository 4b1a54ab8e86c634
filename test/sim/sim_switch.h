/* Planned switches (cluster/switch.h): again and again leadership is taken from a site, stays away
 * for a while and is taken back, while everything else goes on. */
#ifndef SIM_SWITCH_H
#define SIM_SWITCH_H

#include "cluster/switch.h"
#include "sim/sim_node.h"

/* From now on there are switches, in a run with metadata. */
void sim_switch_start(struct sim *s);
/* No further ones: what stands is taken back. */
void sim_switch_settle(struct sim *s);

/* The metadata has changed; the phase was this one before. */
void sim_switch_note(struct sim *s, enum metadata_switch_phase before);

/* In a leader's upkeep: its group's leader belongs where this node's metadata says. */
void sim_switch_follow(struct sim_group *g);

#endif
