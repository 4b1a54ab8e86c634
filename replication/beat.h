/* A heartbeat as bytes: what one node tells another of itself and of the groups that it leads
 * (docs/peer_messages.md, beats). */
#ifndef REPLICATION_BEAT_H
#define REPLICATION_BEAT_H

#include "base/bytes.h"
#include "replication/disk_state.h"
#include "replication/group.h"
#include "replication/node.h"

struct repl_beat_row {
    uint32_t group_id;
    uint64_t leader; /* raft id, of the sender's node */
    uint64_t term;
    uint64_t commit;
    bool is_deaf; /* the leader hears no majority: don't wait for it */
    /* Version 2, else zero. */
    uint64_t position;         /* what it has applied: no more was acknowledged ... */
    struct repl_totals totals; /* with all before */
    int64_t wall_ms;           /* ... when its clock said so */
};

struct repl_beat {
    bool is_leaving; /* the sender is about to stop */
    struct repl_disk_report disk;
    unsigned row_count; /* at most REPL_BEAT_ROWS_MAX */
    /* Version 2, else zero. */
    uint64_t sent_ns; /* the sender's clock; to be echoed */
    uint64_t echo_ns; /* such a clock of the receiver, as last heard; 0: none yet */
    uint32_t held_us; /* so long the sender had it */
    struct repl_election_report elections, transfers;
    uint8_t version; /* decoded: of the rows */
};

#define REPL_BEAT_HEAD_SIZE 96
#define REPL_BEAT_ROW_SIZE  61
#define REPL_BEAT_ROWS_MAX  512

/* Writes the head; rows follow it. Returns where the first row goes. */
uint8_t *repl_beat_encode(const struct repl_beat *beat, uint8_t *into);
uint8_t *repl_beat_row_encode(const struct repl_beat_row *row, uint8_t *into);

/* Reads the head; *rows is a view of exactly row_count rows. ERR_MALFORMED or ERR_VERSION. */
int repl_beat_decode(struct bytes bytes, struct repl_beat *beat, struct bytes *rows);
void repl_beat_row_decode(const struct repl_beat *beat, struct bytes rows, unsigned index,
                          struct repl_beat_row *row);

#endif
