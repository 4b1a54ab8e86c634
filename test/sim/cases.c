#include "sim/sim_case.h"

#include <stddef.h>

const struct sim_case sim_cases[] = {
    {NULL, NULL},
};
