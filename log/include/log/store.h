/* The checkpointed state of one raft group on disk: its partitions and its manifest.
 *
 * A checkpoint is incremental: tails that changed are flushed and synced, then one record per
 * changed partition and one for the group (raft index, term, configuration, generation, feature
 * level, the machine's own state) are appended to the manifest, a small log with checksums and an
 * occasional rewrite. Its cost follows what changed. Then the WAL is released up to its index.
 *
 * A snapshot for a replica that is far behind is the same thing, shipped: a pinned checkpoint's
 * files and manifest records. Used on the owner's shard; blocking parts run on `worker`. */
#ifndef LOG_STORE_H
#define LOG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/err.h"
#include "base/work.h"
#include "log/folders.h"
#include "log/partition.h"

struct log_store;

/* The group's own record in the manifest. */
struct log_store_state {
    uint64_t index;               /* raft index that the checkpoint covers; 0: nothing yet */
    uint64_t term;                /* of that index */
    uint64_t configuration_index; /* raft index of the configuration below */
    struct bytes configuration;   /* as of `index`, libraft's encoding; borrowed from the store */
    uint32_t generation;
    uint64_t recovery_id;
    uint32_t feature_level; /* of the group's log */
    struct bytes machine;   /* the state machine's own state, opaque; borrowed from the store */
    uint64_t left_index;    /* not 0: this replica has left the group, which had committed that at
                               this index. There is nothing else then, `index` is 0, and only a
                               snapshot at or beyond it may be installed */
};

/* Opens "groups/<group id>" below the disk's root, or makes it. Reads the manifest, opens every
 * partition. A torn last record is cut; damage before it is ERR_CORRUPT with a note. Blocking.
 * Returned owned (log_store_close). */
int log_store_open(const struct disk *disk, uint32_t group_id, const struct work *worker,
                   const struct work *home, struct log_store **store, struct err_note *note);
/* A damaged manifest goes out of the way, to "manifest.damaged" beside it: the store is empty when
 * it is next opened. Files of segments stay where they are; what belongs to the snapshot that
 * is shipped then takes their place. Durable when it returns 0. Blocking, while it is not open. */
int log_store_set_aside(const struct disk *disk, uint32_t group_id);
/* All that the group has, its folders of partitions included, goes below `directory`, laid out as
 * on a disk of its own: the group is empty when it is next opened. What an earlier call has begun
 * is ended; what was begun anew since must not be there. Durable when it returns 0. Blocking, while
 * it is not open. */
int log_store_move_aside(const struct disk *disk, uint32_t group_id, const char *directory);
/* Frees store and partitions; no checkpoint may be under way. */
void log_store_close(struct log_store *s);

/* The state of the last durable checkpoint (index 0 when there is none). */
const struct log_store_state *log_store_state(const struct log_store *s);

/* Partitions are numbered by the group's own partition number, never used again. The same id may
 * come back under another number only after a checkpoint without the old one. */
int log_store_partition_add(struct log_store *s, uint32_t partition_number,
                            const struct log_partition_id *id,
                            const struct log_partition_settings *settings, int64_t start_offset,
                            struct log_partition **p);
/* NULL when there is none. */
struct log_partition *log_store_partition(struct log_store *s, uint32_t partition_number);
/* Its files go after the next checkpoint. Reads under way end first. */
void log_store_partition_remove(struct log_store *s, uint32_t partition_number);
typedef void (*log_store_partition_cb)(void *data, uint32_t partition_number,
                                       struct log_partition *p);
void log_store_each_partition(struct log_store *s, log_store_partition_cb cb, void *data);

/* ---- a partition moves to another group's store on the same disk ---- */

/* Right after log_store_open, before anything else: this store goes by the disk's claims from here
 * on (borrowed, outlives it). Without, a store knows of no other: for tests. 0 or UV_ENOMEM. */
int log_store_set_folders(struct log_store *s, struct log_folders *folders);

/* log_partition_freeze, and the disk's claims hear of it. */
void log_store_partition_freeze(struct log_store *s, uint32_t partition_number);

/* The manifest's record of a frozen partition, once a durable checkpoint has it: what the other
 * group opens it from. Owned by the caller (slice_unref). ERR_NOT_FOUND: no such partition, not
 * frozen; ERR_BUSY: not durable yet, a checkpoint helps. */
int log_store_partition_record(const struct log_store *s, uint32_t partition_number,
                               struct slice *record);
