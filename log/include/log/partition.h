/* A partition's data: its tail in memory, its segments on disk.
 *
 * Applied batches are linked into the tail by reference. A flush (part of a checkpoint, or for
 * memory) writes the tail's oldest batches to segments; they may stay in the tail for readers
 * while the memory budget allows. Everything here is decided by applied entries alone, so that
 * replicas have the same segment boundaries and bytes (design, section 3).
 *
 * The stored batch differs from the received one in base offset and leader epoch only, which lie
 * outside its CRC: readers get a 16-byte head of their own and the rest from the shared buffer.
 *
 * Segments are Kafka's own: <base offset, 20 digits>.log, .index, .timeindex in the folder
 * "topics/<topic id as 32 hex digits>-<partition>". */
#ifndef LOG_PARTITION_H
#define LOG_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/disk.h"
#include "base/err.h"
#include "base/work.h"
#include "log/producer_state.h"

struct log_partition;

/* Where a partition that moved here comes from, until the move is over: the entry that closed it
 * there. group_id 0: it did not move. */
struct log_partition_source {
    uint64_t index; /* raft index in the old group's log */
    uint32_t group_id;
};

struct log_partition_id {
    uint8_t topic_id[16]; /* Kafka's topic UUID */
    int32_t partition;    /* Kafka's partition index within the topic */
};

/* Settings that are part of the group's state (they came in a partition-state entry). */
struct log_partition_settings {
    int64_t segment_bytes;        /* roll when the next batch would make it larger */
    int64_t segment_ms;           /* roll when the batch's entry clock is so much later than the
                                     first's */
    int64_t index_interval_bytes; /* a sparse index entry about every so many bytes */
    unsigned producer_count_max;
};

/* One record batch to append, already given its place. */
struct log_batch {
    int64_t base_offset;   /* == log_partition_next_offset() */
    int32_t record_count;  /* last offset delta + 1 */
    int32_t leader_epoch;  /* what clients see */
    int64_t max_timestamp; /* of its records */
    int64_t wall_ms;       /* of its entry */
    struct slice data;     /* a whole Kafka record batch v2; a reference is taken */
};

/* Makes a partition that begins at `start_offset`. Memory only; its folder comes with the first
 * flush. Returned owned (log_partition_destroy). */
int log_partition_create(const struct disk *disk, const struct log_partition_id *id,
                         const struct log_partition_settings *settings, int64_t start_offset,
                         struct log_partition **p);
/* Frees; nothing may be under way. Files stay. */
void log_partition_destroy(struct log_partition *p);

void log_partition_set_settings(struct log_partition *p,
                                const struct log_partition_settings *settings);

/* Links the batch into the tail. Memory only. 0 or UV_ENOMEM (ends the process). */
int log_partition_append(struct log_partition *p, const struct log_batch *batch);

const struct log_partition_id *log_partition_id(const struct log_partition *p);
int64_t log_partition_start_offset(const struct log_partition *p);
int64_t log_partition_next_offset(const struct log_partition *p);
int64_t
log_partition_size_bytes(const struct log_partition *p); /* from the start offset's segment */
/* The largest record timestamp (-1: none) and the last offset of the batch that has it. */
int64_t log_partition_max_timestamp(const struct log_partition *p, int64_t *offset_of_max);
struct log_producer_state *log_partition_producers(struct log_partition *p);

/* Where an epoch ended (KIP-101, KIP-279): the largest known epoch <= `epoch`, and the first
 * offset of the next one (next offset for the newest). Where all that are known are later, as when
 * retention took the others: `epoch` itself, and where the first known one begins. */
void log_partition_epoch_end(const struct log_partition *p, int32_t epoch, int32_t *epoch_found,
                             int64_t *end_offset);
int32_t log_partition_last_epoch(const struct log_partition *p);
/* The leader epoch of the record at `offset`; -1 when this replica does not know it: it has no such
 * record yet, or the epoch's beginning is gone with the log's. */
int32_t log_partition_epoch_of(const struct log_partition *p, int64_t offset);

