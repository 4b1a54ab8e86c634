/* DescribeConfigs of a consumer group. */
#ifndef CLUSTER_REQUEST_GROUP_CONFIGS_H
#define CLUSTER_REQUEST_GROUP_CONFIGS_H

#include "request.h"

/* One group that is described; `done` runs once, on the connection's shard, perhaps at once. */
struct group_configs {
    struct request *request;
    const struct kafka_describe_configs_request_resource *from;
    struct kafka_describe_configs_response_resource *into;
    void (*done)(struct group_configs *c);
    void *data;
    struct broker_group *group; /* private from here on */
    struct broker_place place;
    bool is_here;
    int policy;
    struct work_item item;
};

/* The fields before the private ones are set; `into` is initialized. */
void group_configs_begin(struct group_configs *c);

#endif
