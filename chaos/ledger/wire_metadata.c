/* Metadata 8, the last one with plain lengths and with leader epochs (7) and racks (1); ListOffsets
 * 5 likewise; IncrementalAlterConfigs 0.
 *
 *   throttle i32, brokers [node i32, host s, port i32, rack s?], cluster s?, controller i32,
 *   topics [error i16, name s, internal i8, partitions [error i16, partition i32, leader i32,
 *           epoch i32, replicas [i32], in sync [i32], offline [i32]], operations i32], operations
 * i32 */
#include "wire_metadata.h"

#include <stdio.h>

#define API_METADATA      3
#define METADATA_VERSION  8
#define API_LIST_OFFSETS  2
#define LIST_VERSION      5
#define API_ALTER_CONFIGS 44
#define ALTER_VERSION     0
#define RESOURCE_TOPIC    2
#define OPERATION_SET     0

#define HOST_BYTES_MAX         100
#define BROKER_BYTES_MIN       12
#define TOPIC_BYTES_MIN        13
#define PARTITION_BYTES_MIN    26
#define LISTED_TOPIC_BYTES_MIN 6
#define LISTED_BYTES           26

static void take_brokers(struct wire_reader *r, const struct wire_metadata *m)
{
    int32_t count = wire_read_count(r, BROKER_BYTES_MIN);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        char address[WIRE_ADDRESS_BYTES];
        int32_t id = wire_read_int32(r);
        struct wire_bytes host = wire_read_string(r);
        int32_t port = wire_read_int32(r);
        struct wire_bytes rack = wire_read_string(r);
        if (r->is_bad || m->on_broker == NULL || host.data == NULL || host.size > HOST_BYTES_MAX)
            continue;
        snprintf(address, sizeof address, "%.*s:%d", (int)host.size, (const char *)host.data,
                 (int)port);
        m->on_broker(m->data, id, address, rack);
    }
}

static void skip_nodes(struct wire_reader *r)
{
    int32_t count = wire_read_count(r, 4);
    wire_read_raw(r, (int64_t)count * 4);
}

static void take_replicas(struct wire_reader *r, const struct wire_metadata *m, int32_t partition)
{
    int32_t count = wire_read_count(r, 4);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        int32_t node = wire_read_int32(r);
        if (m != NULL && m->on_replica != NULL)
            m->on_replica(m->data, partition, node);
    }
}

/* `m` is NULL for a topic that was not asked for. */
static void take_partitions(struct wire_reader *r, const struct wire_metadata *m)
{
    int32_t count = wire_read_count(r, PARTITION_BYTES_MIN);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        wire_read_int16(r); /* no leader: the leader says so too */
        int32_t partition = wire_read_int32(r);
        int32_t leader = wire_read_int32(r);
        int32_t epoch = wire_read_int32(r);
        take_replicas(r, m, partition);
        skip_nodes(r); /* in sync */
        skip_nodes(r); /* offline */
        if (!r->is_bad && m != NULL)
            m->on_partition(m->data, partition, leader, epoch);
    }
}

int wire_metadata_take(struct wire_reader *r, const struct wire_metadata *m)
{
    int16_t topic_error = 3; /* not named at all: unknown */
    wire_read_int32(r);
    take_brokers(r, m);
    wire_read_string(r);
    wire_read_int32(r);
    int32_t count = wire_read_count(r, TOPIC_BYTES_MIN);
    for (int32_t i = 0; i < count && !r->is_bad; i++) {
        int16_t error = wire_read_int16(r);
        bool is_ours = wire_is_text(wire_read_string(r), m->topic);
        wire_read_int8(r);
        take_partitions(r, is_ours ? m : NULL);
        wire_read_int32(r);
        if (is_ours)
            topic_error = error;
    }
    wire_read_int32(r);
    return r->is_bad ? -1 : topic_error;
}

int wire_metadata(struct wire_connection *connection, const struct wire_metadata *m, int timeout_ms,
                  const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_METADATA, METADATA_VERSION);
    wire_write_int32(&w, 1);
    wire_write_string(&w, m->topic);
    wire_write_int8(&w, 0); /* must not create the topic */
    wire_write_int8(&w, 0);
    wire_write_int8(&w, 0);
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    int code = wire_metadata_take(&reader, m);
    if (code == 0)
        return 0;
    *error = code < 0 ? "malformed" : wire_error_name((int16_t)code);
    return -1;
}

int wire_list_offsets_take(struct wire_reader *r, const struct wire_list_offsets *ask)
{
    wire_read_int32(r);
    int32_t topic_count = wire_read_count(r, LISTED_TOPIC_BYTES_MIN);
    for (int32_t t = 0; t < topic_count && !r->is_bad; t++) {
        bool is_ours = wire_is_text(wire_read_string(r), ask->topic);
        int32_t count = wire_read_count(r, LISTED_BYTES);
        for (int32_t i = 0; i < count && !r->is_bad; i++) {
            int32_t partition = wire_read_int32(r);
            int16_t code = wire_read_int16(r);
            wire_read_int64(r);
            int64_t offset = wire_read_int64(r);
            int32_t epoch = wire_read_int32(r);
            if (is_ours && !r->is_bad)
                ask->on_offset(ask->data, partition, offset, epoch,
                               code != 0 ? wire_error_name(code) : NULL);
        }
    }
    return r->is_bad ? -1 : 0;
}

int wire_list_offsets(struct wire_connection *connection, const struct wire_list_offsets *ask,
                      int timeout_ms, const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_LIST_OFFSETS, LIST_VERSION);
    wire_write_int32(&w, -1); /* a consumer */
    wire_write_int8(&w, 0);   /* everything below the high watermark */
    wire_write_int32(&w, 1);
    wire_write_string(&w, ask->topic);
    wire_write_int32(&w, ask->count);
    for (int32_t i = 0; i < ask->count; i++) {
        wire_write_int32(&w, ask->partitions[i]);
        wire_write_int32(&w, -1); /* whatever its leader epoch is */
        wire_write_int64(&w, ask->which);
    }
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    *error = "malformed";
    return wire_list_offsets_take(&reader, ask);
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
