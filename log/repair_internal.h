/* A repair's insides, shared by flaw.c (what is suspected), repair.c (the shard's part),
 * repair_gather.c (the worker's part) and piece_read.c (the peer that helps). */
#ifndef LOG_REPAIR_INTERNAL_H
#define LOG_REPAIR_INTERNAL_H

#include "log/repair.h"
#include "segment_check.h"
#include "store_internal.h"

/* In files, or NULL. */
struct log_segment *log_partition_find_segment(const struct log_partition *p, int64_t base_offset,
                                               uint32_t version);

/* CHECKING ──damage──▶ GATHERING ──all bytes──▶ CLOSING ──renamed──▶ done
 *     └──sound──▶ done     ▲  └──ERR_NEED_MORE, a piece──┘ │
 *                          └──the segment has grown by damage too, or the whole is wrong */
enum repair_phase { REPAIR_CHECKING, REPAIR_GATHERING, REPAIR_CLOSING };

struct log_repair {
    struct log_store *store;
    struct log_partition *partition; /* held by pending_reads */
    struct log_segment *segment;     /* referenced */
    uint32_t partition_number;
    void *data;
    log_repair_cb cb;
    struct work_item item;
    int status;
    enum repair_phase phase;
    bool is_locked;   /* the partition's flushes stand back */
    bool writes_data; /* else the indexes only */
    bool trusts_own;  /* sound batches of our own file are taken */
    struct log_segment_check check;
    struct log_segment_view view;    /* meta: what it must become */
    struct log_segment_meta rebuilt; /* of what was gathered */
    struct log_index_entries index, time_index;
    struct disk_file *staged; /* the new .log; NULL before the first byte */
    struct slice piece;       /* to be taken next */
    uint64_t taken_bytes;     /* from peers */
    uint32_t piece_size;      /* to ask for next */
    bool has_found_data;      /* an indexes' repair met damaged data */
};

#define REPAIR_PIECE_MIN (64u << 10)
#define REPAIR_PIECE_MAX (1u << 20)

/* ---- on the worker: repair_gather.c ---- */

/* From nothing again. */
void repair_begin_gathering(struct log_repair *r);
/* Takes the piece, and on from there what is sound here. 1: all is gathered; 0: more is to do;
 * ERR_NEED_MORE, ERR_CORRUPT (the piece), or a disk error. */
int repair_gather(struct log_repair *r);
/* Compares, syncs, renames. 0, ERR_CORRUPT or a disk error. */
int repair_close_files(struct log_repair *r);
/* Takes away what is half made. */
void repair_drop_files(struct log_repair *r);

#endif
