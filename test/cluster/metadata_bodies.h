/* Metadata changes for tests, and a state that applies them. */
#ifndef TEST_CLUSTER_METADATA_BODIES_H
#define TEST_CLUSTER_METADATA_BODIES_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/random.h"
#include "cluster/metadata.h"

#define BODY_NODES       3
#define BODY_DATA_GROUPS 12

/* A state and the index of its last change. */
struct meta {
    struct metadata *m;
    uint64_t index;
    int64_t wall_ms; /* of the next change */
};

static inline struct metadata_result meta_apply_bytes(struct meta *t, struct bytes body)
{
    struct metadata_result result;
    cr_assert_eq(metadata_apply(t->m, ++t->index, t->wall_ms, body, &result), 0);
    cr_assert_eq(result.index, t->index);
    return result;
}

static inline struct metadata_result meta_apply(struct meta *t, const struct metadata_change *c)
{
    uint8_t *body;
    size_t size;
    cr_assert_eq(metadata_change_encode(c, &body, &size), 0);
    struct metadata_result result = meta_apply_bytes(t, bytes_of(body, size));
    free(body);
    return result;
}

static inline int meta_found(struct meta *t)
{
    struct metadata_group groups[1 + BODY_DATA_GROUPS] = {0};
    for (unsigned i = 0; i <= BODY_DATA_GROUPS; i++)
        groups[i] = (struct metadata_group){.group_id = i,
                                            .preferred_node_id = 1 + i % BODY_NODES,
                                            .next_partition_number = 1,
                                            .node_count = BODY_NODES,
                                            .node_ids = {1, 2, 3}};
    struct metadata_change change = {.kind = METADATA_CLUSTER,
                                     .id = "cluster of tests",
                                     .groups = groups,
                                     .group_count = 1 + BODY_DATA_GROUPS};
    return meta_apply(t, &change).error;
}

static inline struct meta meta_create(void)
{
    struct meta t = {0};
    cr_assert_eq(metadata_create(&t.m), 0);
    return t;
}

static inline struct meta meta_founded(void)
{
    struct meta t = meta_create();
    cr_assert_eq(meta_found(&t), 0);
    return t;
}

/* Topic ids are the name's number in their first bytes. */
static inline struct metadata_change topic_change(enum metadata_change_kind kind, uint32_t number)
{
    struct metadata_change change = {.kind = kind};
    bytes_put_le32(change.id, number);
    return change;
}

static inline int meta_topic_create(struct meta *t, uint32_t number, const char *name,
                                    int32_t partition_count)
{
    struct metadata_change change = topic_change(METADATA_TOPIC_CREATE, number);
    change.name = name;
    change.partition_count = partition_count;
    change.replication_factor = 3;
    return meta_apply(t, &change).error;
}

static inline int meta_topic_delete(struct meta *t, uint32_t number)
{
    struct metadata_change change = topic_change(METADATA_TOPIC_DELETE, number);
    return meta_apply(t, &change).error;
}

static inline int meta_topic_partitions(struct meta *t, uint32_t number, int32_t count)
{
    struct metadata_change change = topic_change(METADATA_TOPIC_PARTITIONS, number);
    change.partition_count = count;
    return meta_apply(t, &change).error;
}

static inline const struct metadata_topic *meta_topic(const struct meta *t, const char *name)
{
    return metadata_topic_by_name(t->m, name, strlen(name));
}

/* The whole state as bytes; owned (free). */
static inline struct bytes meta_bytes(const struct metadata *m)
{
    uint8_t *bytes;
    size_t size;
    cr_assert_eq(metadata_encode(m, &bytes, &size), 0);
    return bytes_of(bytes, size);
}

#endif
