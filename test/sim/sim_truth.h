/* What is true of nodes and links, and since when: for rules that are said of the truth, not of
 * what somebody believes. Ten looks a second. */
#ifndef SIM_TRUTH_H
#define SIM_TRUTH_H

#include "sim/sim_node.h"

void sim_truth_start(struct sim *s, void (*on_look)(struct sim *s));

/* So long ago; each since it was last otherwise. 0: it is not so. */
uint64_t sim_truth_steady_ns(void);                   /* no node started, stopped, froze or woke */
uint64_t sim_truth_well_ns(const struct sim_node *n); /* it runs, and its disk writes */
uint64_t sim_truth_dead_ns(const struct sim *s, const char *site); /* nobody hears anything of it */
/* Both ways, without delay. A node and itself: as long as it is well. */
uint64_t sim_truth_clear_ns(unsigned a, unsigned b);
/* Who leads group 0, and for how long; NULL: nobody. */
struct sim_group *sim_truth_leader(uint64_t *for_ns);
/* That leader finds its replica of it level: it takes part in commits, waits for no snapshot. */
uint64_t sim_truth_level_ns(const struct sim_node *n);

#endif
