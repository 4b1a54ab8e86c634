/* The consumer table's memory and its questions.
 *
 * A membership is kept as the entry's body and shown by pointers into it: thousands of members
 * are one allocation. What is kept is counted, so that no client can make a table grow without
 * end; the count follows from the state alone and is the same on every replica. */
#include "cluster/consumer_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/table_parts.h"

#define GROUP_OVERHEAD_BYTES  256
#define OFFSET_OVERHEAD_BYTES 256
#define MEMBER_OVERHEAD_BYTES sizeof(struct table_member)

int consumer_table_create(struct consumer_table **table)
{
    *table = calloc(1, sizeof **table);
    return *table == NULL ? UV_ENOMEM : 0;
}

void consumer_table_destroy(struct consumer_table *t)
{
    if (t == NULL)
        return;
    while (t->groups != NULL)
        table_group_remove(t, t->groups);
    table_history_clear(t);
    free(t);
}

/* ---- groups ---- */

struct table_group *table_group_find(const struct consumer_table *t, struct kafka_string id)
{
    struct table_group *g = NULL;
    if (id.size >= 0)
        HASH_FIND(hh, t->groups, id.data, (unsigned)id.size, g);
    return g;
}

struct table_group *table_group_add(struct consumer_table *t, struct kafka_string id)
{
    struct table_group *g = calloc(1, sizeof *g + (size_t)id.size);
    if (g == NULL)
        return NULL;
    if (id.size > 0)
        memcpy(g->id, id.data, (size_t)id.size);
    g->shown.group_id = (struct kafka_string){.data = g->id, .size = id.size};
    g->shown.generation_taken = t->generation_floor;
    HASH_ADD_KEYPTR(hh, t->groups, g->id, (unsigned)id.size, g);
    t->bytes += GROUP_OVERHEAD_BYTES + (size_t)id.size;
    return g;
}

static size_t membership_bytes(const struct table_group *g)
{
    return g->body_size + g->shown.membership.member_count * MEMBER_OVERHEAD_BYTES;
}

static void drop_membership(struct consumer_table *t, struct table_group *g)
{
    t->bytes -= membership_bytes(g);
    HASH_CLEAR(hh, g->members);
    free(g->members_block);
    free(g->body);
    g->members_block = NULL;
    g->body = NULL;
    g->body_size = 0;
    g->shown.has_membership = false;
    g->shown.membership = (struct group_membership){0};
}

void table_group_remove(struct consumer_table *t, struct table_group *g)
{
    while (g->offsets != NULL)
        table_offset_remove(t, g, g->offsets);
    drop_membership(t, g);
    if (g->shown.generation_taken > t->generation_floor)
        t->generation_floor = g->shown.generation_taken;
    t->bytes -= GROUP_OVERHEAD_BYTES + (size_t)g->shown.group_id.size;
    HASH_DEL(t->groups, g);
    free(g);
}

static int32_t raised(int32_t generation, int32_t by)
{
    return generation <= INT32_MAX - by ? generation + by : generation;
}

/* What an old client has said itself of how long its offset is to be kept counts from here, too:
 * while there were members it did not count at all. */
static void keep_from(struct table_group *g, int64_t wall_ms)
{
    g->shown.changed_at_ms = wall_ms;
    for (struct table_offset *o = g->offsets; o != NULL; o = o->hh.next) {
        int64_t kept_ms = o->shown.expire_at_ms - o->shown.committed_at_ms;
        if (o->shown.expire_at_ms >= 0 && wall_ms > o->shown.committed_at_ms && kept_ms > 0 &&
            kept_ms <= INT64_MAX - wall_ms)
            o->shown.expire_at_ms = wall_ms + kept_ms;
    }
}

void consumer_table_stride(struct consumer_table *t, int32_t generations, int64_t wall_ms)
{
    for (struct table_group *g = t->groups; g != NULL; g = g->hh.next) {
        if (g->shown.membership.member_count > 0)
            keep_from(g, wall_ms);
        drop_membership(t, g);
        g->shown.generation_taken = raised(g->shown.generation_taken, generations);
    }
    t->generation_floor = raised(t->generation_floor, generations);
}

