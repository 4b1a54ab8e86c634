/* The table as bytes, for checkpoint and shipping; the same state gives the same bytes.
 *
 * u16 version, u16 flags (0), i32 generation floor, u64 metadata version, u32 n groups, then per
 * group, sorted by id: text id, u16 flags (0), i32 generation taken, i64 changed at, u8 policy,
 * bytes body of the last MEMBERSHIP entry (empty: none), u32 n offsets, then per offset, sorted by
 * topic and partition: u16 flags (0), i64 committed at, i64 expire at, i32 generation, text member
 * id, i64 floor, u64 metadata version, and the offset as in a COMMIT entry; then the history
 * (table_history.c). Version 2 had no metadata version of an offset, version 1 neither that nor
 * policies, committers, floors and history. */
#include <stdlib.h>

#include "base/err.h"
#include "consumer/table_parts.h"
#include "state/byte_list.h"

#define SNAPSHOT_VERSION             3
#define SNAPSHOT_VERSION_WITH_RULE   2
#define SNAPSHOT_VERSION_WITH_TOPICS 3

static void put_offset(struct byte_list *list, const struct consumer_offset *offset)
{
    byte_list_put_u16(list, 0);
    byte_list_put_u64(list, (uint64_t)offset->committed_at_ms);
    byte_list_put_u64(list, (uint64_t)offset->expire_at_ms);
    byte_list_put_u32(list, (uint32_t)offset->generation);
    group_text_put(list, offset->member_id);
    byte_list_put_u64(list, (uint64_t)offset->floor);
    byte_list_put_u64(list, offset->metadata_version);
    group_offset_put(list, &offset->committed);
}

static void put_group(struct byte_list *list, struct table_group *g)
{
    group_text_put(list, g->shown.group_id);
    byte_list_put_u16(list, 0);
    byte_list_put_u32(list, (uint32_t)g->shown.generation_taken);
    byte_list_put_u64(list, (uint64_t)g->shown.changed_at_ms);
    byte_list_put_u8(list, (uint8_t)g->shown.policy);
    byte_list_put_bytes(list, bytes_of(g->body, g->body_size));
    byte_list_put_u32(list, g->shown.offset_count);
    HASH_SRT(hh, g->offsets, table_by_offset_key);
    for (struct table_offset *o = g->offsets; o != NULL; o = o->hh.next)
        put_offset(list, &o->shown);
}

int consumer_table_encode(const struct consumer_table *t, uint8_t **bytes, size_t *size)
{
    struct consumer_table *sorted = (struct consumer_table *)(uintptr_t)t; /* order is no state */
    struct byte_list list = {0};
    byte_list_put_u16(&list, SNAPSHOT_VERSION);
    byte_list_put_u16(&list, 0);
    byte_list_put_u32(&list, (uint32_t)t->generation_floor);
    byte_list_put_u64(&list, t->metadata_version);
    byte_list_put_u32(&list, HASH_COUNT(t->groups));
    HASH_SRT(hh, sorted->groups, table_by_group_id);
    for (struct table_group *g = sorted->groups; g != NULL; g = g->hh.next)
        put_group(&list, g);
    table_history_put(&list, t);
    return byte_list_take(&list, bytes, size);
}

/* ---- decoding ---- */

static void read_committer(struct bytes_reader *r, uint16_t version, struct consumer_offset *offset)
{
    offset->generation = -1;
    offset->member_id = kafka_string_of("");
    offset->floor = -1;
    if (version < SNAPSHOT_VERSION_WITH_RULE)
        return;
    offset->generation = (int32_t)bytes_read_le32(r);
    offset->member_id = group_text_read(r, false);
    offset->floor = (int64_t)bytes_read_le64(r);
    if (offset->generation < -1 || offset->floor < -1)
        r->is_bad = true;
}

