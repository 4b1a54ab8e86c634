/* What happens to sites as a whole, beside the faults of nodes and links (sim_fault.h): they die,
 * hang, flap, are cut off both ways or one way, from all or from one other; and an operator drains
 * them and takes that back. Only in seeds whose sites are judged. */
#ifndef SIM_SITE_STORY_H
#define SIM_SITE_STORY_H

#include "sim/sim_node.h"

/* From now until then; what was begun ends then. */
void sim_site_story_start(struct sim *s, uint64_t until_ns);
/* The operator takes all drains back, and says nothing more. */
void sim_site_story_settle(struct sim *s);

#endif