static void index_members(struct table_group *g)
{
    struct bytes_reader r = bytes_reader_of(g->shown.membership.members);
    struct group_member member;
    for (uint32_t i = 0; i < g->shown.membership.member_count; i++) {
        struct table_member *entry = &g->members_block[i];
        struct table_member *same;
        group_member_read(&r, &member);
        entry->member_id = member.member_id;
        HASH_FIND(hh, g->members, member.member_id.data, (unsigned)member.member_id.size, same);
        if (same == NULL) /* a double would be our own bug, and harmless */
            HASH_ADD_KEYPTR(hh, g->members, entry->member_id.data, (unsigned)entry->member_id.size,
                            entry);
    }
}

int table_group_set_membership(struct consumer_table *t, struct table_group *g, struct bytes body,
                               int64_t wall_ms)
{
    struct group_entry entry;
    uint8_t *copy = malloc(body.size);
    if (copy == NULL)
        return UV_ENOMEM;
    memcpy(copy, body.data, body.size);
    if (group_entry_decode(bytes_of(copy, body.size), &entry) != 0)
        abort(); /* it was decoded before */
    struct table_member *block = calloc(entry.membership.member_count + 1, sizeof *block);
    if (block == NULL) {
        free(copy);
        return UV_ENOMEM;
    }
    drop_membership(t, g);
    g->body = copy;
    g->body_size = body.size;
    g->members_block = block;
    g->shown.has_membership = true;
    g->shown.membership = entry.membership;
    g->shown.changed_at_ms = wall_ms;
    t->bytes += membership_bytes(g);
    index_members(g);
    return 0;
}

/* ---- offsets ---- */

size_t table_offset_bytes(const struct table_group *g, const struct group_offset *offset,
                          struct kafka_string member_id)
{
    return OFFSET_OVERHEAD_BYTES + (size_t)g->shown.group_id.size + (size_t)offset->topic.size +
           (size_t)offset->metadata.size + (size_t)member_id.size;
}

static size_t key_of(uint8_t *into, struct kafka_string topic, int32_t partition)
{
    memcpy(bytes_put_be32(into, (uint32_t)partition), topic.data, (size_t)topic.size);
    return 4 + (size_t)topic.size;
}

struct table_offset *table_offset_find(const struct table_group *g, struct kafka_string topic,
                                       int32_t partition)
{
    uint8_t key[4 + GROUP_TEXT_SIZE_MAX];
    struct table_offset *o = NULL;
    if (topic.size > 0 && topic.size <= GROUP_TEXT_SIZE_MAX)
        HASH_FIND(hh, g->offsets, key, (unsigned)key_of(key, topic, partition), o);
    return o;
}

/* Texts of the same sizes are written where the old ones stand: most commits allocate nothing. */
static void fill_offset(struct table_offset *o, const struct consumer_offset *from)
{
    size_t metadata_size = (size_t)from->committed.metadata.size;
    size_t member_size = (size_t)from->member_id.size;
    o->shown = *from;
    o->shown.committed.topic.data = (const char *)o->key + 4;
    o->shown.committed.metadata.data = (const char *)o->key + o->key_size;
    o->shown.member_id.data = (const char *)o->key + o->key_size + metadata_size;
    if (metadata_size > 0)
        memmove(o->key + o->key_size, from->committed.metadata.data, metadata_size);
    if (member_size > 0)
        memmove(o->key + o->key_size + metadata_size, from->member_id.data, member_size);
}

static struct table_offset *create_offset(const struct consumer_offset *from)
{
    const struct group_offset *committed = &from->committed;
    struct table_offset *o = malloc(sizeof *o + 4 + (size_t)committed->topic.size +
                                    (size_t)committed->metadata.size +
                                    (size_t)from->member_id.size);
    if (o == NULL)
        return NULL;
    memset(o, 0, sizeof *o);
    o->key_size = key_of(o->key, committed->topic, committed->partition);
    fill_offset(o, from);
    return o;
}

