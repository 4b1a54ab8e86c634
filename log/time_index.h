/* Kafka's .timeindex: entries of <timestamp int64, relative offset int32>, big-endian. */
#ifndef LOG_TIME_INDEX_H
#define LOG_TIME_INDEX_H

#include "offset_index.h"

#define LOG_TIME_INDEX_ENTRY_SIZE 12

/* The largest timestamp so far and the last offset of the batch that has it. 0 or UV_ENOMEM. */
int log_time_index_add(struct log_index_entries *entries, int64_t timestamp,
                       int64_t relative_offset);

/* Where to begin looking for the first record at or after `timestamp`: every one comes in or
 * after the batch that contains *offset. 0, or a negative error with the segment's base: when the
 * index is missing or damaged (ERR_CORRUPT) the search begins there. */
int log_time_index_lookup(const struct disk *disk, const struct log_partition_id *id,
                          const struct log_segment_meta *meta, int64_t timestamp, int64_t *offset);

#endif
