/* Changes of configs, whichever request they come by: a resource's operations are one change. */
#ifndef CLUSTER_REQUEST_ALTER_CONFIGS_H
#define CLUSTER_REQUEST_ALTER_CONFIGS_H

#include "request/change_list.h"

#define ALTER_RESOURCES_MAX 1000 /* of one request: names are compared with each other */

/* Does what `message` asks; it is in the request's arena. `finish` runs once, on the connection's
 * shard, with a struct kafka_incremental_alter_configs_response as the list's response. */
void alter_configs_begin(struct request *r,
                         const struct kafka_incremental_alter_configs_request *message,
                         change_list_cb finish);

#endif
