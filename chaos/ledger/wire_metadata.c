/* Metadata, version 8: the last one with plain lengths, and with leader epochs (7) and racks (1).
 *
 *   throttle i32, brokers [node i32, host s, port i32, rack s?], cluster s?, controller i32,
 *   topics [error i16, name s, internal i8, partitions [error i16, partition i32, leader i32,
 *           epoch i32, replicas [i32], in sync [i32], offline [i32]], operations i32], operations
 * i32 */
#include "wire_metadata.h"

#include <string.h>

#define API_METADATA      3
#define METADATA_VERSION  8
#define API_ALTER_CONFIGS 44
#define ALTER_VERSION     0
#define RESOURCE_TOPIC    2
#define OPERATION_SET     0

#define BROKER_BYTES_MIN    12
#define TOPIC_BYTES_MIN     13
#define PARTITION_BYTES_MIN 26

static void take_brokers(struct wire_reader *r, int32_t node, char *rack)
{
    int32_t count = wire_read_count(r, BROKER_BYTES_MIN);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        int32_t id = wire_read_int32(r);
        wire_read_string(r);
        wire_read_int32(r);
        struct wire_bytes text = wire_read_string(r);
        if (id == node && text.data != NULL && text.size < WIRE_RACK_BYTES) {
            memcpy(rack, text.data, text.size);
            rack[text.size] = '\0';
        }
    }
}

static void skip_nodes(struct wire_reader *r)
{
    int32_t count = wire_read_count(r, 4);
    wire_read_raw(r, (int64_t)count * 4);
}

/* `on_partition` is NULL for a topic that was not asked for. */
static void take_partitions(struct wire_reader *r, wire_partition_cb on_partition, void *data)
{
    int32_t count = wire_read_count(r, PARTITION_BYTES_MIN);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        wire_read_int16(r); /* no leader: the leader says so too */
        int32_t partition = wire_read_int32(r);
        int32_t leader = wire_read_int32(r);
        int32_t epoch = wire_read_int32(r);
        for (int list = 0; list < 3; list++)
            skip_nodes(r);
        if (!r->is_bad && on_partition != NULL)
            on_partition(data, partition, leader, epoch);
    }
}

int wire_metadata_take(struct wire_reader *r, const char *topic, int32_t node,
                       char rack[WIRE_RACK_BYTES], wire_partition_cb on_partition, void *data)
{
    int16_t topic_error = 3; /* not named at all: unknown */
    rack[0] = '\0';
    wire_read_int32(r);
    take_brokers(r, node, rack);
    wire_read_string(r);
    wire_read_int32(r);
    int32_t count = wire_read_count(r, TOPIC_BYTES_MIN);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        int16_t error = wire_read_int16(r);
        bool is_ours = wire_is_text(wire_read_string(r), topic);
        wire_read_int8(r);
        take_partitions(r, is_ours ? on_partition : NULL, data);
        wire_read_int32(r);
        if (is_ours)
            topic_error = error;
    }
    wire_read_int32(r);
    return r->is_bad ? -1 : topic_error;
}

int wire_metadata(struct wire_connection *connection, const char *topic, int32_t node,
                  int timeout_ms, char rack[WIRE_RACK_BYTES], wire_partition_cb on_partition,
                  void *data, const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_METADATA, METADATA_VERSION);
    wire_write_int32(&w, 1);
    wire_write_string(&w, topic);
    wire_write_int8(&w, 0); /* must not create the topic */
    wire_write_int8(&w, 0);
    wire_write_int8(&w, 0);
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    int code = wire_metadata_take(&reader, topic, node, rack, on_partition, data);
    if (code == 0)
        return 0;
    *error = code < 0 ? "malformed" : wire_error_name((int16_t)code);
    return -1;
}

int wire_alter_topic(struct wire_connection *connection, const char *topic, const char *name,
                     const char *value, int timeout_ms, const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_ALTER_CONFIGS, ALTER_VERSION);
    wire_write_int32(&w, 1);
    wire_write_int8(&w, RESOURCE_TOPIC);
    wire_write_string(&w, topic);
    wire_write_int32(&w, 1);
    wire_write_string(&w, name);
    wire_write_int8(&w, OPERATION_SET);
    wire_write_string(&w, value);
    wire_write_int8(&w, 0); /* not only a trial */
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    wire_read_int32(&reader);
    int32_t count = wire_read_count(&reader, 2);
    int16_t code = wire_read_int16(&reader);
    if (count == 1 && code == 0 && !reader.is_bad)
        return 0;
    *error = count != 1 || reader.is_bad ? "malformed" : wire_error_name(code);
    return -1;
}
