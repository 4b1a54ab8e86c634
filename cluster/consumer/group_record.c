/* Kafka's layouts, big-endian, each after an int16 version:
 *   offset key 1      string group, string topic, int32 partition
 *   offset value 3    int64 offset, int32 leader epoch, string metadata, int64 commit time
 *   offset value 1    int64 offset, string metadata, int64 commit time, int64 expiry
 *   group key 2       string group
 *   group value 3     string protocol type, int32 generation, string? protocol, string? leader,
 *                     int64 time of this state, int32 n, n x (string member id, string? instance
 *                     id, string client id, string host, int32 rebalance timeout, int32 session
 *                     timeout, bytes subscription, bytes assignment)
 * A tombstone is the key without value. Kafka's tools and mirrors read these. */
#include "cluster/group_record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "protocol/writer.h"

#define RECORD_BYTES_MAX              (2 * GROUP_ENTRY_BYTES_MAX)
#define OFFSET_RECORD_FIXED           64  /* more than numbers and sizes take */
#define OFFSET_RECORD_FEW             512 /* what is laid out on the stack */
#define OFFSET_KEY_VERSION            1
#define OFFSET_VALUE_VERSION          3
#define OFFSET_VALUE_VERSION_EXPIRING 1
#define GROUP_KEY_VERSION             2
#define GROUP_VALUE_VERSION           3

static void begin(struct kafka_writer *w, int16_t version)
{
    kafka_writer_init(w, RECORD_BYTES_MAX);
    kafka_write_int16(w, version);
}

/* The writer's bytes in one piece, by copying them into `into` when there are several. */
static struct bytes finished(struct kafka_writer *w, struct buffer **into)
{
    *into = kafka_writer_finish(w) == 0 ? buffer_create(w->size_bytes) : NULL;
    if (*into == NULL)
        return (struct bytes){0};
    return bytes_of((*into)->data, kafka_writer_copy(w, (*into)->data, w->size_bytes));
}

/* `value` NULL: a tombstone. Closes both writers. */
static void append(struct kafka_record_batch_builder *b, int64_t timestamp_ms,
                   struct kafka_writer *key, struct kafka_writer *value)
{
    struct buffer *key_owner = NULL, *value_owner = NULL;
    struct bytes key_bytes = finished(key, &key_owner), value_bytes = {0};
    if (value != NULL)
        value_bytes = finished(value, &value_owner);
    if (key_owner == NULL || (value != NULL && value_owner == NULL))
        kafka_writer_fail(&b->records, UV_ENOMEM);
    else
        kafka_record_batch_builder_append(b, timestamp_ms, key_bytes, value_bytes, NULL, 0);
    buffer_unref(key_owner);
    buffer_unref(value_owner);
    kafka_writer_close(key);
    if (value != NULL)
        kafka_writer_close(value);
}

/* ---- offsets: by the ten in each commit, so they are laid out in place ---- */

static uint8_t *put_text(uint8_t *at, struct kafka_string text)
{
    at = bytes_put_be16(at, (uint16_t)text.size);
    if (text.size > 0)
        memcpy(at, text.data, (size_t)text.size);
    return at + text.size;
}

static uint8_t *put_offset_key(uint8_t *at, struct kafka_string group_id, struct kafka_string topic,
                               int32_t partition)
{
    at = put_text(put_text(bytes_put_be16(at, OFFSET_KEY_VERSION), group_id), topic);
    return bytes_put_be32(at, (uint32_t)partition);
}

static uint8_t *put_offset_value(uint8_t *at, const struct group_offset *offset,
                                 int64_t committed_at_ms, int64_t expire_at_ms)
{
    bool is_expiring = expire_at_ms >= 0;
    at = bytes_put_be16(at, is_expiring ? OFFSET_VALUE_VERSION_EXPIRING : OFFSET_VALUE_VERSION);
    at = bytes_put_be64(at, (uint64_t)offset->offset);
    if (!is_expiring)
        at = bytes_put_be32(at, (uint32_t)offset->leader_epoch);
    at = bytes_put_be64(put_text(at, offset->metadata), (uint64_t)committed_at_ms);
    return is_expiring ? bytes_put_be64(at, (uint64_t)expire_at_ms) : at;
}

