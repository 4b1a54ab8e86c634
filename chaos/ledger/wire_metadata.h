/* Metadata and IncrementalAlterConfigs: what one node says of a topic. */
#ifndef LEDGER_WIRE_METADATA_H
#define LEDGER_WIRE_METADATA_H

#include "wire.h"

#define WIRE_RACK_BYTES 64

typedef void (*wire_partition_cb)(void *data, int32_t partition, int32_t leader, int32_t epoch);

/* Takes the answer apart (version 8): each partition of the topic, and the rack of the broker
 * `node` (empty: none, or no such broker). Returns -1 and calls back for nothing more when the
 * bytes are none; otherwise the error code of the topic. */
int wire_metadata_take(struct wire_reader *reader, const char *topic, int32_t node,
                       char rack[WIRE_RACK_BYTES], wire_partition_cb on_partition, void *data);

/* Asks the connection's node. Returns 0, or -1 with a name in `*error`. */
int wire_metadata(struct wire_connection *connection, const char *topic, int32_t node,
                  int timeout_ms, char rack[WIRE_RACK_BYTES], wire_partition_cb on_partition,
                  void *data, const char **error);

/* Sets one config of a topic. */
int wire_alter_topic(struct wire_connection *connection, const char *topic, const char *name,
                     const char *value, int timeout_ms, const char **error);

#endif
