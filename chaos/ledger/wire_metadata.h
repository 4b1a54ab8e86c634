/* Metadata, ListOffsets and IncrementalAlterConfigs: what one node says of a topic. */
#ifndef LEDGER_WIRE_METADATA_H
#define LEDGER_WIRE_METADATA_H

#include "wire.h"

typedef void (*wire_broker_cb)(void *data, int32_t node, const char *address,
                               struct wire_bytes rack);
typedef void (*wire_partition_cb)(void *data, int32_t partition, int32_t leader, int32_t epoch);
typedef void (*wire_replica_cb)(void *data, int32_t partition, int32_t node);

struct wire_metadata {
    const char *topic;
    wire_broker_cb on_broker; /* NULL: no matter; all brokers come before the partitions */
    wire_partition_cb on_partition;
    wire_replica_cb on_replica; /* NULL: no matter; each node that has the partition */
    void *data;
};

/* Takes the answer apart (version 8). Returns -1 when the bytes are none, though it may have called
 * back by then; otherwise the error code of the topic. */
int wire_metadata_take(struct wire_reader *reader, const struct wire_metadata *metadata);

/* Asks the connection's node. Returns 0, or -1 with a name in `*error`, as all below. */
int wire_metadata(struct wire_connection *connection, const struct wire_metadata *metadata,
                  int timeout_ms, const char **error);

#define WIRE_OFFSETS_LATEST   (-1)
#define WIRE_OFFSETS_EARLIEST (-2)

/* `error` is Kafka's name, or NULL. `epoch` -1: not known. */
typedef void (*wire_offset_cb)(void *data, int32_t partition, int64_t offset, int32_t epoch,
                               const char *error);

struct wire_list_offsets {
    const char *topic;
    const int32_t *partitions;
    int32_t count;
    int64_t which;
    wire_offset_cb on_offset;
    void *data;
};

/* The connection's node must lead the partitions. */
int wire_list_offsets(struct wire_connection *connection, const struct wire_list_offsets *ask,
                      int timeout_ms, const char **error);
int wire_list_offsets_take(struct wire_reader *reader, const struct wire_list_offsets *ask);

/* Sets one config of a topic. */
int wire_alter_topic(struct wire_connection *connection, const char *topic, const char *name,
                     const char *value, int timeout_ms, const char **error);

#endif
