/* The replicas that a forced recovery has put aside on this node, opened to be read.
 *
 * All that they had was applied before they were put aside (start/recovery.h), so their segments
 * have it. Blocking, as the whole file, and used by one thread at a time, whichever: its reads are
 * its own, and nobody else has these folders. */
#ifndef CLUSTER_ADMIN_SALVAGE_STORE_H
#define CLUSTER_ADMIN_SALVAGE_STORE_H

#include "base/disk.h"
#include "base/err.h"
#include "cluster/metadata.h"
#include "log/partition.h"

#define SALVAGE_ID_SIZE 17 /* a recovery id as 16 hex digits, and its end */

struct salvage_store;

/* A partition that was put aside. */
struct salvage_row {
    struct log_partition_id id;
    struct log_partition *log; /* of before */
    bool has_files;            /* false: it was on its way to another raft group just then */
};

/* One batch for the salvage topic. */
struct salvage_piece {
    struct slice batch;      /* owned (slice_unref); none when no records were left */
    uint32_t record_count;   /* in it */
    uint32_t left_out_count; /* records that no request can carry, or of batches that can't be
                                taken apart */
    int64_t next_offset;     /* where to read on */
};

/* The id of the recovery that `wanted` names, or of the only one when that is "". ERR_NOT_FOUND:
 * there is none; ERR_INVALID: there are several, and the note names them. */
int salvage_store_find(const struct disk *disk, const char *wanted, char id[SALVAGE_ID_SIZE],
                       struct err_note *note);

/* Opens what lies aside below the data folder `directory`. A group that can't be read is left out,
 * and the note says so. Returned owned (salvage_store_close). */
int salvage_store_open(const char *directory, const char *id, struct salvage_store **store,
                       struct err_note *note);
void salvage_store_close(struct salvage_store *s); /* NULL is allowed */

/* In an order that stays the same. */
unsigned salvage_store_count(const struct salvage_store *s);
const struct salvage_row *salvage_store_row(const struct salvage_store *s, unsigned place);

/* What the lost side knew of topics; NULL where its group 0 is not here. */
struct metadata *salvage_store_metadata(const struct salvage_store *s);

/* salvage_read.c: records of a row's log from the offset on, as many as one batch takes. 0; or
 * ERR_CORRUPT and what else the disk has. Memory: a MiB, or one batch, with what it unpacks to. */
int salvage_read(struct log_partition *log, int64_t from, struct salvage_piece *piece);

#endif
