/* Records of __consumer_offsets in Kafka's own layout (kafka.coordinator.group: offset commit key
 * version 1 and value 3, or 1 when it has an expiry of its own; group metadata key 2, value 3). */
#ifndef CLUSTER_GROUP_RECORD_H
#define CLUSTER_GROUP_RECORD_H

#include <stdint.h>

#include "cluster/group_entry.h"
#include "protocol/record_batch_builder.h"

/* Each appends one record; a failure sticks to the builder and is returned by its finish. */
void group_record_offset(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                         const struct group_offset *offset, int64_t committed_at_ms,
                         int64_t expire_at_ms);
void group_record_offset_gone(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                              struct kafka_string topic, int32_t partition, int64_t now_ms);
void group_record_membership(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                             const struct group_membership *membership, int64_t now_ms);
void group_record_group_gone(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                             int64_t now_ms);

#endif