/* Adds a partition from another group's record. Memory only and a function of its arguments: the
 * files are taken over later (log_store_tend), and until then the store makes no checkpoint.
 * ERR_MALFORMED, ERR_VERSION, ERR_INVALID (another id, not frozen), or UV_ENOMEM. */
int log_store_partition_import(struct log_store *s, uint32_t partition_number,
                               const struct log_partition_id *id, struct bytes record,
                               const struct log_partition_source *source, struct log_partition **p);
/* Takes over what the old groups' stores have let go of meanwhile; files are looked at on the
 * worker. Call it now and then, on the shard. How many partitions still wait. */
unsigned log_store_tend(struct log_store *s);
/* Nothing of it is under way on the worker. */
bool log_store_is_tending(const struct log_store *s);

/* The first checkpoint of a store that has nothing: a state that is agreed on elsewhere, and on
 * which the group's log goes on. Durable when it returns 0. Blocking, before anything else uses
 * the store. */
int log_store_begin(struct log_store *s, const struct log_store_state *state);

struct log_checkpoint;
typedef void (*log_checkpoint_cb)(struct log_checkpoint *req, int status);
struct log_checkpoint {
    void *data;                   /* the caller's own */
    struct log_store_state state; /* in: what to record; its bytes are copied by the call */
    log_checkpoint_cb cb;         /* set by log_store_checkpoint */
    void *job;                    /* private */
    struct work_item item;        /* private */
};

/* Makes everything applied up to now durable in segments and manifest. The machine has applied
 * exactly up to state.index when this is called; it may go on applying at once. Returns 0 (cb
 * later, once) or ERR_BUSY when one is under way, or a partition that moved here waits for its
 * files. A negative status is a disk error: final. */
int log_store_checkpoint(struct log_store *s, struct log_checkpoint *req, log_checkpoint_cb cb);
bool log_store_is_checkpointing(const struct log_store *s);

/* ---- leaving the group ---- */

struct log_leave;
typedef void (*log_leave_cb)(struct log_leave *req, int status);
struct log_leave {
    void *data;                       /* the caller's own */
    uint64_t left_index;              /* in: see log_store_state */
    uint32_t generation;              /* in: of the group, that may come again */
    uint64_t recovery_id;             /* in */
    log_leave_cb cb;                  /* set by log_store_leave */
    struct log_store *store;          /* private */
    struct log_leave_folder *folders; /* private */
    uint32_t folder_count;            /* private */
    struct manifest_sizes {
        uint64_t size, durable;
    } manifest;            /* private */
    struct work_item item; /* private */
    int status;            /* private */
};

/* Gives up all that the store holds: partitions, segments, the machine's state; what stays is a
 * manifest that says so. Folders that another group's store has by now stay there. Durable when
 * `cb` gets 0; all pointers to partitions are invalid then. A crash in between leaves all of the
 * old state, or a store that has left and whose rest (log_store_has_rest) is removed by the same
 * call again. Returns 0 (cb later, once), UV_ENOMEM, or ERR_BUSY: a read, flush, checkpoint, pin or
 * installation is under way, or files of a move are waited for. A negative status: UV_ENOSPC and
 * its like: perhaps nothing has changed on the disk, perhaps all: call again, and nothing else;
 * any other is the disk's: final. */
int log_store_leave(struct log_store *s, struct log_leave *req, log_leave_cb cb);
/* It has left its group, and folders of then may still be there. */
bool log_store_has_rest(const struct log_store *s);

/* ---- shipping: the sender ---- */

/* A pinned checkpoint: its files stay until released, whatever retention does. */
struct log_pin;
/* ERR_NOT_FOUND when there is no checkpoint yet. *pin is returned owned (log_store_unpin). */
int log_store_pin(struct log_store *s, struct log_pin **pin);
/* No read of it may be under way. */
void log_store_unpin(struct log_store *s, struct log_pin *pin);
const struct log_store_state *log_pin_state(const struct log_pin *pin);

/* The pin's table of contents, encoded for the peer; borrowed from the pin. These are manifest
 * records; the files follow from them, with sizes and the CRC-32C computed when they were
 * written. */
struct bytes log_pin_contents(const struct log_pin *pin);
unsigned log_pin_file_count(const struct log_pin *pin);

