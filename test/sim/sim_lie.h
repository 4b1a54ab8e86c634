/* A disk that lies: it says that all is synced, and when the power goes nothing of it is there. The
 * whole disk is as it was when it began to lie: no byte of it is wrong.
 *
 * What was acknowledged meanwhile is one copy short, so nothing else may fail until the node is
 * another one (its leader remembered) or has all of it again (from a leader that was told nothing):
 * the two of three that are left must be there, and elected before it comes back. */
#ifndef SIM_LIE_H
#define SIM_LIE_H

#include "sim/sim_node.h"

/* From now on its disk lies. A power cut that is not the story's own finds it honest again. */
void sim_lie_begin(struct sim_node *n);

/* The power goes, and all since sim_lie_begin() is lost. The node stays down. */
void sim_lie_cut(struct sim_node *n);

/* Is it another one, or does it have all that it acknowledged? Ends the node's state as a liar. */
bool sim_lie_is_over(struct sim *s, void *node);

/* One disk lies for a while, among the other faults; then they pause, the others are mended, and
 * its power goes. */
void sim_fault_lie(struct sim *s);

/* No such story is under way. */
bool sim_lie_is_at_rest(struct sim *s, void *data);

#endif