static void take_lines(struct table_offset *o, struct table_offset *from)
{
    for (unsigned i = 0; i < LINE_CLASS_COUNT; i++) {
        o->lines[i] = from->lines[i];
        if (o->lines[i] != NULL)
            o->lines[i]->offset = o;
        from->lines[i] = NULL;
    }
}

static bool has_same_sizes(const struct consumer_offset *a, const struct consumer_offset *b)
{
    return a->committed.metadata.size == b->committed.metadata.size &&
           a->member_id.size == b->member_id.size;
}

struct table_offset *table_offset_set(struct consumer_table *t, struct table_group *g,
                                      struct table_offset *old,
                                      const struct consumer_offset *offset)
{
    if (old != NULL && has_same_sizes(&old->shown, offset)) {
        fill_offset(old, offset);
        return old;
    }
    struct table_offset *o = create_offset(offset);
    if (o == NULL)
        return NULL;
    if (old != NULL) {
        take_lines(o, old);
        table_offset_remove(t, g, old);
    }
    o->bytes = table_offset_bytes(g, &o->shown.committed, o->shown.member_id);
    HASH_ADD_KEYPTR(hh, g->offsets, o->key, (unsigned)o->key_size, o);
    g->shown.offset_count++;
    g->offset_bytes += o->bytes;
    t->bytes += o->bytes;
    return o;
}

void table_offset_remove(struct consumer_table *t, struct table_group *g, struct table_offset *o)
{
    table_history_end(o);
    HASH_DEL(g->offsets, o);
    g->shown.offset_count--;
    g->offset_bytes -= o->bytes;
    t->bytes -= o->bytes;
    free(o);
}

/* ---- order ---- */

static int compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t shorter = a_size < b_size ? a_size : b_size;
    int order = shorter == 0 ? 0 : memcmp(a, b, shorter);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

int table_by_group_id(const struct table_group *a, const struct table_group *b)
{
    return compare(a->id, (size_t)a->shown.group_id.size, b->id, (size_t)b->shown.group_id.size);
}

int table_by_offset_key(const struct table_offset *a, const struct table_offset *b)
{
    int order = compare(a->key + 4, a->key_size - 4, b->key + 4, b->key_size - 4);
    return order != 0 ? order : memcmp(a->key, b->key, 4);
}

/* ---- queries ---- */

bool consumer_table_group(const struct consumer_table *t, struct kafka_string group_id,
                          struct consumer_group *group)
{
    const struct table_group *g = table_group_find(t, group_id);
    if (g != NULL)
        *group = g->shown;
    return g != NULL;
}

int32_t consumer_table_generation_floor(const struct consumer_table *t)
{
    return t->generation_floor;
}

bool consumer_table_has_member(const struct consumer_table *t, struct kafka_string group_id,
                               struct kafka_string member_id)
{
    const struct table_group *g = table_group_find(t, group_id);
    struct table_member *member = NULL;
    if (g != NULL && member_id.size > 0)
        HASH_FIND(hh, g->members, member_id.data, (unsigned)member_id.size, member);
    return member != NULL;
}

bool consumer_table_offset(const struct consumer_table *t, struct kafka_string group_id,
                           struct kafka_string topic, int32_t partition,
                           struct consumer_offset *offset)
{
    const struct table_group *g = table_group_find(t, group_id);
    const struct table_offset *o = g == NULL ? NULL : table_offset_find(g, topic, partition);
    if (o != NULL)
        *offset = o->shown;
    return o != NULL;
}

void consumer_table_each_group(const struct consumer_table *t, consumer_group_cb cb, void *data)
{
    for (struct table_group *g = t->groups; g != NULL; g = g->hh.next)
        cb(data, &g->shown);
}

void consumer_table_each_offset(const struct consumer_table *t, struct kafka_string group_id,
                                consumer_offset_cb cb, void *data)
{
    const struct table_group *g = table_group_find(t, group_id);
    if (g == NULL)
        return;
    for (struct table_offset *o = g->offsets; o != NULL; o = o->hh.next)
        cb(data, &o->shown);
}

uint64_t consumer_table_metadata_version(const struct consumer_table *t)
{
    return t->metadata_version;
}

size_t consumer_table_bytes(const struct consumer_table *t)
{
    return t->bytes;
}
