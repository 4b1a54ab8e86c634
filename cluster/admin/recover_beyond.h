/* Consumer groups' offsets beyond what survives a forced recovery. */
#ifndef CLUSTER_ADMIN_RECOVER_BEYOND_H
#define CLUSTER_ADMIN_RECOVER_BEYOND_H

#include "admin/recover_plan.h"

#define RECOVER_SHOWN_MAX 1000 /* rows; all are counted */

/* Puts the rows into the plan's JSON, how many there are, and how many offsets nobody has looked
 * at. Under the metadata's read lock. */
void recover_beyond_add(const struct recover_plan *plan, json_t *json);

#endif
