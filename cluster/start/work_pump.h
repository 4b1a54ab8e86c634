/* Work of a node that has no threads yet: runs when it is pumped, in order, on the caller's. */
#ifndef CLUSTER_START_WORK_PUMP_H
#define CLUSTER_START_WORK_PUMP_H

#include "base/work.h"

struct work_pump {
    struct work seam; /* valid as long as this, which must not be moved */
    struct work_item *first, *last;
};

void work_pump_init(struct work_pump *pump);
/* Runs what is queued, also what that queues. */
void work_pump_run(struct work_pump *pump);

#endif
