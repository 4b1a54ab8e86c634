/* What GROUP_STATE entries do to the table, and the records that tell of it.
 *
 * The coordinator checks before it proposes; here the same is checked again against the state
 * that earlier entries made, and only this counts: a commit that was proposed under a membership
 * which another entry has ended meanwhile is refused on every replica alike. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/group_record.h"
#include "consumer/table_parts.h"

#define BATCH_BYTES_MAX (4u * GROUP_ENTRY_BYTES_MAX)
#define TOPIC_SIZE_MAX  249 /* Kafka's */

struct application {
    struct consumer_table *table;
    int64_t wall_ms;
    struct kafka_record_batch_builder records;
};

/* A verdict is returned as it stands; UV_ENOMEM is not one. */

static bool has_members(const struct table_group *g)
{
    return g != NULL && g->shown.membership.member_count > 0;
}

static int find_or_add(struct application *a, struct kafka_string group_id,
                       struct table_group **group)
{
    *group = table_group_find(a->table, group_id);
    if (*group != NULL)
        return 0;
    if (a->table->bytes > CONSUMER_TABLE_BYTES_MAX)
        return ERR_FULL;
    *group = table_group_add(a->table, group_id);
    return *group == NULL ? UV_ENOMEM : 0;
}

/* ---- commits ---- */

static int check_committer(const struct consumer_table *t, struct kafka_string group_id,
                           const struct group_commit *commit)
{
    const struct table_group *g = table_group_find(t, group_id);
    if (commit->generation < 0)
        return has_members(g) ? ERR_GROUP_MEMBER : 0;
    if (!has_members(g) || g->shown.membership.generation != commit->generation)
        return ERR_GROUP_GENERATION;
    return consumer_table_has_member(t, group_id, commit->member_id) ? 0 : ERR_GROUP_MEMBER;
}

static int check_room(const struct consumer_table *t, struct kafka_string group_id,
                      const struct group_commit *commit)
{
    struct table_group unknown = {.shown.group_id = group_id};
    const struct table_group *g = table_group_find(t, group_id);
    struct bytes_reader r = bytes_reader_of(commit->offsets);
    struct group_offset offset;
    size_t bytes = 0; /* as if all were new: a little too much near the limit harms nobody */
    for (uint32_t i = 0; i < commit->offset_count; i++) {
        group_offset_read(&r, &offset);
        if (offset.topic.size > TOPIC_SIZE_MAX)
            return ERR_MALFORMED;
        bytes += table_offset_bytes(g == NULL ? &unknown : g, &offset);
    }
    size_t held = g == NULL ? 0 : g->offset_bytes;
    return held + bytes > CONSUMER_GROUP_BYTES_MAX || t->bytes + bytes > CONSUMER_TABLE_BYTES_MAX
               ? ERR_FULL
               : 0;
}

static int apply_offsets(struct application *a, struct table_group *g,
                         const struct group_commit *commit)
{
    struct bytes_reader r = bytes_reader_of(commit->offsets);
    struct consumer_offset offset = {.committed_at_ms = a->wall_ms,
                                     .expire_at_ms = commit->expire_at_ms};
    for (uint32_t i = 0; i < commit->offset_count; i++) {
        group_offset_read(&r, &offset.committed);
        if (table_offset_set(a->table, g, &offset) != 0)
            return UV_ENOMEM;
        group_record_offset(&a->records, g->shown.group_id, &offset.committed, a->wall_ms,
                            commit->expire_at_ms);
    }
    return 0;
}

static int apply_commit(struct application *a, const struct group_entry *entry)
{
    struct table_group *g;
    int err = check_committer(a->table, entry->group_id, &entry->commit);
    if (err == 0)
        err = check_room(a->table, entry->group_id, &entry->commit);
    if (err == 0)
        err = find_or_add(a, entry->group_id, &g);
    if (err != 0)
        return err;
    if (entry->commit.metadata_version > a->table->metadata_version)
        a->table->metadata_version = entry->commit.metadata_version;
    return apply_offsets(a, g, &entry->commit);
}

/* ---- generations and members ---- */

/* Nothing is recorded: Kafka has no such record, and no reader needs it. */
static int apply_generation(struct application *a, const struct group_entry *entry)
{
    struct table_group *g = table_group_find(a->table, entry->group_id);
    int32_t taken = g == NULL ? a->table->generation_floor : g->shown.generation_taken;
    if (entry->generation <= taken)
        return ERR_GROUP_GENERATION;
    int err = find_or_add(a, entry->group_id, &g);
    if (err == 0)
        g->shown.generation_taken = entry->generation;
    return err;
}

