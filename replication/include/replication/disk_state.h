/* How a node's disk does, as all nodes of the cluster know it.
 *
 * The owner of a disk measures it and says so (repl_node_set_disk); heartbeats carry the report.
 * Whose disk is in trouble goes last in the order of those who should lead: it hands leadership
 * over to a better one, is elected only where there is none, and gets nothing back before it has
 * been well for a while (design, section 4, disk trouble).
 *
 *   OK     nothing is wrong
 *   FULL   free space is at its reserve: only metadata, offsets and what is in the log already are
 *          written; groups take no more data unless a majority of others has room
 *   SLOW   a write takes several times as long as on the peers
 *   STUCK  the write under way does not come back
 *
 * A disk that has failed has no state: its node ends. */
#ifndef REPLICATION_DISK_STATE_H
#define REPLICATION_DISK_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum repl_disk_state { REPL_DISK_OK, REPL_DISK_FULL, REPL_DISK_SLOW, REPL_DISK_STUCK };
#define REPL_DISK_STATE_COUNT 4

/* "ok", "full", "slow", "stuck". */
const char *repl_disk_state_name(enum repl_disk_state state);

struct repl_disk_report {
    enum repl_disk_state state;
    bool is_full;            /* free space is at its reserve, whatever else is wrong */
    bool is_low;             /* ... and half of the reserve is gone */
    bool is_out_of_files;    /* the WAL has used up its files and there is no room for another */
    uint8_t queue_percent;   /* of the bytes that may wait for the WAL; at most 100 */
    uint32_t sync_p50_us;    /* of the WAL's newest synced writes, 0: none yet */
    uint32_t sync_p99_us;    /* likewise */
    uint32_t sync_recent_us; /* median of those of the last second, or how long the one under way
                                has taken where that is more; 0: nothing was written */
    uint64_t free_bytes;     /* for an unprivileged process */
    uint64_t total_bytes;    /* 0: not known yet */
    uint64_t for_ms;         /* so long in this state */
};

/* ---- judging ---- */

struct repl_disk_judge_options {
    unsigned reserve_percent; /* of the disk, left free: FULL below it ... */
    uint64_t reserve_bytes;   /* ... or below this, whichever is more */
    unsigned slow_factor;     /* times as slow as the peers is SLOW; design: 4 */
    unsigned slow_ms;         /* ... and at least so slow, for what is faster hurts nobody */
    unsigned stuck_ms;        /* a write under way for so long is STUCK */
};

/* What the owner has measured of its disk. */
struct repl_disk_measure {
    uint64_t free_bytes, total_bytes; /* total 0: could not be read, the last ones count */
    uint32_t sync_p50_us, sync_p99_us, sync_recent_us; /* as in the report */
    unsigned sync_count;                               /* synced writes since the start */
    uint32_t writing_ms;   /* the write under way has taken so long; 0: there is none */
    bool is_out_of_files;  /* the WAL waits for room: that is no slow write */
    uint8_t queue_percent; /* as in the report */
};

/* Memory of the caller; private. */
struct repl_disk_judge {
    struct repl_disk_judge_options options;
    struct repl_disk_report report;
    uint64_t looked_at_ms;   /* when last judged; 0: never */
    uint64_t since_ms;       /* in this state */
    uint64_t worse_since_ms; /* slower than the peers without a break, or 0 */
    unsigned worse_at_count; /* synced writes until then */
    uint64_t slow_until_ms;  /* SLOW so long after it was last seen to be */
    bool is_slow, is_stuck;
};

void repl_disk_judge_init(struct repl_disk_judge *j, const struct repl_disk_judge_options *options);

/* Looks again, a few times a second. `peers` are the reports of those heard of lately. What was
 * measured while this process itself stood still says nothing of the disk: looks that are further
 * apart than REPL_DISK_LOOK_MS_MAX count for free space only. Returns the report, valid until the
 * next look. */
#define REPL_DISK_LOOK_MS_MAX 500
const struct repl_disk_report *repl_disk_judge_look(struct repl_disk_judge *j, uint64_t now_ms,
                                                    const struct repl_disk_measure *measure,
                                                    const struct repl_disk_report *peers,
                                                    unsigned peer_count);

/* Free space below which a disk of this size is FULL. */
uint64_t repl_disk_reserve_bytes(const struct repl_disk_judge_options *options,
                                 uint64_t total_bytes);

#endif
