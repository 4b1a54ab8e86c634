/* What breaks: power, processes, links, disks, clocks. All of it is mended in the end; at most one
 * disk of a run loses what it had, for the majority must keep every record. */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "sim/sim_node.h"

/* Faults come at random between now and `until_ns`, `pace_ns` apart, about. */
void sim_faults_start(struct sim *s, uint64_t until_ns, uint64_t pace_ns);

/* Mends everything at once: links, disks, sleeping processes; starts what is down. */
void sim_faults_end(struct sim *s);

/* While they are held, none comes; what has come ends at once, but for disks that are damaged. */
void sim_faults_hold(struct sim *s, bool are_held);
bool sim_faults_are_held(void);

/* Cuts one direction between two places for so long. */
void sim_fault_cut(struct sim *s, unsigned from, unsigned to, uint64_t duration_ns);

/* Flips a bit of a file whose path begins so; false when there is none. For cases too. */
bool sim_fault_flip(struct sim_node *n, const char *folder);

#endif
