/* Do a segment's files hold what the manifest says? On a worker. */
#ifndef LOG_SEGMENT_CHECK_H
#define LOG_SEGMENT_CHECK_H

#include "segment_read.h"

#define LOG_POSITION_UNKNOWN UINT32_MAX

/* One file found damaged. */
struct log_file_flaw {
    int err;           /* 0: it is sound; ERR_CORRUPT, or why it can't be read */
    uint32_t position; /* the first byte that is not as it should be, as far as is known: of .log
                          the batch, of a short file its end; LOG_POSITION_UNKNOWN */
};

/* The check of a segment, some bytes at a time. */
struct log_segment_check {
    struct log_segment_view view;
    struct log_file_flaw flaws[LOG_FILE_KIND_COUNT]; /* out */
    int kind;                                        /* of the file being read */
    uint32_t position, crc;                          /* in it */
    uint64_t bytes_read;                             /* of all files so far */
};

void log_segment_check_init(struct log_segment_check *c, const struct log_segment_view *view);

/* Reads about `size_max` bytes more. 1: done; 0: there is more; or an error that is not the files':
 * UV_ENOMEM, UV_EMFILE. Reads past the page cache where that can be done. */
int log_segment_check_go_on(struct log_segment_check *c, size_t size_max);

/* LOG_DAMAGE_* of the flaws. */
unsigned log_segment_check_damaged(const struct log_segment_check *c);

#endif
