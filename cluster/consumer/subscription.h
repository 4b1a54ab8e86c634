/* What the members of a consumer group have subscribed to. */
#ifndef CLUSTER_CONSUMER_SUBSCRIPTION_H
#define CLUSTER_CONSUMER_SUBSCRIPTION_H

#include "cluster/live_group.h"

/* True also when it can't be told: while the group gathers, or a subscription can't be read. */
bool subscription_has_topic(const struct live_group *g, struct kafka_string topic);

#endif
