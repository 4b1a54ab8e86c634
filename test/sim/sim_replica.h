/* A replica of a raft group in a simulated process: opening it, and what stands between it, the
 * network and the machine so that all is seen. Used by sim_node.c. */
#ifndef SIM_REPLICA_H
#define SIM_REPLICA_H

#include "sim/sim_node.h"

/* Opens store, machine and raft group number `index`. 0 or a negative error. */
int sim_replica_open(struct sim_life *life, unsigned index, struct err_note *note);

/* What the network reports to: puts each report on the process's shard. */
struct net_handler sim_replica_handler(struct sim_life *life);

/* The founders' configuration, into life->founders; 0 for a node that did not begin as one of them.
 */
unsigned sim_replica_founders(struct sim_life *life);

#endif