static int read_offset(struct consumer_table *t, struct table_group *g, uint16_t version,
                       struct bytes_reader *r)
{
    struct consumer_offset offset;
    uint16_t flags = bytes_read_le16(r);
    offset.committed_at_ms = (int64_t)bytes_read_le64(r);
    offset.expire_at_ms = (int64_t)bytes_read_le64(r);
    read_committer(r, version, &offset);
    offset.metadata_version = version < SNAPSHOT_VERSION_WITH_TOPICS ? 0 : bytes_read_le64(r);
    group_offset_read(r, &offset.committed);
    if (r->is_bad || flags != 0 || offset.expire_at_ms < -1 || offset.committed.offset < 0 ||
        table_offset_find(g, offset.committed.topic, offset.committed.partition) != NULL)
        return ERR_MALFORMED;
    return table_offset_set(t, g, NULL, &offset) == NULL ? UV_ENOMEM : 0;
}

static int read_membership(struct consumer_table *t, struct table_group *g, struct bytes body,
                           int64_t changed_at_ms)
{
    struct group_entry entry;
    if (body.size == 0)
        return 0;
    if (group_entry_decode(body, &entry) != 0 || entry.kind != GROUP_ENTRY_MEMBERSHIP ||
        !kafka_string_is_equal(entry.group_id, g->shown.group_id) ||
        entry.membership.generation > g->shown.generation_taken)
        return ERR_MALFORMED;
    return table_group_set_membership(t, g, body, changed_at_ms);
}

static int read_group(struct consumer_table *t, uint16_t version, struct bytes_reader *r)
{
    struct kafka_string id = group_text_read(r, false);
    uint16_t flags = bytes_read_le16(r);
    int32_t generation_taken = (int32_t)bytes_read_le32(r);
    int64_t changed_at_ms = (int64_t)bytes_read_le64(r);
    uint8_t policy = version < SNAPSHOT_VERSION_WITH_RULE ? GROUP_POLICY_DEFAULT : bytes_read_u8(r);
    uint32_t body_size = bytes_read_le32(r);
    struct bytes body = bytes_read(r, body_size);
    uint32_t count = bytes_read_le32(r);
    if (r->is_bad || flags != 0 || generation_taken < 0 || policy >= GROUP_POLICY_COUNT ||
        table_group_find(t, id) != NULL)
        return ERR_MALFORMED;
    struct table_group *g = table_group_add(t, id);
    if (g == NULL)
        return UV_ENOMEM;
    g->shown.generation_taken = generation_taken;
    g->shown.policy = policy;
    g->shown.changed_at_ms = changed_at_ms;
    int err = read_membership(t, g, body, changed_at_ms);
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = read_offset(t, g, version, r);
    return err;
}

static int read_all(struct consumer_table *t, struct bytes_reader *r)
{
    uint16_t version = bytes_read_le16(r);
    if (!r->is_bad && (version == 0 || version > SNAPSHOT_VERSION))
        return ERR_VERSION;
    uint16_t flags = bytes_read_le16(r);
    int32_t generation_floor = (int32_t)bytes_read_le32(r);
    uint64_t metadata_version = bytes_read_le64(r);
    uint32_t count = bytes_read_le32(r);
    if (r->is_bad || flags != 0 || generation_floor < 0)
        return ERR_MALFORMED;
    int err = 0;
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = read_group(t, version, r);
    t->generation_floor = generation_floor;
    t->metadata_version = metadata_version;
    if (err == 0 && version >= SNAPSHOT_VERSION_WITH_RULE)
        err = table_history_read(t, r);
    return err == 0 && (r->is_bad || bytes_reader_left(r) != 0) ? ERR_MALFORMED : err;
}

int consumer_table_decode(struct consumer_table *t, struct bytes from)
{
    struct bytes_reader r = bytes_reader_of(from);
    while (t->groups != NULL)
        table_group_remove(t, t->groups);
    table_history_clear(t);
    t->generation_floor = 0;
    t->metadata_version = 0;
    return from.size == 0 ? 0 : read_all(t, &r);
}
