/* What sender and receiver of a snapshot agree on: which files it has and how they are named. */
#ifndef LOG_SHIP_H
#define LOG_SHIP_H

#include "store_internal.h"

#define SHIP_PIECE_SIZE (1u << 20) /* what is asked for at a time */

/* One file with bytes in it. Empty index files are made by the receiver itself. */
struct ship_file {
    struct log_partition_id id;
    int64_t base_offset;
    uint32_t version;
    enum log_file_kind kind;
    uint32_t size_bytes, crc;
    uint32_t number;        /* of the partition */
    uint32_t segment_place; /* of the segment within the partition */
};

struct ship_list {
    struct ship_file *files; /* in the order of partitions and segments */
    unsigned count, capacity;
};

/* The files of all partitions of a manifest. ERR_MALFORMED or UV_ENOMEM leave the list empty. */
int ship_list_make(const struct manifest *m, struct ship_list *list);
void ship_list_close(struct ship_list *list);

/* "<id>-<partition>-<base offset>.<kind>.<size>.<crc>": the name says which bytes a complete
 * file has, so that a later attempt knows what it can keep. `name` has LOG_PATH_SIZE bytes. */
void ship_staged_name(const struct ship_file *file, char *name);

#endif
