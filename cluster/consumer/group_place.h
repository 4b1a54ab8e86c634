/* Where a consumer group lives: Kafka's hash of its id over the partitions of __consumer_offsets.
 */
#ifndef CLUSTER_CONSUMER_GROUP_PLACE_H
#define CLUSTER_CONSUMER_GROUP_PLACE_H

#include <stddef.h>
#include <stdint.h>

#define OFFSETS_TOPIC "__consumer_offsets"

struct metadata_change;

/* Sets the configs that a creation of the topic has, as Kafka's: it is compacted. Static memory. */
void group_place_configure(struct metadata_change *creation);

#endif
