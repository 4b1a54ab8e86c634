/* The consumer groups of one partition of __consumer_offsets, as its entries made them.
 *
 * A GROUP_STATE entry (cluster/group_entry.h) carries a commit, a membership (one generation's
 * members and assignments), or a deletion. Apply decides; only what it accepted becomes records
 * of the partition, in Kafka's own layout. Every replica keeps the table, so a new coordinator
 * answers at once. Pure; part of the group's checkpoint.
 *
 * Generations never repeat (invariant 13): a number is taken by an entry before any member hears
 * of it, and a group that is made again starts above all that were ever taken here. */
#ifndef CLUSTER_CONSUMER_TABLE_H
#define CLUSTER_CONSUMER_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "cluster/group_entry.h"

#define CONSUMER_GROUP_ID_SIZE_MAX 1024
#define CONSUMER_GROUP_BYTES_MAX   (16u << 20)  /* of one group's offsets */
#define CONSUMER_TABLE_BYTES_MAX   (256u << 20) /* of one table */

struct consumer_table;

int consumer_table_create(struct consumer_table **table);
void consumer_table_destroy(struct consumer_table *t);

/* Applies the body of a GROUP_STATE entry. What it accepted comes back as one uncompressed
 * record batch v2 (base offset 0, timestamps from wall_ms) in *batch, owned (free), with
 * *batch_size 0 when nothing is to be recorded. *error is the verdict: 0, ERR_MALFORMED,
 * ERR_VERSION, ERR_TOO_LARGE, ERR_FULL (the table is full), ERR_NOT_FOUND (no such group),
 * ERR_GROUP_GENERATION, ERR_GROUP_MEMBER, ERR_GROUP_NOT_EMPTY. *detail, the answer for the
 * proposer, is NULL so far (commit policies). Returns 0, or UV_ENOMEM (ends the process). */
int consumer_table_apply(struct consumer_table *t, struct bytes body, int64_t wall_ms, int *error,
                         uint8_t **batch, size_t *batch_size, uint8_t **detail,
                         size_t *detail_size);

int consumer_table_encode(const struct consumer_table *t, uint8_t **bytes, size_t *size);
int consumer_table_decode(struct consumer_table *t, struct bytes from);

/* ---- queries; what they show is valid until the next apply or decode ---- */

struct consumer_group {
    struct kafka_string group_id;
    int32_t generation_taken;           /* the next one is above this */
    int64_t changed_at_ms;              /* wall clock of the last membership */
    bool has_membership;                /* else it has only ever had offsets, or a number taken */
    struct group_membership membership; /* zero when it has none */
    uint32_t offset_count;
};

struct consumer_offset {
    struct group_offset committed;
    int64_t committed_at_ms; /* wall clock */
    int64_t expire_at_ms;    /* -1: by the broker's retention */
};

bool consumer_table_group(const struct consumer_table *t, struct kafka_string group_id,
                          struct consumer_group *group);
/* The next group's generation is above this even when it is new. */
int32_t consumer_table_generation_floor(const struct consumer_table *t);
bool consumer_table_has_member(const struct consumer_table *t, struct kafka_string group_id,
                               struct kafka_string member_id);
bool consumer_table_offset(const struct consumer_table *t, struct kafka_string group_id,
                           struct kafka_string topic, int32_t partition,
                           struct consumer_offset *offset);

typedef void (*consumer_group_cb)(void *data, const struct consumer_group *group);
void consumer_table_each_group(const struct consumer_table *t, consumer_group_cb cb, void *data);
typedef void (*consumer_offset_cb)(void *data, const struct consumer_offset *offset);
void consumer_table_each_offset(const struct consumer_table *t, struct kafka_string group_id,
                                consumer_offset_cb cb, void *data);

/* The newest metadata in which a committed offset's topic was seen. Who knows at least this
 * version and not the topic knows that it was deleted. */
uint64_t consumer_table_metadata_version(const struct consumer_table *t);
size_t consumer_table_bytes(const struct consumer_table *t);

#endif
