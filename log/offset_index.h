/* Kafka's .index: entries of <relative offset int32, position int32>, big-endian. */
#ifndef LOG_OFFSET_INDEX_H
#define LOG_OFFSET_INDEX_H

#include <stdint.h>

#include "segment.h"

#define LOG_OFFSET_INDEX_ENTRY_SIZE 8

/* The last offset of a batch and where the batch begins. 0 or UV_ENOMEM. */
int log_offset_index_add(struct log_index_entries *entries, int64_t relative_offset,
                         uint32_t position);

/* Makes room for `size` more bytes and returns where they go, NULL without memory. */
uint8_t *log_index_entries_grow(struct log_index_entries *entries, size_t size);
void log_index_entries_close(struct log_index_entries *entries);

/* The newest entry whose batch ends at or before `offset`: 1 with its values, 0 when there is none,
 * ERR_CORRUPT when the file is missing or short or its entry impossible (the caller then begins at
 * position 0), or a disk error. What it says must be checked against the batch it points to: an
 * index has no checksum that is read here. */
int log_offset_index_lookup(const struct disk *disk, const struct log_partition_id *id,
                            const struct log_segment_meta *meta, int64_t offset,
                            int64_t *last_offset, uint32_t *position);

#endif
