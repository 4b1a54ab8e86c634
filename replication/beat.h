/* A heartbeat as bytes: what one node tells another of itself and of the groups that it leads
 * (docs/peer_messages.md, beats). */
#ifndef REPLICATION_BEAT_H
#define REPLICATION_BEAT_H

#include "base/bytes.h"
#include "replication/disk_state.h"

struct repl_beat_row {
    uint32_t group_id;
    uint64_t leader; /* raft id, of the sender's node */
    uint64_t term;
    uint64_t commit;
    bool is_deaf; /* the leader hears no majority: don't wait for it */
};

struct repl_beat {
    bool is_leaving; /* the sender is about to stop */
    struct repl_disk_report disk;
    unsigned row_count; /* at most REPL_BEAT_ROWS_MAX */
};

#define REPL_BEAT_HEAD_SIZE 48
#define REPL_BEAT_ROW_SIZE  29
#define REPL_BEAT_ROWS_MAX  512

/* Writes the head; rows follow it. Returns where the first row goes. */
uint8_t *repl_beat_encode(const struct repl_beat *beat, uint8_t *into);
uint8_t *repl_beat_row_encode(const struct repl_beat_row *row, uint8_t *into);

/* Reads the head; *rows is a view of exactly row_count rows. ERR_MALFORMED or ERR_VERSION. */
int repl_beat_decode(struct bytes bytes, struct repl_beat *beat, struct bytes *rows);
void repl_beat_row_decode(struct bytes rows, unsigned index, struct repl_beat_row *row);

#endif
