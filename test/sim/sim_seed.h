/* The parts of a run that seeds and cases share. */
#ifndef SIM_SEED_H
#define SIM_SEED_H

#include "sim/sim_client.h"
#include "sim/sim_fault.h"
#include "sim/sim_operator.h"

/* Starts all nodes, upkeep and clients, and waits until each first partition is open. */
void sim_begin(struct sim *s, uint64_t pace_ns);

/* Faults have ended: clients get acknowledgements again within a bound, everyone becomes level,
 * and then all is compared with all. */
void sim_conclude(struct sim *s);

#endif
