/* The write-ahead log of one disk: what makes every raft group of a node durable.
 *
 * Requests of all groups and shards are gathered by one writer: whatever is queued when the last
 * write has ended becomes the next one (group commit): one vector write, one fdatasync, then the
 * waiters complete in order. Files are preallocated, filled in large writes and recycled.
 *
 * What it keeps per raft group: entries, term and vote, truncations, heard positions. An index
 * in memory (24 bytes an entry) finds an entry again for catch-up and for apply after a restart.
 *
 * Formats: docs/wal_format.md. Each write starts with a header: file id, sequence, and the position
 * that was durable when it was issued. At opening the highest such position is the durable mark:
 * damage below it is corruption, at or above it a torn tail, which is cut there even where sound
 * records follow (sectors of an unsynced write persist in any order).
 *
 * Threads: append, release, read and the state queries may be called from any shard; callbacks
 * run on the `home` of their request. */
#ifndef LOG_WAL_H
#define LOG_WAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/err.h"
#include "base/work.h"
#include "log/entry.h"

struct log_wal;

#define LOG_WAL_ENTRIES_MAX     4096        /* of one append */
#define LOG_WAL_HEARD_SIZE_MAX  (64u << 10) /* bytes of heard positions */
#define LOG_WAL_FILE_SIZE_MIN   (64u << 10) /* holds a few writes: for tests */
#define LOG_WAL_FILE_SIZE_MAX   (1u << 31)  /* positions in a file are 32 bits */
#define LOG_WAL_RECORD_OVERHEAD 64u         /* stored bytes per entry beside its own */

struct log_wal_options {
    const char *directory;     /* below the disk's root, for example "wal"; made if missing */
    uint64_t file_size_bytes;  /* of each file, preallocated; a multiple of 4096. One append must
                                  fit into a file: 34 MiB and more for the largest entry */
    uint64_t queue_bytes_max;  /* appended and not yet durable; beyond it ERR_BUSY */
    uint64_t kept_bytes_max;   /* of written files; above it those are recycled whose entries
                                  are all released. What is below is there for catch-up */
    uint64_t cluster_id[2];    /* stored in each file; another cluster's file is refused */
    bool is_expected;          /* it was opened before: a folder without any write is damage */
    unsigned gather_us_max;    /* wait before a commit above 10,000 commits/s; 0: never */
    const struct clock *clock; /* to time writes; borrowed until close */
};

/* Which life of which raft group a record belongs to. The first append of a higher generation
 * forgets what the WAL has of the lower one (entries, vote, snapshot, heard positions): what is
 * to go on is in the same request. */
struct log_wal_group {
    uint32_t group_id;    /* of the cluster's raft group */
    uint32_t generation;  /* raised by forced recovery only */
    uint64_t recovery_id; /* random, drawn with the generation; 0 in generation 0 */
};

struct log_wal_append;
typedef void (*log_wal_append_cb)(struct log_wal_append *req, int status);

/* An append request; embed it in your own. All fields but `data` are set before the call and
 * borrowed until `cb`. One request is one unit: `cb` comes when all of it is durable. In one
 * request the parts are written in this order: forgetting, vote, snapshot, truncation, entries,
 * heard. Entries follow the last one appended (or truncated, or the snapshot) without a gap. */
struct log_wal_append {
    void *data;                      /* the caller's own */
    struct log_wal_group group;      /* whose */
    bool forgets;                    /* all that the WAL has of the group is forgotten, but for what
                                        this request says: its vote. Nothing else of the group is
                                        under way */
    bool has_vote;                   /* write term and vote */
    uint64_t term;                   /* current term */
    uint64_t voted_for;              /* raft id, or 0 */
    uint64_t truncate_from;          /* first index dropped by conflict, or 0 */
    const struct log_entry *entries; /* consecutive indexes */
    unsigned entry_count;            /* may be 0 */
    uint64_t snapshot_index; /* set when a shipped snapshot replaced the log: entries up to it and
                                all others are dropped, the next one is snapshot_index + 1; or 0 */
    uint64_t snapshot_term;  /* term of snapshot_index */
    struct bytes heard;      /* heard positions (opaque, newest wins), no sync of its own */
    const struct work *home; /* where cb runs */
    log_wal_append_cb cb;    /* set by log_wal_append */
    struct work_item item;   /* private */
    struct log_wal_append *next; /* private */
    int status;                  /* private */
    bool is_drop;                /* private */
    size_t size_bytes;           /* private */
};

