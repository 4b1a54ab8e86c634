/* Damaged segments: looked into, named, mended.
 *
 *   SOUND ──a read, opening, a flush or the scrubber doubts──▶ SUSPECTED
 *   SUSPECTED ──its files agree with the manifest──▶ SOUND
 *             ──they don't: an event names file and position──▶ DAMAGED
 *   DAMAGED ──indexes built anew, data from what is sound here and from peers──▶ SOUND
 *
 * Size and CRC-32C of each file were kept in the manifest when it was written, from memory: what is
 * put together is right when it agrees with them, wherever its bytes came from. The new files are
 * renamed over the old ones, so that they lie elsewhere on the disk. Nothing else of the partition
 * changes and nothing waits, but that a flush of the same partition stands back while files are
 * renamed; until then reads of the damaged batches fail with ERR_CORRUPT.
 *
 * A compacted segment whose digest differs from the leader's is a damaged one as well: its files
 * are not there. On the store's shard; blocking parts run on its worker. */
#ifndef LOG_REPAIR_H
#define LOG_REPAIR_H

#include "log/store.h"

#define LOG_DAMAGE_DATA       1u /* of .log */
#define LOG_DAMAGE_INDEX      2u
#define LOG_DAMAGE_TIME_INDEX 4u

/* A segment that is not known to be sound. */
struct log_flaw {
    uint32_t partition_number;
    int64_t base_offset;
    uint32_t version; /* of the compaction that made it, or 0 */
    unsigned damaged; /* LOG_DAMAGE_*; 0: it is only suspected */
};

/* One that may be looked into at `now_ms` (see log_repair_defer); false when there is none. Costs
 * nothing while all is sound. */
bool log_store_next_flaw(struct log_store *s, uint64_t now_ms, struct log_flaw *flaw);

struct log_damage_status {
    uint64_t files_found;       /* damaged, since the store was opened */
    uint64_t segments_repaired; /* since then */
    unsigned suspected;         /* segments now, not looked into yet */
    unsigned damaged;           /* segments now */
    unsigned not_repairable;    /* of these: no replica had the bytes when last asked for */
};
void log_store_damage(const struct log_store *s, struct log_damage_status *status);

/* ---- the repair of one segment ---- */

/* Where the repair needs bytes that this replica has not. */
struct log_repair_need {
    uint32_t partition_number;
    int64_t base_offset;
    uint32_t position;        /* in .log, where a batch begins */
    int64_t offset;           /* and the one that begins there */
    uint32_t size_max;        /* of the piece; one batch may be larger */
    uint32_t version;         /* of the segment */
    uint32_t size_bytes, crc; /* of the whole .log, as it must be */
    bool is_sealed;           /* else it is the front of one that grows */
};

struct log_repair;
typedef void (*log_repair_cb)(void *data, int status);

/* Begins, with looking whether anything is wrong at all. ERR_NOT_FOUND, ERR_BUSY (a snapshot is
 * being installed), UV_ENOMEM. `data` is what callbacks get. *repair is returned owned
 * (log_repair_end). */
int log_repair_begin(struct log_store *s, const struct log_flaw *flaw, void *data,
                     struct log_repair **repair);

/* Goes on as far as it can; `cb` once, on the store's home:
 *   0              the segment is sound, or is so again
 *   ERR_NEED_MORE  a piece is needed (log_repair_need): log_repair_add
 *   ERR_BUSY       the partition is being flushed: call again in a while
 *   ERR_NOT_FOUND  the segment has left the log, or is another group's to mend
 *   ERR_CORRUPT    all is here and not as it should be: log_repair_restart, or give up
 *   err_is_no_room: nothing is worse than it was
 *   another        the disk failed on a write: final */
void log_repair_run(struct log_repair *r, log_repair_cb cb);
void log_repair_need(const struct log_repair *r, struct log_repair_need *need);
/* The piece from that place on, whole batches; a reference is taken. As log_repair_run. ERR_CORRUPT
 * also when the piece itself is not sound: ask another peer. */
void log_repair_add(struct log_repair *r, const struct slice *piece, log_repair_cb cb);
/* Forgets what was gathered. From now on nothing of the segment's own data is used. */
void log_repair_restart(struct log_repair *r);
/* It can't be mended now: the segment stays damaged and log_store_next_flaw does not name it for
 * some seconds, each time longer, up to a minute. `is_final`: all replicas were asked and none has
 * what is needed; when that is new an event says so. */
void log_repair_defer(struct log_repair *r, uint64_t now_ms, bool is_final, const char *reason);
/* The segment has left the log meanwhile, or its partition is on its way to another group, whose
 * store is about to take the files over: end it soon. */
bool log_repair_is_over(const struct log_repair *r);
/* Takes what is half made away and frees; `cb` once. Nothing may be under way. */
void log_repair_end(struct log_repair *r, log_repair_cb cb);

/* ---- the peer that helps ---- */

struct log_piece_read;
typedef void (*log_piece_read_cb)(struct log_piece_read *req, int status);
struct log_piece_read {
    void *data;
    struct log_repair_need need;
    struct slice piece; /* out: whole batches, each checked; owned by the caller */
    log_piece_read_cb cb;
    struct log_store *store;         /* private */
    struct log_partition *partition; /* private */
    void *cold;                      /* private */
    struct work_item item;           /* private */
    int status;                      /* private */
};
/* Queues; `cb` runs once: 0; ERR_CORRUPT: it is damaged here, too (and is looked into). Or at once:
 *   ERR_NOT_FOUND  this replica has no such segment
 *   ERR_NEED_MORE  the batches are not in files here yet: after a checkpoint
 *   ERR_INVALID    this replica's segment has other bytes (one of both is compacted)
 *   ERR_BUSY, UV_ENOMEM */
int log_store_read_piece(struct log_store *s, struct log_piece_read *req, log_piece_read_cb cb);

#endif