/* The same generation again is a static member replaced (KIP-345): assignments stay. */
static int apply_membership(struct application *a, const struct group_entry *entry,
                            struct bytes body)
{
    struct table_group *g = table_group_find(a->table, entry->group_id);
    if (g == NULL)
        return ERR_NOT_FOUND;
    if (entry->membership.generation > g->shown.generation_taken ||
        entry->membership.generation < g->shown.membership.generation)
        return ERR_GROUP_GENERATION;
    if (entry->membership.member_count > 0 &&
        a->table->bytes + body.size > CONSUMER_TABLE_BYTES_MAX)
        return ERR_FULL;
    if (table_group_set_membership(a->table, g, body, a->wall_ms) != 0)
        return UV_ENOMEM;
    group_record_membership(&a->records, g->shown.group_id, &g->shown.membership, a->wall_ms);
    return 0;
}

/* ---- deletions ---- */

static void remove_offset(struct application *a, struct table_group *g, struct table_offset *o)
{
    group_record_offset_gone(&a->records, g->shown.group_id, o->shown.committed.topic,
                             o->shown.committed.partition, a->wall_ms);
    table_offset_remove(a->table, g, o);
}

static bool is_meant(const struct table_offset *o, const struct group_removal *removal)
{
    static const uint8_t any[16];
    return o->shown.committed_at_ms <= removal->committed_at_ms_max &&
           (memcmp(removal->topic_id, any, sizeof any) == 0 ||
            memcmp(removal->topic_id, o->shown.committed.topic_id, sizeof any) == 0);
}

static int apply_offsets_delete(struct application *a, const struct group_entry *entry)
{
    struct table_group *g = table_group_find(a->table, entry->group_id);
    struct bytes_reader r = bytes_reader_of(entry->offsets_delete.offsets);
    struct group_removal removal;
    if (g == NULL)
        return ERR_NOT_FOUND;
    if (entry->offsets_delete.reason == GROUP_OFFSET_EXPIRED && has_members(g))
        return ERR_GROUP_NOT_EMPTY;
    for (uint32_t i = 0; i < entry->offsets_delete.offset_count; i++) {
        group_removal_read(&r, &removal);
        struct table_offset *o = table_offset_find(g, removal.topic, removal.partition);
        if (o != NULL && is_meant(o, &removal))
            remove_offset(a, g, o);
    }
    return 0;
}

static int apply_delete(struct application *a, const struct group_entry *entry)
{
    struct table_group *g = table_group_find(a->table, entry->group_id);
    if (g == NULL)
        return ERR_NOT_FOUND;
    if (has_members(g) || (entry->is_only_when_bare && g->offsets != NULL))
        return ERR_GROUP_NOT_EMPTY;
    HASH_SRT(hh, g->offsets, table_by_offset_key); /* the same records on every replica */
    while (g->offsets != NULL)
        remove_offset(a, g, g->offsets);
    if (g->shown.has_membership)
        group_record_group_gone(&a->records, g->shown.group_id, a->wall_ms);
    table_group_remove(a->table, g);
    return 0;
}

/* ---- */

static int apply_kind(struct application *a, const struct group_entry *entry, struct bytes body)
{
    switch (entry->kind) {
    case GROUP_ENTRY_COMMIT:
        return apply_commit(a, entry);
    case GROUP_ENTRY_GENERATION:
        return apply_generation(a, entry);
    case GROUP_ENTRY_MEMBERSHIP:
        return apply_membership(a, entry, body);
    case GROUP_ENTRY_OFFSETS_DELETE:
        return apply_offsets_delete(a, entry);
    case GROUP_ENTRY_DELETE:
        return apply_delete(a, entry);
    case GROUP_ENTRY_POLICY:
        break;
    }
    return ERR_MALFORMED;
}

static int take_batch(struct application *a, uint8_t **batch, size_t *batch_size)
{
    struct slice finished;
    if (a->records.head.record_count == 0 && a->records.records.err == 0)
        return 0;
    if (kafka_record_batch_builder_finish(&a->records, &finished) != 0)
        return UV_ENOMEM; /* sizes were checked: only memory can be missing */
    *batch = malloc(finished.bytes.size);
    if (*batch != NULL) {
        memcpy(*batch, finished.bytes.data, finished.bytes.size);
        *batch_size = finished.bytes.size;
    }
    slice_unref(&finished);
    return *batch == NULL ? UV_ENOMEM : 0;
}

int consumer_table_apply(struct consumer_table *t, struct bytes body, int64_t wall_ms, int *error,
                         uint8_t **batch, size_t *batch_size, uint8_t **detail, size_t *detail_size)
{
    struct application a = {.table = t, .wall_ms = wall_ms};
    struct group_entry entry;
    *batch = *detail = NULL;
    *batch_size = *detail_size = 0;
    *error = body.size > GROUP_ENTRY_BYTES_MAX ? ERR_TOO_LARGE : group_entry_decode(body, &entry);
    if (*error == 0 && entry.group_id.size > CONSUMER_GROUP_ID_SIZE_MAX)
        *error = ERR_TOO_LARGE;
    if (*error != 0)
        return 0;
    kafka_record_batch_builder_init(&a.records, BATCH_BYTES_MAX);
    *error = apply_kind(&a, &entry, body);
    int err = *error == UV_ENOMEM ? UV_ENOMEM : take_batch(&a, batch, batch_size);
    kafka_record_batch_builder_close(&a.records);
    return err;
}