/* Opens or creates. Reads every file, cuts a torn tail, rebuilds the index. Blocking; called
 * before shards run. On ERR_CORRUPT the note says file, position and, if known, the group; the
 * files stay untouched; ERR_OTHER_CLUSTER: they are another cluster's; ERR_INVALID: the options.
 * `writer` runs the writes (a single thread), `readers` the reads and the preparing of files.
 * Both, and `disk`, are borrowed until close. *wal is returned owned (log_wal_close). Until the
 * first append nothing is submitted to either, so that it may be closed at once. */
int log_wal_open(const struct disk *disk, const struct log_wal_options *options,
                 const struct work *writer, const struct work *readers, struct log_wal **wal,
                 struct err_note *note);

/* At opening, before anything is appended: nothing of the group is needed any more, durably, when
 * this returns 0. For a group whose checkpoint is damaged or gone. Blocking. */
int log_wal_forget_group(struct log_wal *wal, uint32_t group_id);

/* Damage that was found in what was durable: the next opening answers ERR_CORRUPT with this text,
 * also where it would take the place for a torn tail. The owner ends the process. Blocking; any
 * thread. */
void log_wal_note_damage(struct log_wal *wal, const char *text);

/* A damaged WAL goes out of the way, to "<directory>.damaged-<number>"; two of them are kept at
 * most, the oldest and the newest. Durable when it returns 0; also when there was none. Blocking,
 * while the WAL is not open. */
int log_wal_set_aside(const struct disk *disk, const char *directory, unsigned number);
/* Those that were set aside are no longer needed. Blocking. */
int log_wal_remove_set_aside(const struct disk *disk, const char *directory);

/* Ends appending: what is queued completes with ERR_CLOSED, later appends return it, and from now
 * on the WAL submits nothing but callbacks, so that its workers can be destroyed in any order. An
 * owner that waits for its last appends first loses nothing. */
void log_wal_stop(struct log_wal *wal);

/* Frees. Work of the WAL may no longer run: the owner has stopped shards and workers. What was
 * still queued is forgotten without a callback (a simulated crash). */
void log_wal_close(struct log_wal *wal);

/* Queues the request. Returns 0: `cb` runs exactly once, later, on `home`; status 0 means
 * fdatasync has returned (Raft, Figure 2: persist before responding); a negative status is a
 * disk error: it is final for the whole WAL, the process must end. Returns ERR_BUSY when
 * queue_bytes_max is reached: `cb` never runs. An append without entries (vote) is never busy;
 * nor is one to an empty queue. ERR_TOO_LARGE: it does not fit into a file. ERR_OTHER_GENERATION:
 * a newer generation (or another recovery id) was appended before. A request with nothing but
 * heard positions is written without a sync. After a disk error that error is returned. */
int log_wal_append(struct log_wal *wal, struct log_wal_append *req, log_wal_append_cb cb);

/* What is known of a group: from opening, and kept current as appends become durable. */
struct log_wal_state {
    struct log_wal_group group; /* newest generation seen */
    uint64_t term;              /* 0 when nothing is known */
    uint64_t voted_for;
    uint64_t first_index;    /* of the kept entries; 1 when no entry was ever known */
    uint64_t last_index;     /* first_index - 1 when there are none. May be below the owner's
                                checkpoint, which a leader may take before its own disk has
                                all of it: append that as a snapshot then */
    uint64_t snapshot_index; /* of the last snapshot record, or 0 */
    uint64_t snapshot_term;
};

/* 0, or ERR_NOT_FOUND when the WAL has nothing of the group. */
int log_wal_state(struct log_wal *wal, uint32_t group_id, struct log_wal_state *state);

/* Copies the newest heard positions of the group into `into`; returns the size (0: none). */
size_t log_wal_heard(struct log_wal *wal, uint32_t group_id, uint8_t *into, size_t size_max);

/* Term and type of a kept entry; ERR_NOT_FOUND outside. */
int log_wal_entry_term(struct log_wal *wal, uint32_t group_id, uint64_t index, uint64_t *term,
                       enum log_entry_type *type);