struct log_pin_read;
typedef void (*log_pin_read_cb)(struct log_pin_read *req, int status);
/* One piece of one file, read on the worker. */
struct log_pin_read {
    void *data;
    struct log_pin *pin;
    unsigned file; /* index into the contents */
    uint64_t position;
    uint32_t size_max; /* above a mebibyte it counts as one: who asks may be anybody */
    const struct clock *compress_clock; /* NULL: as it is; else compressed there, timed by it, when
                                           that makes it at least a tenth smaller */
    struct slice piece;   /* out: owned by the caller; as large as wanted but at the file's end */
    uint32_t size;        /* out: of the piece in the file */
    bool is_compressed;   /* out */
    uint64_t compress_ns; /* out: how long that took, also in vain */
    log_pin_read_cb cb;
    struct log_store *store; /* private */
    struct work_item item;   /* private */
    int status;              /* private */
};
/* `cb` runs once on the store's home. ERR_OUT_OF_RANGE: no such file; ERR_CORRUPT: the file is
 * shorter than the pin says. */
void log_pin_read(struct log_store *s, struct log_pin_read *req, log_pin_read_cb cb);

/* ---- shipping: the receiver ---- */

/* An incoming snapshot, staged beside the live data so that a crash leaves the old state. */
struct log_install;
/* Checks the contents (ERR_MALFORMED, ERR_CORRUPT, ERR_VERSION); begins, or resumes what an
 * earlier attempt has that is the same. Files that this replica has, byte for byte, are not
 * fetched. Touches no disk. ERR_BUSY when an installation is under way. Until commit or abort
 * checkpoints are refused. */
int log_store_install_begin(struct log_store *s, struct bytes contents,
                            struct log_install **install);
/* The next piece to ask for, each once; false when all have been asked for. */
bool log_install_next(struct log_install *i, unsigned *file, uint64_t *position,
                      uint32_t *size_max);
/* Has every piece been written? */
bool log_install_is_complete(const struct log_install *i);
struct log_install_write;
typedef void (*log_install_write_cb)(struct log_install_write *req, int status);
struct log_install_write {
    void *data;
    struct log_install *install;
    unsigned file;
    uint64_t position;
    struct slice piece; /* referenced until cb */
    bool is_compressed; /* it came so */
    bool is_own; /* none came: it is copied from what this replica has (then `piece` is empty);
                    where that can't be read, it is missing again, and the status 0 */
    log_install_write_cb cb;
    struct log_install_write *next; /* private */
    struct work_item item;          /* private */
    int status;                     /* private */
};
/* Is that piece within what this replica has of the file? Then it need not be fetched: is_own. */
bool log_install_is_own(const struct log_install *i, unsigned file, uint64_t position);
/* One whole piece as log_install_next named it; ERR_INVALID for anything else, ERR_CORRUPT when it
 * does not decompress to that size (then abort). In any order; but only who writes a file's pieces
 * in theirs, one after the other, finds them again after the process has ended: what is there of a
 * file is then known by its size. */
void log_install_write(struct log_install_write *req, log_install_write_cb cb);
struct log_install_commit;
typedef void (*log_install_commit_cb)(struct log_install_commit *req, int status);
struct log_install_commit {
    void *data;
    struct log_install *install;
    log_install_commit_cb cb;
    bool may_await;        /* in: see below */
    struct work_item item; /* private */
    int status;            /* private */
};
/* Checks, syncs and swaps: afterwards the store holds the snapshot's state and partitions (all
 * pointers to old partitions are invalid) and `install` is freed. Before the swap nothing live
 * changes. The owner has stopped appends, reads and flushes of the group until `cb`.
 * ERR_INVALID: pieces are missing; ERR_BUSY: a read, flush, checkpoint or pin is under way,
 * or the store of another group has the folder of a partition that moved from there. With
 * `may_await` the latter is not waited for: such a partition comes without its files, which are
 * looked for when the folder is free (log_store_tend), and fetched as damaged ones are. Two stores
 * of a node that was away while partitions moved to and fro would wait for each other for ever;
 * ERR_CORRUPT: a file's bytes are not the sender's, it was dropped and log_install_next asks
 * for it again; err_is_no_room: of what there was no room for, the same. These leave `install` as
 * it is, to go on with or to abort, unless it is decided. Any other error is the disk's: final. */
void log_install_commit(struct log_install_commit *req, log_install_commit_cb cb);
/* A commit has come so far that there is no way back: where it found no room, it is to be called
 * again until it is done. Until then the group's partitions can't be read, and are not to be
 * appended to. A restart comes to the same end. */
bool log_install_is_decided(const struct log_install *i);
/* Frees; staged pieces stay for the next begin. No write may be under way. NULL is allowed. */
void log_install_abort(struct log_install *i);

#endif
