/* Groups, as one node tells of them: who coordinates, what is stored, which there are. */
#ifndef LEDGER_WIRE_GROUP_H
#define LEDGER_WIRE_GROUP_H

#include "wire_metadata.h"

/* Asks the connection's node who coordinates the group. Each function here returns 0, or -1 with a
 * name in `*error`. */
int wire_find_coordinator(struct wire_connection *connection, const char *group, int timeout_ms,
                          char address[WIRE_ADDRESS_BYTES], const char **error);

int wire_find_coordinator_take(struct wire_reader *reader, char address[WIRE_ADDRESS_BYTES],
                               const char **error);

/* Asks the coordinator for what is stored for partitions [0, partition_count) of the topic; offset
 * -1: nothing is. */
int wire_offset_fetch(struct wire_connection *coordinator, const char *group, const char *topic,
                      int32_t partition_count, int timeout_ms, wire_offset_cb on_offset, void *data,
                      const char **error);

int wire_offset_fetch_take(struct wire_reader *reader, const char *topic, wire_offset_cb on_offset,
                           void *data, const char **error);

/* The groups that the node coordinates. */
typedef void (*wire_group_cb)(void *data, struct wire_bytes group);
int wire_list_groups(struct wire_connection *connection, int timeout_ms, wire_group_cb on_group,
                     void *data, const char **error);

#endif
