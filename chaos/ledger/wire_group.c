/* FindCoordinator 1, OffsetFetch 5 (the first with leader epochs) and ListGroups 2.
 *
 *   coordinator: throttle i32, error i16, message s?, node i32, host s, port i32
 *   offsets:     throttle i32, topics [name s, partitions [partition i32, offset i64, epoch i32,
 *                  metadata s?, error i16]], error i16
 *   groups:      throttle i32, error i16, groups [group s, protocol s] */
#include "wire_group.h"

#include <stdio.h>

#define API_OFFSET_FETCH     9
#define OFFSET_FETCH_VERSION 5
#define API_COORDINATOR      10
#define COORDINATOR_VERSION  1
#define API_LIST_GROUPS      16
#define LIST_GROUPS_VERSION  2
#define KEY_IS_GROUP         0

#define TOPIC_BYTES_MIN     6
#define PARTITION_BYTES_MIN 20
#define GROUP_BYTES_MIN     4

static int refuse(const struct wire_reader *r, int16_t code, const char **error)
{
    if (!r->is_bad && code == 0)
        return 0;
    *error = r->is_bad ? "malformed" : wire_error_name(code);
    return -1;
}

int wire_find_coordinator_take(struct wire_reader *r, char address[WIRE_ADDRESS_BYTES],
                               const char **error)
{
    wire_read_int32(r);
    int16_t code = wire_read_int16(r);
    wire_read_string(r);
    wire_read_int32(r);
    struct wire_bytes host = wire_read_string(r);
    int32_t port = wire_read_int32(r);
    if (refuse(r, code, error) < 0)
        return -1;
    int size = host.data == NULL || host.size > 100
                   ? -1
                   : snprintf(address, WIRE_ADDRESS_BYTES, "%.*s:%d", (int)host.size,
                              (const char *)host.data, (int)port);
    *error = "malformed";
    return size > 0 && size < WIRE_ADDRESS_BYTES ? 0 : -1;
}

int wire_find_coordinator(struct wire_connection *connection, const char *group, int timeout_ms,
                          char address[WIRE_ADDRESS_BYTES], const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_COORDINATOR, COORDINATOR_VERSION);
    wire_write_string(&w, group);
    wire_write_int8(&w, KEY_IS_GROUP);
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    return wire_find_coordinator_take(&reader, address, error);
}

int wire_offset_fetch_take(struct wire_reader *r, const char *topic, wire_offset_cb on_offset,
                           void *data, const char **error)
{
    wire_read_int32(r);
    int32_t topic_count = wire_read_count(r, TOPIC_BYTES_MIN);
    for (int32_t t = 0; t < topic_count && !r->is_bad; t++) {
        bool is_ours = wire_is_text(wire_read_string(r), topic);
        int32_t count = wire_read_count(r, PARTITION_BYTES_MIN);
        for (int32_t p = 0; p < count && !r->is_bad; p++) {
            int32_t partition = wire_read_int32(r);
            int64_t offset = wire_read_int64(r);
            int32_t epoch = wire_read_int32(r);
            wire_read_string(r);
            int16_t code = wire_read_int16(r);
            if (is_ours && !r->is_bad)
                on_offset(data, partition, offset, epoch, code != 0 ? wire_error_name(code) : NULL);
        }
    }
    int16_t code = wire_read_int16(r);
    return refuse(r, code, error);
}

int wire_offset_fetch(struct wire_connection *coordinator, const char *group, const char *topic,
                      int32_t partition_count, int timeout_ms, wire_offset_cb on_offset, void *data,
                      const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(coordinator, API_OFFSET_FETCH, OFFSET_FETCH_VERSION);
    wire_write_string(&w, group);
    wire_write_int32(&w, 1);
    wire_write_string(&w, topic);
    wire_write_int32(&w, partition_count);
    for (int32_t p = 0; p < partition_count; p++)
        wire_write_int32(&w, p);
    if (wire_call(coordinator, &w, timeout_ms, &reader, error) < 0)
        return -1;
    return wire_offset_fetch_take(&reader, topic, on_offset, data, error);
}

int wire_list_groups(struct wire_connection *connection, int timeout_ms, wire_group_cb on_group,
                     void *data, const char **error)
{
    struct wire_reader reader;
    struct wire_writer w = wire_begin(connection, API_LIST_GROUPS, LIST_GROUPS_VERSION);
    if (wire_call(connection, &w, timeout_ms, &reader, error) < 0)
        return -1;
    wire_read_int32(&reader);
    int16_t code = wire_read_int16(&reader);
    int32_t count = wire_read_count(&reader, GROUP_BYTES_MIN);
    for (int32_t i = 0; i < count && !reader.is_bad; i++) {
        struct wire_bytes group = wire_read_string(&reader);
        wire_read_string(&reader);
        if (!reader.is_bad && group.data != NULL)
            on_group(data, group);
    }
    return refuse(&reader, code, error);
}
