/* Compaction by key: of each key's records only the newest stay (Kafka's log compaction).
 *
 * The leader plans: it reads sealed segments and says, in one COMPACTION_STEP, which records go, by
 * which rule, and which segments come out, with size and CRC-32C of each of their files. To apply
 * the step is to put those segments' descriptions in the place of the old ones', in memory: the
 * same on every replica. The bytes follow with the next checkpoint, which makes the segments by the
 * same rule from the same bytes and compares; until then readers get the old ones, a superset.
 *
 * Sealed segments only. Offsets never change: what is removed leaves an empty batch in its place.
 * A pass over the log may take several steps, oldest segments first, and several passes where the
 * keys don't fit into memory. Format: docs/entry_format.md. */
#ifndef LOG_COMPACT_H
#define LOG_COMPACT_H

#include "log/partition.h"

#define LOG_COMPACT_SEED_SIZE 16

/* How far compaction of a partition has come; part of its state. */
struct log_compact_state {
    uint32_t version; /* steps applied: the number of the last one */
    int64_t
        clean_until;    /* below, each key is there once (but for tombstones and what came later) */
    int64_t pass_until; /* 0, or a pass is under way: keys up to here ... */
    int64_t pass_at;    /* ... have been applied to segments below */
};
void log_partition_compact_state(const struct log_partition *p, struct log_compact_state *state);

/* What a plan would find; for choosing. Only sealed segments, flushed to their end, and of those
 * that are not clean only the ones whose records are all older than `lag_ms_min`. */
struct log_compact_backlog {
    int64_t clean_bytes, dirty_bytes;
    int64_t oldest_dirty_ms; /* clock of the first dirty segment's first entry; -1: nothing dirty */
};
void log_partition_compact_backlog(const struct log_partition *p, int64_t now_ms,
                                   int64_t lag_ms_min, struct log_compact_backlog *backlog);

/* Does the next checkpoint have a step's segments to make? */
bool log_partition_is_compaction_due(const struct log_partition *p);

struct log_compact_counts {
    uint64_t records_removed;
    uint64_t batches_unreadable; /* kept as they are: damaged inside, or of an unknown codec */
    int64_t unreadable_offset;   /* the first of them */
    bool has_changed;            /* any batch is not what it was */
};

struct log_compact_plan;
typedef void (*log_compact_plan_cb)(struct log_compact_plan *plan, int status);

struct log_compact_plan {
    void *data; /* the caller's own */
    int64_t now_ms, delete_retention_ms, lag_ms_min;
    int64_t segment_bytes;               /* where segments that come out end */
    int64_t step_bytes_max;              /* of old segments in one step, beyond the first */
    size_t map_bytes_max;                /* memory for keys, while the plan runs */
    uint8_t seed[LOG_COMPACT_SEED_SIZE]; /* random */
    const struct work *worker, *home;
    log_compact_plan_cb cb;             /* set by log_partition_compact_plan */
    struct slice step;                  /* out: body of the entry to propose; owned by the caller */
    struct log_compact_counts counts;   /* out */
    uint64_t bytes_before, bytes_after; /* out: of the segments in the step */
    struct log_partition *partition;    /* private */
    void *job;                          /* private */
    struct work_item item;              /* private */
    int status;                         /* private */
};

/* Reads on the worker; nothing changes. Returns 0: `cb` runs once on `home`. ERR_NOT_FOUND: nothing
 * to compact; ERR_BUSY: a step is due, or the files are being replaced or moved: later. The
 * partition must not be destroyed until `cb` (log_partition_pending_reads says). In `cb`,
 * ERR_CORRUPT: stored bytes fail their checksum; UV_ENOENT: retention was faster. */
int log_partition_compact_plan(struct log_partition *p, struct log_compact_plan *plan,
                               log_compact_plan_cb cb);

/* A step, committed. Memory only. 0; ERR_INVALID: planned on other segments than these (another
 * step, retention or a move came before), nothing changes; ERR_MALFORMED, ERR_VERSION; UV_ENOMEM. A
 * function of the partition's state and the bytes. */
int log_partition_compact(struct log_partition *p, struct bytes step);

#endif