/* Calls back with ids of all groups that the WAL knows (at opening). */
typedef void (*log_wal_group_cb)(void *data, uint32_t group_id);
void log_wal_each_group(struct log_wal *wal, log_wal_group_cb cb, void *data);

struct log_wal_read;
typedef void (*log_wal_read_cb)(struct log_wal_read *req, int status);
#define LOG_WAL_READ_ENTRIES_MAX 256

/* Reads consecutive durable entries back, for apply after a restart and for catch-up. */
struct log_wal_read {
    void *data;              /* the caller's own */
    uint32_t group_id;       /* whose */
    uint64_t index;          /* first wanted */
    size_t size_bytes_max;   /* at least one entry is read, whatever its size */
    const struct work *home; /* where cb runs */
    log_wal_read_cb cb;      /* set by log_wal_read */
    unsigned entry_count;    /* out: 1..LOG_WAL_READ_ENTRIES_MAX when status is 0 */
    struct log_entry entries[LOG_WAL_READ_ENTRIES_MAX]; /* out: slices owned by the caller */
    struct log_wal *wal;                                /* private */
    struct work_item item;                              /* private */
    int status;                                         /* private */
};

/* Queues a read: `cb` runs exactly once on `home`. Status ERR_COMPACTED: below the kept
 * entries; ERR_OUT_OF_RANGE: beyond the durable ones; ERR_CORRUPT: fails its checksum. */
void log_wal_read(struct log_wal *wal, struct log_wal_read *req, log_wal_read_cb cb);

/* Reads one kept entry, blocking: at start, for configurations. Its slices are owned by the
 * caller. Errors as of log_wal_read. */
int log_wal_read_one(struct log_wal *wal, uint32_t group_id, uint64_t index,
                     struct log_entry *entry);

/* The group's checkpoint covers entries up to `index`: they are no longer needed for a restart.
 * They stay for catch-up while kept_bytes_max allows. */
void log_wal_release(struct log_wal *wal, uint32_t group_id, uint64_t index);

/* How long writes take, and what waits. Any thread. */
struct log_wal_pace {
    uint32_t p50_us, p99_us; /* of the newest few hundred synced writes; 0: there was none */
    uint32_t recent_us;      /* median of those that ended within the last second, or writing_us
                                where that is more; 0: nothing was written and nothing is */
    unsigned sync_count;     /* synced writes since the start */
    uint64_t writing_us;     /* the write under way has taken so long; 0: there is none */
    unsigned queue_percent;  /* of queue_bytes_max; at most 100 */
    bool is_out_of_files;    /* what is queued waits for room on the disk for another file */
};
void log_wal_pace(struct log_wal *wal, struct log_wal_pace *pace);

/* The disk is full, or no longer so: a tight WAL keeps nothing for catch-up, so that its files are
 * used again and no new one is made while that can be avoided. Called now and then while it is
 * tight: a WAL that has no file left looks for room at each call. Any thread. */
void log_wal_set_tight(struct log_wal *wal, bool is_tight);

/* The group is gone from this node: nothing of it is needed. None of its appends may be under
 * way; later ones begin it anew. Lost when the process ends at once: the group is then seen again
 * at opening, and dropped again. */
void log_wal_drop_group(struct log_wal *wal, uint32_t group_id);

/* The group whose unreleased entry is the oldest, and how many bytes the WAL holds in all: what
 * asks for a checkpoint. *group_id is UINT32_MAX when nothing is pinned. */
void log_wal_pressure(struct log_wal *wal, uint32_t *group_id, uint64_t *pinned_bytes);

struct log_wal_counters {
    uint64_t writes;         /* vector writes */
    uint64_t syncs;          /* fdatasyncs of them */
    uint64_t appends;        /* requests completed */
    uint64_t bytes;          /* written, headers and padding included */
    uint64_t torn_tails_cut; /* at opening */
    uint64_t torn_bytes;     /* bytes cut at opening */
    uint64_t files_recycled;
    uint64_t write_us_last; /* of the last write with its fdatasync */
    uint64_t write_us_sum;  /* of all of them */
};
void log_wal_counters(struct log_wal *wal, struct log_wal_counters *counters);

#endif
