/* Where each leader epoch began (KIP-101): a short sorted list, one entry per leadership. */
#ifndef LOG_EPOCH_TABLE_H
#define LOG_EPOCH_TABLE_H

#include <stdint.h>

#include "base/bytes.h"

struct log_epoch {
    int32_t epoch;
    int64_t start_offset; /* its first offset */
};

struct log_epoch_table {
    struct log_epoch *entries; /* epoch and start_offset both rise strictly */
    unsigned count, capacity;
};

#define LOG_EPOCH_ENCODED_SIZE 12

void log_epoch_table_close(struct log_epoch_table *t);

/* Notes that a batch of `epoch` begins at `offset`. 0 or UV_ENOMEM. */
int log_epoch_table_add(struct log_epoch_table *t, int32_t epoch, int64_t offset);

/* The newest epoch, -1 when there is none. */
int32_t log_epoch_table_last(const struct log_epoch_table *t);

/* As log_partition_epoch_end. */
void log_epoch_table_end(const struct log_epoch_table *t, int32_t epoch, int64_t next_offset,
                         int32_t *epoch_found, int64_t *end_offset);

/* The epoch that `offset` belongs to and where that epoch ends (INT64_MAX for the newest). */
int32_t log_epoch_table_at(const struct log_epoch_table *t, int64_t offset, int64_t *end_offset);

/* The log begins at `start_offset` now: forgets the epochs that ended at or before it. */
void log_epoch_table_trim(struct log_epoch_table *t, int64_t start_offset);

/* `count` entries of LOG_EPOCH_ENCODED_SIZE bytes. Returns the byte after them. */
uint8_t *log_epoch_table_encode(const struct log_epoch_table *t, uint8_t *into);
/* Into an empty table; ERR_MALFORMED or UV_ENOMEM. */
int log_epoch_table_decode(struct log_epoch_table *t, struct bytes_reader *r, uint32_t count);

#endif
