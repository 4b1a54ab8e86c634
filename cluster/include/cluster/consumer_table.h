/* The consumer groups of one partition of __consumer_offsets, as its entries made them.
 *
 * A GROUP_STATE entry carries a commit, a membership (one generation's members and assignments),
 * or a deletion. Apply decides; only what it accepted becomes records of the partition, in
 * Kafka's own layout. Every replica keeps the table, so a new coordinator answers at once.
 * Pure; part of the group's checkpoint. */
#ifndef CLUSTER_CONSUMER_TABLE_H
#define CLUSTER_CONSUMER_TABLE_H

#include <stdint.h>

#include "base/bytes.h"

struct consumer_table;

int consumer_table_create(struct consumer_table **table);
void consumer_table_destroy(struct consumer_table *t);

/* Applies the body of a GROUP_STATE entry. What it accepted comes back as one uncompressed
 * record batch v2 (base offset 0, timestamps from wall_ms) in *batch, owned (free), with
 * *batch_size 0 when nothing is to be recorded. *error is the verdict (0 or an ERR_ code), *detail the
 * answer for the proposer (owned, free; may be NULL). Returns 0, or UV_ENOMEM (ends the process). */
int consumer_table_apply(struct consumer_table *t, struct bytes body, int64_t wall_ms, int *error,
                         uint8_t **batch, size_t *batch_size, uint8_t **detail,
                         size_t *detail_size);

int consumer_table_encode(const struct consumer_table *t, uint8_t **bytes, size_t *size);
int consumer_table_decode(struct consumer_table *t, struct bytes from);

#endif
