/* What GROUP_STATE entries do to the table, and the records that tell of it.
 *
 * The coordinator checks before it proposes; here the same is checked again against the state
 * that earlier entries made, and only this counts: a commit that was proposed under a membership
 * which another entry has ended meanwhile is refused on every replica alike. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/group_record.h"
#include "consumer/subscription.h"
#include "consumer/table_parts.h"

#define RETENTION_MS_LEAST 60000 /* what offsets.retention.minutes may be at least */

#define BATCH_BYTES_MAX (4u * GROUP_ENTRY_BYTES_MAX)

bool table_group_has_members(const struct table_group *g)
{
    return g != NULL && g->shown.membership.member_count > 0;
}

int table_find_or_add(struct application *a, struct kafka_string group_id,
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

/* An act of somebody who is no member. `o` NULL: about the group. */
static int record_act(struct application *a, struct table_group *g, struct table_offset *o,
                      enum history_kind kind, const struct group_actor *actor, int64_t old_value,
                      int64_t new_value)
{
    struct history_line act = {
        .kind = kind,
        .first_at_ms = a->wall_ms,
        .last_at_ms = a->wall_ms,
        .count = 1,
        .generation = -1,
        .member_id = kafka_string_of(""),
        .client_id = actor->client_id,
        .client_host = actor->client_host,
        .topic = o == NULL ? kafka_string_of("") : o->shown.committed.topic,
        .partition = o == NULL ? -1 : o->shown.committed.partition,
        .old_offset = old_value,
        .new_offset = new_value,
    };
    return table_history_add(a->table, g->shown.group_id, &act, o) < 0 ? UV_ENOMEM : 0;
}

/* ---- generations and members ---- */

/* Nothing is recorded: Kafka has no such record, and no reader needs it. */
static int apply_generation(struct application *a, const struct group_entry *entry)
{
    struct table_group *g = table_group_find(a->table, entry->group_id);
    int32_t taken = g == NULL ? a->table->generation_floor : g->shown.generation_taken;
    if (entry->generation <= taken)
        return ERR_GROUP_GENERATION;
    int err = table_find_or_add(a, entry->group_id, &g);
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
    if (entry->membership.member_count > 0 && body.size > g->body_size &&
        a->table->bytes + body.size - g->body_size > CONSUMER_TABLE_BYTES_MAX)
        return ERR_FULL; /* one that needs no more than the former always fits */
    if (table_group_set_membership(a->table, g, body, a->wall_ms) != 0)
        return UV_ENOMEM;
    group_record_membership(&a->records, g->shown.group_id, &g->shown.membership, a->wall_ms);
    return 0;
}

/* ---- deletions ---- */

static int remove_offset(struct application *a, struct table_group *g, struct table_offset *o,
                         enum history_kind kind, const struct group_actor *actor)
{
    int err = record_act(a, g, o, kind, actor, o->shown.committed.offset, -1);
    group_record_offset_gone(&a->records, g->shown.group_id, o->shown.committed.topic,
                             o->shown.committed.partition, a->wall_ms);
    table_offset_remove(a->table, g, o);
    return err;
}

/* Clocks of entries stand still while a leader's clock is behind: a commit may be as old, to the
 * millisecond, as the one that the coordinator saw, and not be over. */
static bool may_be_over(const struct application *a, const struct table_offset *o)
{
    if (o->shown.expire_at_ms >= 0)
        return a->wall_ms >= o->shown.expire_at_ms;
    return a->wall_ms - o->shown.committed_at_ms >= RETENTION_MS_LEAST;
}

static bool is_meant(const struct table_offset *o, const struct group_removal *removal)
{
    static const uint8_t any[16];
    return o->shown.committed_at_ms <= removal->committed_at_ms_max &&
           (memcmp(removal->topic_id, any, sizeof any) == 0 ||
            memcmp(removal->topic_id, o->shown.committed.topic_id, sizeof any) == 0);
}

static int remove_offsets(struct application *a, struct table_group *g,
                          const struct group_offsets_delete *deletion,
                          const struct subscription_topics *kept)
{
    static const enum history_kind kinds[] = {
        [GROUP_OFFSET_ASKED] = HISTORY_DELETED,
        [GROUP_OFFSET_EXPIRED] = HISTORY_EXPIRED,
        [GROUP_OFFSET_TOPIC_GONE] = HISTORY_TOPIC_GONE,
    };
    struct bytes_reader r = bytes_reader_of(deletion->offsets);
    struct group_removal removal;
    for (uint32_t i = 0; i < deletion->offset_count; i++) {
        group_removal_read(&r, &removal);
        struct table_offset *o = table_offset_find(g, removal.topic, removal.partition);
        if (o == NULL || !is_meant(o, &removal) ||
            (deletion->reason == GROUP_OFFSET_EXPIRED && !may_be_over(a, o)) ||
            (kept != NULL && subscription_topics_has(kept, removal.topic)))
            continue;
        if (remove_offset(a, g, o, kinds[deletion->reason], &deletion->actor) != 0)
            return UV_ENOMEM;
    }
    return 0;
}

/* What expires is of no topic that a member reads, by the members that there are now: the next
 * generation may have come since the coordinator looked. */
static int apply_offsets_delete(struct application *a, const struct group_entry *entry)
{
    const struct group_offsets_delete *deletion = &entry->offsets_delete;
    struct table_group *g = table_group_find(a->table, entry->group_id);
    struct subscription_topics *kept = NULL;
    if (g == NULL)
        return ERR_NOT_FOUND;
    if (deletion->reason == GROUP_OFFSET_EXPIRED && table_group_has_members(g)) {
        int err = subscription_topics_create(&g->shown.membership, &kept);
        if (err != 0)
            return err == UV_ENOMEM ? err : ERR_GROUP_NOT_EMPTY;
    }
    int err = remove_offsets(a, g, deletion, kept);
    subscription_topics_destroy(kept);
    return err;
}

static bool is_bare(const struct table_group *g)
{
    return g->offsets == NULL && g->shown.policy == GROUP_POLICY_DEFAULT;
}

static int apply_delete(struct application *a, const struct group_entry *entry)
{
    struct table_group *g = table_group_find(a->table, entry->group_id);
    if (g == NULL)
        return ERR_NOT_FOUND;
    if (table_group_has_members(g) || (entry->deletion.is_only_when_bare && !is_bare(g)))
        return ERR_GROUP_NOT_EMPTY;
    HASH_SRT(hh, g->offsets, table_by_offset_key); /* the same records on every replica */
    while (g->offsets != NULL)
        if (remove_offset(a, g, g->offsets, HISTORY_DELETED, &entry->deletion.actor) != 0)
            return UV_ENOMEM;
    if (g->shown.has_membership)
        group_record_group_gone(&a->records, g->shown.group_id, a->wall_ms);
    table_group_remove(a->table, g);
    return 0;
}

/* ---- policy, history ---- */

/* Kafka has no record of this, and no reader of __consumer_offsets needs one. */
static int apply_policy(struct application *a, const struct group_entry *entry)
{
    struct table_group *g;
    int err = table_find_or_add(a, entry->group_id, &g);
    if (err != 0)
        return err;
    enum group_policy before = g->shown.policy;
    g->shown.policy = entry->policy_change.policy;
    return before == g->shown.policy
               ? 0
               : record_act(a, g, NULL, HISTORY_POLICY, &entry->policy_change.actor,
                            (int64_t)before, (int64_t)g->shown.policy);
}

/* ---- */

static int apply_kind(struct application *a, const struct group_entry *entry, struct bytes body)
{
    switch (entry->kind) {
    case GROUP_ENTRY_COMMIT:
        return table_apply_commit(a, entry);
    case GROUP_ENTRY_GENERATION:
        return apply_generation(a, entry);
    case GROUP_ENTRY_MEMBERSHIP:
        return apply_membership(a, entry, body);
    case GROUP_ENTRY_OFFSETS_DELETE:
        return apply_offsets_delete(a, entry);
    case GROUP_ENTRY_DELETE:
        return apply_delete(a, entry);
    case GROUP_ENTRY_POLICY:
        return apply_policy(a, entry);
    case GROUP_ENTRY_FORGET:
        table_history_forget(a->table, entry->forget_before_ms);
        return 0;
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
    *detail = a.detail;
    *detail_size = a.detail_size;
    return err;
}