struct log_read;
typedef void (*log_read_cb)(struct log_read *req, int status);
#define LOG_READ_SLICES_MAX 512

/* Reads whole batches from the one that contains `offset` on; from the first behind it where the
 * offset lies in a gap: there may be none yet. */
struct log_read {
    void *data;                 /* the caller's own */
    int64_t offset;             /* start_offset <= offset < next_offset, else ERR_OUT_OF_RANGE */
    int64_t offset_max;         /* batches that begin at or beyond are left out (high watermark) */
    size_t size_bytes_max;      /* at least one whole batch is read, whatever its size */
    const struct work *readers; /* pool for cold reads */
    const struct work *home;    /* where cb runs */
    log_read_cb cb;             /* set by log_partition_read */
    unsigned slice_count;       /* out */
    size_t size_bytes;          /* out: sum of the slices */
    struct slice slices[LOG_READ_SLICES_MAX]; /* out: owned by the caller (slice_unref each) */
    struct log_partition *partition;          /* private */
    void *cold;                               /* private */
    struct work_item item;                    /* private */
    int status;                               /* private */
};

/* Returns 1 when answered at once from memory (no callback); 0 when queued: `cb` runs exactly
 * once on `home`; or ERR_OUT_OF_RANGE, ERR_BUSY. The partition must not be destroyed while a read
 * is queued: log_partition_pending_reads() says. In `cb`, ERR_CORRUPT: stored bytes fail their
 * checksum and are not handed out; UV_ENOENT/ERR_OUT_OF_RANGE: retention was faster. */
int log_partition_read(struct log_partition *p, struct log_read *req, log_read_cb cb);
unsigned log_partition_pending_reads(const struct log_partition *p);

struct log_time_lookup;
typedef void (*log_time_lookup_cb)(struct log_time_lookup *req, int status);

/* The first offset whose record timestamp is >= timestamp_ms (ListOffsets by time). */
struct log_time_lookup {
    void *data;
    int64_t timestamp_ms;
    const struct work *readers, *home;
    log_time_lookup_cb cb;
    int64_t offset;                  /* out: -1 when no record is that late */
    int64_t found_timestamp_ms;      /* out: that record's timestamp, -1 if none */
    struct log_partition *partition; /* private */
    void *cold;                      /* private */
    struct work_item item;           /* private */
    int status;                      /* private */
};
/* As log_partition_read: 1 at once, 0 queued, or a negative error. Batch granularity is exact
 * for uncompressed batches; in a compressed batch the first offset of the batch is answered. */
int log_partition_find_time(struct log_partition *p, struct log_time_lookup *req,
                            log_time_lookup_cb cb);

/* ---- the gap of a forced recovery (partition_stride.c) ---- */

#define LOG_OFFSET_STRIDE ((int64_t)1 << 40) /* more than anybody appends meanwhile */

/* The next offset moves on to the next multiple of the stride; the last segment is sealed. Until
 * there the newest epoch reaches (a log without any gets `epoch`). Each known producer may leave
 * out sequences once, and unknown ones with ids below `producer_id_end` may begin with any. 0,
 * ERR_INVALID (no offsets left: nothing has changed) or UV_ENOMEM. */
int log_partition_stride(struct log_partition *p, int32_t epoch, int64_t producer_id_end);
/* The offset itself, or where the gap that it lies in ends (perhaps the next offset). */
int64_t log_partition_behind_gap(const struct log_partition *p, int64_t offset);
/* Where nothing stands behind the gap that `offset` lies in: a control batch that ends where it
 * does, so that who reads there goes on to the log's end. 1: `batch` is the caller's (slice_unref);
 * 0: it lies in none such; or UV_ENOMEM. */
int log_partition_gap_batch(const struct log_partition *p, int64_t offset, struct slice *batch);
/* Offsets of [from, until) that lie in no gap, as far as the log still has them. */
int64_t log_partition_count_between(const struct log_partition *p, int64_t from, int64_t until);
/* The first gap that ends behind `offset`, as far as the log reaches: [from, until). False: no. */
bool log_partition_gap(const struct log_partition *p, int64_t offset, int64_t *from,
                       int64_t *until);

