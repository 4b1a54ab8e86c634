/* Reading a segment's file: always checked, on a worker or at start. */
#ifndef LOG_SEGMENT_READ_H
#define LOG_SEGMENT_READ_H

#include "segment.h"

/* Which file to read, a copy of what it held when the read was asked for. */
struct log_segment_view {
    const struct disk *disk;
    struct log_partition_id id;
    struct log_segment_meta meta;
};

/* A batch found by its header; nothing but the header is checked. */
struct log_batch_place {
    int64_t base_offset, next_offset;
    int64_t max_timestamp;
    uint32_t position, size;
};

/* An open segment file. */
struct log_segment_reader {
    struct log_segment_view view;
    struct disk_file *file;
    bool is_index_flawed; /* out: an index was not what it should be, and was not used */
};

/* 0 or a disk error (UV_ENOENT: retention was faster). */
int log_segment_reader_open(struct log_segment_reader *r, const struct log_segment_view *view);
void log_segment_reader_close(struct log_segment_reader *r);

/* The batch that contains `offset`, which the view holds. ERR_CORRUPT or a disk error. */
int log_segment_find(struct log_segment_reader *r, int64_t offset, struct log_batch_place *place);

/* The header at `position`, whose batch must begin at `base_offset`. */
int log_segment_place_at(struct log_segment_reader *r, uint32_t position, int64_t base_offset,
                         struct log_batch_place *place);

struct log_segment_range {
    int64_t offset;        /* begin with the batch that contains it */
    int64_t offset_max;    /* leave out batches that begin at or beyond */
    int32_t leader_epoch;  /* which every batch must carry; -1: any */
    size_t size_bytes_max; /* at least one batch */
};

/* Whole, checked batches in one buffer, owned by the caller; empty when the first one begins
 * beyond offset_max. ERR_CORRUPT when the first fails its checksum (a later one only ends the
 * read), a disk error, or UV_ENOMEM. */
int log_segment_read(struct log_segment_reader *r, const struct log_segment_range *range,
                     struct slice *batches);

/* Whole, checked batches from `position` on, where one must begin that starts at `base_offset`: at
 * least one, then as many as `size_bytes_max` has room for. As log_segment_read, but that epochs
 * are not compared. */
int log_segment_read_on(struct log_segment_reader *r, uint32_t position, int64_t base_offset,
                        size_t size_bytes_max, struct slice *batches);

#endif
