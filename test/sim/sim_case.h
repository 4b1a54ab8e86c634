/* Named stories: what has gone wrong elsewhere, told step by step. Each is a simulation of its
 * own that ends with the same comparison as a seed. */
#ifndef SIM_CASE_H
#define SIM_CASE_H

#include "sim/sim.h"

struct sim_case {
    const char *name;
    void (*run)(uint64_t seed, struct sim_counters *counters, bool is_verbose);
};

/* Ends with an empty name. */
extern const struct sim_case sim_cases[];

#endif
