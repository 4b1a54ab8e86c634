/* The inside of the consumer table; shared by its files only. */
#ifndef CLUSTER_CONSUMER_TABLE_PARTS_H
#define CLUSTER_CONSUMER_TABLE_PARTS_H

#include <uthash.h>

#include "cluster/consumer_table.h"

/* A committed offset; texts point behind the struct. */
struct table_offset {
    struct consumer_offset shown;
    size_t bytes;      /* what it counts for */
    UT_hash_handle hh; /* by key */
    size_t key_size;
    uint8_t key[]; /* i32 partition big-endian, topic; then the metadata text */
};

struct table_member {
    struct kafka_string member_id; /* in the membership's body */
    UT_hash_handle hh;
};

struct table_group {
    struct consumer_group shown;
    uint8_t *body; /* the MEMBERSHIP entry that `shown` points into, or NULL */
    size_t body_size;
    struct table_member *members_block; /* one allocation */
    struct table_member *members;       /* by id */
    struct table_offset *offsets;       /* by topic and partition */
    size_t offset_bytes;
    UT_hash_handle hh; /* by id */
    char id[];
};

struct consumer_table {
    struct table_group *groups;
    size_t bytes;             /* of all groups, offsets, memberships */
    int32_t generation_floor; /* highest generation of any group that was deleted */
    uint64_t metadata_version;
};

struct table_group *table_group_find(const struct consumer_table *t, struct kafka_string id);
/* NULL without memory. The new group begins at the floor. */
struct table_group *table_group_add(struct consumer_table *t, struct kafka_string id);
void table_group_remove(struct consumer_table *t, struct table_group *g);
/* Replaces the membership by a copy of the body, decoded before. 0 or UV_ENOMEM. */
int table_group_set_membership(struct consumer_table *t, struct table_group *g, struct bytes body,
                               int64_t wall_ms);

struct table_offset *table_offset_find(const struct table_group *g, struct kafka_string topic,
                                       int32_t partition);
/* Adds or replaces. 0 or UV_ENOMEM. */
int table_offset_set(struct consumer_table *t, struct table_group *g,
                     const struct consumer_offset *offset);
void table_offset_remove(struct consumer_table *t, struct table_group *g, struct table_offset *o);

/* What an offset of this group counts for; its tombstone is smaller. */
size_t table_offset_bytes(const struct table_group *g, const struct group_offset *offset);

/* In the order of the checkpoint. */
int table_by_group_id(const struct table_group *a, const struct table_group *b);
int table_by_offset_key(const struct table_offset *a, const struct table_offset *b);

#endif
