/* What the members of a consumer group have subscribed to. */
#ifndef CLUSTER_CONSUMER_SUBSCRIPTION_H
#define CLUSTER_CONSUMER_SUBSCRIPTION_H

#include "cluster/live_group.h"

/* True also when it can't be told: while the group gathers, or a subscription can't be read. */
bool subscription_has_topic(const struct live_group *g, struct kafka_string topic);

/* The topics that the members of a generation read, by the protocol that it chose. */
struct subscription_topics;
/* Borrows the membership. 0, or an error and *topics NULL: UV_ENOMEM, or ERR_MALFORMED where it
 * can't be told: of protocol types other than "consumer", or when a subscription can't be read. */
int subscription_topics_create(const struct group_membership *membership,
                               struct subscription_topics **topics);
bool subscription_topics_has(const struct subscription_topics *topics, struct kafka_string topic);
void subscription_topics_destroy(struct subscription_topics *topics); /* also NULL */

/* Do both name the same topics, in any order? Of other protocol types than "consumer", and of what
 * can't be read, nothing is known but the bytes. */
bool subscription_is_same(struct kafka_string protocol_type, struct bytes a, struct bytes b);

/* The rack that a member named for itself: from version 3 on, and only where it did. Borrowed from
 * the bytes. False where there is none, or they can't be read. */
bool subscription_rack(struct bytes metadata, struct kafka_string *rack);

#endif
