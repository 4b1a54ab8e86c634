/* Damage to the files of partitions, at rest: on one node at a time, so that a majority is sound. A
 * damaged node goes on; its scrubber and its peers must mend it, and what it serves meanwhile is
 * right or refused. */
#ifndef SIM_SIM_ROT_H
#define SIM_SIM_ROT_H

#include "sim/sim_node.h"

/* Damages some files of the node that is damaged already, or of any. */
void sim_rot_strike(struct sim *s);
/* Damages `count` files of this one, and has it scrubbed. */
void sim_rot_node(struct sim_node *n, unsigned count);

/* Some of its files may be damaged, or gone: it is scrubbed until nothing is left of that. */
void sim_rot_watch(struct sim_node *n);

/* Is every node that was damaged sound again? */
bool sim_rot_is_mended(struct sim *s, void *data);

/* In the end: everything is read once more, and nothing may be found. */
void sim_rot_scrub_all(struct sim *s);
bool sim_rot_is_scrubbed(struct sim *s, void *data);
void sim_rot_check(struct sim *s);

#endif
