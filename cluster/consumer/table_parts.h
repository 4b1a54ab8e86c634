/* The inside of the consumer table; shared by its files only. */
#ifndef CLUSTER_CONSUMER_TABLE_PARTS_H
#define CLUSTER_CONSUMER_TABLE_PARTS_H

#include <uthash.h>

#include "cluster/consumer_table.h"
#include "protocol/record_batch_builder.h"

/* Lines of the history by what they are worth. */
enum line_class {
    LINE_PLAIN,  /* went forward */
    LINE_MARKED, /* everything else */
    LINE_CLASS_COUNT
};

struct table_line {
    struct history_line shown; /* texts point behind the struct */
    struct table_history *history;
    struct table_offset *offset; /* whose next act may be added to it; NULL: nobody's */
    enum line_class of_class;
    uint64_t number;                              /* rises with age; not part of the state */
    size_t bytes;                                 /* what it counts for */
    struct table_line *older, *newer;             /* of the group's class */
    struct table_line *table_older, *table_newer; /* of the table's class */
    char texts[];
};

struct table_lines {
    struct table_line *first; /* the oldest */
    size_t count, bytes;
};

/* The lines of one group, which may be gone. */
struct table_history {
    struct table_lines lines[LINE_CLASS_COUNT];
    UT_hash_handle hh; /* by id */
    int32_t id_size;
    char id[];
};

/* A committed offset; texts point behind the struct. */
struct table_offset {
    struct consumer_offset shown;
    struct table_line *lines[LINE_CLASS_COUNT]; /* that its next act may be added to, or NULL */
    size_t bytes;                               /* what it counts for */
    UT_hash_handle hh;                          /* by key */
    size_t key_size;
    uint8_t key[]; /* i32 partition big-endian, topic; then the metadata text and the member id */
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
    struct table_history *histories;            /* by group id */
    struct table_lines lines[LINE_CLASS_COUNT]; /* of all groups */
    uint64_t next_number;                       /* of lines */
};

/* One entry being applied. */
struct application {
    struct consumer_table *table;
    int64_t wall_ms;
    struct kafka_record_batch_builder records;
    uint8_t *detail; /* what the proposer is told, or NULL */
    size_t detail_size;
};

/* table_apply.c. A verdict is returned as it stands; UV_ENOMEM is not one. */
bool table_group_has_members(const struct table_group *g); /* also of NULL */
int table_find_or_add(struct application *a, struct kafka_string group_id,
                      struct table_group **group);

/* table_commit.c */
int table_apply_commit(struct application *a, const struct group_entry *entry);

/* table_history.c */
/* Adds an act: to the offset's line that goes on, or as a line of its own. `offset` may be NULL.
 * 1: a line of its own; 0; or UV_ENOMEM. */
int table_history_add(struct consumer_table *t, struct kafka_string group_id,
                      const struct history_line *act, struct table_offset *offset);
/* Nothing will be added to the offset's lines. */
void table_history_end(struct table_offset *o);
void table_history_forget(struct consumer_table *t, int64_t before_ms);
void table_history_clear(struct consumer_table *t);
struct byte_list;
void table_history_put(struct byte_list *list, const struct consumer_table *t);
int table_history_read(struct consumer_table *t, struct bytes_reader *r);

struct table_group *table_group_find(const struct consumer_table *t, struct kafka_string id);
/* NULL without memory. The new group begins at the floor. */
struct table_group *table_group_add(struct consumer_table *t, struct kafka_string id);
void table_group_remove(struct consumer_table *t, struct table_group *g);
/* Replaces the membership by a copy of the body, decoded before. 0 or UV_ENOMEM. */
int table_group_set_membership(struct consumer_table *t, struct table_group *g, struct bytes body,
                               int64_t wall_ms);

struct table_offset *table_offset_find(const struct table_group *g, struct kafka_string topic,
                                       int32_t partition);
/* Adds, or replaces `old`, which is what table_offset_find() finds. NULL without memory. */
struct table_offset *table_offset_set(struct consumer_table *t, struct table_group *g,
                                      struct table_offset *old,
                                      const struct consumer_offset *offset);
void table_offset_remove(struct consumer_table *t, struct table_group *g, struct table_offset *o);

/* What an offset of this group counts for; its tombstone is smaller. */
size_t table_offset_bytes(const struct table_group *g, const struct group_offset *offset,
                          struct kafka_string member_id);

/* In the order of the checkpoint. */
int table_by_group_id(const struct table_group *a, const struct table_group *b);
int table_by_offset_key(const struct table_offset *a, const struct table_offset *b);

#endif
