/* Is the cluster whole, as this node hears it: what stands against it, one reason each. */
#ifndef CLUSTER_ADMIN_CLUSTER_HEALTH_H
#define CLUSTER_ADMIN_CLUSTER_HEALTH_H

#include <jansson.h>

struct broker;

/* {"healthy": …, "reasons": [{"code", "message", and whom it is about}]}; NULL without memory.
 * Returned owned. On the port's thread. */
json_t *cluster_health(struct broker *b);

#endif