/* Moves the log start (an entry said so); whole segments below it are deleted after the next
 * checkpoint. Never goes back; beyond next_offset it is cut to it. */
void log_partition_advance_start(struct log_partition *p, int64_t start_offset);

/* What retention would do now: the new start offset (a segment boundary), or -1 for nothing. With
 * `with_open` the open segment goes too when all in it is old, as in Kafka. Time goes by record
 * timestamps (largest of a segment), or by the entries' clock where records have none. -1 settings
 * mean no limit. The leader proposes it as an entry. */
int64_t log_partition_retention_offset(const struct log_partition *p, int64_t now_ms,
                                       int64_t retention_ms, int64_t retention_bytes,
                                       bool with_open);

/* Tail memory: bytes referenced (counted in whole owners once), and how much of it is already in
 * segments and could be dropped. */
size_t log_partition_tail_bytes(const struct log_partition *p);
size_t log_partition_unflushed_bytes(const struct log_partition *p);
/* Drops flushed batches from the tail, oldest first, until about `keep_bytes` stay. */
void log_partition_trim_tail(struct log_partition *p, size_t keep_bytes);

/* ---- a move to another raft group (log/store.h has the store's part) ---- */

/* Closed for good at its next offset (log_store_partition_freeze). */
bool log_partition_is_frozen(const struct log_partition *p);
/* Of a partition that came here, until it is settled. */
struct log_partition_source log_partition_source(const struct log_partition *p);
/* The move is over: the old group may forget it. */
void log_partition_settle(struct log_partition *p);
/* False while the files of a partition that came here are still the old group's store's on this
 * disk: then what is not in memory can't be read (ERR_BUSY). */
bool log_partition_has_files(const struct log_partition *p);

/* ---- flush: prepare on the shard, run on a worker, finish on the shard ---- */

struct log_flush;

/* Captures what is not in segments yet (references are taken), rolls as decided at append.
 * *flush is NULL when there is nothing to do. ERR_BUSY while a flush of the partition is under
 * way, its own or a checkpoint's. */
int log_partition_flush_prepare(struct log_partition *p, struct log_flush **flush);
/* On a worker: writes in >= 1 MiB chunks where it can, appends indexes, syncs files and folders.
 * 0 or a disk error, which ends the process. */
int log_flush_run(struct log_flush *flush);
/* On the shard, also after a failure; frees `flush`. */
void log_partition_flush_finish(struct log_partition *p, struct log_flush *flush, int status);

/* ---- what the manifest keeps of a partition (deterministic, versioned) ---- */

/* The partition as of its flushed part: id, settings, log start, next offset, epoch table,
 * segments (base offset, size in bytes, largest timestamp, sealed), producer state. Returns owned
 * bytes (free). Valid when nothing is unflushed: asserts it. */
int log_partition_encode(const struct log_partition *p, uint8_t **bytes, size_t *size);
/* Opens a partition from its manifest record: checks that segment files exist and are at least
 * as long as recorded, cuts what is longer (flushed after the checkpoint: comes again from the
 * WAL), rebuilds a damaged index. Blocking, at start. Returned owned. */
int log_partition_decode(const struct disk *disk, struct bytes record, struct log_partition **p,
                         struct err_note *note);

/* Segment files that are no longer part of the partition (retention) and may be removed once a
 * manifest without them is durable. Removes them: no other store may name them. On a worker. */
int log_partition_remove_dead_files(struct log_partition *p);
/* Is a file of this name in the partition's folder one of the log's segments now? Others may be
 * there: of segments that left the log, until a checkpoint, a read or a shipped snapshot is done.
 */
bool log_partition_has_file(const struct log_partition *p, const char *name);
/* Removes the partition's whole folder (topic deletion). On a worker, after the manifest. */
int log_partition_remove_folder(const struct disk *disk, const struct log_partition_id *id);

#endif
