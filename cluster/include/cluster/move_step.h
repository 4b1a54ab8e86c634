/* A partition moves to another raft group: what is to be done next, where. Decided from group 0's
 * record of the move and from what this replica has applied; nothing is remembered between steps,
 * so whoever leads goes on where another one ended. Used by the daemon and by the simulation. */
#ifndef CLUSTER_MOVE_STEP_H
#define CLUSTER_MOVE_STEP_H

#include "cluster/machine.h"
#include "cluster/metadata.h"

enum move_task {
    MOVE_PROPOSE_OUT = 1 << 0,    /* old group's leader: close the partition */
    MOVE_REPORT_CLOSED = 1 << 1,  /* old group's leader: METADATA_MOVE_CLOSED */
    MOVE_OPEN = 1 << 2,           /* new group's leader: bring the state, propose it */
    MOVE_CHECKPOINT = 1 << 3,     /* any replica of both: ask for one */
    MOVE_REPORT_TAKEN = 1 << 4,   /* any replica of the new group: METADATA_MOVE_TAKEN */
    MOVE_PROPOSE_SETTLE = 1 << 5, /* new group's leader */
    MOVE_REPORT_SETTLED = 1 << 6, /* new group's leader: METADATA_MOVE_SETTLED */
    MOVE_PROPOSE_CLOSE = 1 << 7,  /* old group's leader: forget the partition */
    MOVE_REPORT_RETIRED = 1 << 8  /* old group's leader: METADATA_MOVE_RETIRED */
};

/* A replica. */
struct move_replica {
    struct machine *machine;
    uint32_t group_id;
    uint32_t node_id;
    uint64_t checkpoint_index; /* durable */
};

/* Tasks of this replica for this move, 0 when it has none. On the group's shard. */
unsigned move_tasks(const struct metadata_move *move, const struct move_replica *here);

/* Is the partition to be closed once more in this group, its old one, because of a forced recovery?
 * Where that has left the group without it, its leader opens it first, as any partition that
 * metadata wants there. */
bool move_closes_again(const struct metadata_move *move, uint32_t group_id);

/* The body of an entry for PROPOSE_OUT, PROPOSE_SETTLE or PROPOSE_CLOSE, and its partition number.
 */
uint32_t move_entry_body(const struct metadata_move *move, enum move_task task,
                         const struct move_replica *here, uint64_t metadata_version,
                         uint8_t body[PARTITION_STATE_SIZE]);
/* The change for a REPORT. */
struct metadata_change move_report(const struct metadata_move *move, enum move_task task,
                                   const struct move_replica *here);

/* One piece of the state that opens the partition (MOVE_OPEN), from `position` on; *body is
 * returned owned (buffer_unref). Returns the position after it, or UV_ENOMEM. */
struct move_opening {
    const struct metadata_move *move;
    uint16_t flags; /* enum partition_flag */
    struct log_partition_settings settings;
    uint64_t metadata_version;
    int64_t first_offset; /* metadata_first_offset's: a lost side may have opened it before */
    struct bytes state;   /* machine_moved_state's of the old group's replica on this node */
};
int64_t move_opening_piece(const struct move_opening *opening, uint32_t position,
                           struct slice *body);

#endif