/* `offset` NULL: a tombstone. */
static void append_offset(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                          struct kafka_string topic, int32_t partition,
                          const struct group_offset *offset, int64_t at_ms, int64_t expire_at_ms)
{
    uint8_t few[OFFSET_RECORD_FEW];
    size_t size = OFFSET_RECORD_FIXED + (size_t)group_id.size + (size_t)topic.size +
                  (offset == NULL ? 0 : (size_t)offset->metadata.size);
    uint8_t *key = size <= sizeof few ? few : malloc(size);
    if (key == NULL) {
        kafka_writer_fail(&b->records, UV_ENOMEM);
        return;
    }
    uint8_t *value = put_offset_key(key, group_id, topic, partition), *end = value;
    if (offset != NULL)
        end = put_offset_value(value, offset, at_ms, expire_at_ms);
    assert(end <= key + size);
    kafka_record_batch_builder_append(
        b, at_ms, bytes_of(key, (size_t)(value - key)),
        offset == NULL ? (struct bytes){0} : bytes_of(value, (size_t)(end - value)), NULL, 0);
    if (key != few)
        free(key);
}

void group_record_offset(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                         const struct group_offset *offset, int64_t committed_at_ms,
                         int64_t expire_at_ms)
{
    append_offset(b, group_id, offset->topic, offset->partition, offset, committed_at_ms,
                  expire_at_ms);
}

void group_record_offset_gone(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                              struct kafka_string topic, int32_t partition, int64_t now_ms)
{
    append_offset(b, group_id, topic, partition, NULL, now_ms, -1);
}

/* ---- groups ---- */

static void put_group_key(struct kafka_writer *w, struct kafka_string group_id)
{
    begin(w, GROUP_KEY_VERSION);
    kafka_write_string(w, group_id, false);
}

/* Kafka's record has one subscription: that of the protocol which was chosen. */
static struct bytes subscription_of(const struct group_member *member, struct kafka_string name)
{
    struct bytes_reader r = bytes_reader_of(member->protocols);
    struct group_protocol protocol;
    for (unsigned i = 0; i < member->protocol_count; i++) {
        group_protocol_read(&r, &protocol);
        if (kafka_string_is_equal(protocol.name, name))
            return protocol.metadata;
    }
    return KAFKA_BYTES_EMPTY;
}

static void put_member(struct kafka_writer *w, const struct group_member *member,
                       struct kafka_string protocol_name)
{
    kafka_write_string(w, member->member_id, false);
    kafka_write_string(w, member->instance_id, true);
    kafka_write_string(w, member->client_id, false);
    kafka_write_string(w, member->client_host, false);
    kafka_write_int32(w, member->rebalance_timeout_ms);
    kafka_write_int32(w, member->session_timeout_ms);
    kafka_write_bytes(w, subscription_of(member, protocol_name), false);
    kafka_write_bytes(w, member->assignment, false);
}

void group_record_membership(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                             const struct group_membership *membership, int64_t now_ms)
{
    struct kafka_writer key, value;
    struct bytes_reader r = bytes_reader_of(membership->members);
    struct group_member member;
    struct kafka_string protocol_type = membership->protocol_type;
    if (kafka_string_is_null(protocol_type))
        protocol_type = kafka_string_of("");
    put_group_key(&key, group_id);
    begin(&value, GROUP_VALUE_VERSION);
    kafka_write_string(&value, protocol_type, false);
    kafka_write_int32(&value, membership->generation);
    kafka_write_string(&value, membership->protocol_name, true);
    kafka_write_string(&value, membership->leader, true);
    kafka_write_int64(&value, now_ms);
    kafka_write_count(&value, (int32_t)membership->member_count, false);
    for (uint32_t i = 0; i < membership->member_count; i++) {
        group_member_read(&r, &member);
        put_member(&value, &member, membership->protocol_name);
    }
    append(b, now_ms, &key, &value);
}

void group_record_group_gone(struct kafka_record_batch_builder *b, struct kafka_string group_id,
                             int64_t now_ms)
{
    struct kafka_writer key;
    put_group_key(&key, group_id);
    append(b, now_ms, &key, NULL);
}
