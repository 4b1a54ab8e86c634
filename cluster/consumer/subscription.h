/* What the members of a consumer group have subscribed to. */
#ifndef CLUSTER_CONSUMER_SUBSCRIPTION_H
#define CLUSTER_CONSUMER_SUBSCRIPTION_H

#include "cluster/live_group.h"

/* True also when it can't be told: while the group gathers, or a subscription can't be read. */
bool subscription_has_topic(const struct live_group *g, struct kafka_string topic);

/* Do both name the same topics, in any order? Of other protocol types than "consumer", and of what
 * can't be read, nothing is known but the bytes. */
bool subscription_is_same(struct kafka_string protocol_type, struct bytes a, struct bytes b);

#endif
