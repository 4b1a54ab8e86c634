/* The entry that opens a partition in the group that it moved to: everything that apply needs, so
 * that state stays a function of the group's own entries (invariant 12). The old group's records
 * themselves are in segment files, which change hands on each node's disk; here are what those
 * files are (sizes and checksums), the epoch table, the producers, the consumer groups.
 *
 * That may be large, so it comes in pieces, one entry each; the last one opens the partition. A
 * leader that takes over in the middle begins again at 0. */
#ifndef CLUSTER_MOVE_ENTRY_H
#define CLUSTER_MOVE_ENTRY_H

#include "cluster/entry.h"

#define MOVE_IN_PIECE_MAX (1u << 20)   /* bytes of state in one entry */
#define MOVE_IN_STATE_MAX (512u << 20) /* of all pieces */
#define MOVE_IN_HEAD_SIZE (PARTITION_STATE_SIZE + 20)

struct move_in {
    struct partition_state state; /* action MOVE_IN; start_offset: where the old log ends;
                                     epoch_base is the new one; settings are those in the record */
    uint32_t from_group;
    uint64_t from_index; /* raft index of the MOVE_OUT in the old group's log */
    uint32_t total_size; /* of the moved state */
    uint32_t position;   /* of this piece */
    struct bytes piece;  /* borrowed */
};

/* Into MOVE_IN_HEAD_SIZE + piece.size bytes; returns that. */
size_t move_in_encode(const struct move_in *move, uint8_t *into);
/* 0, ERR_VERSION or ERR_MALFORMED. */
int move_in_decode(struct bytes from, struct move_in *move);

/* The moved state: u32 size, the partition's record (docs/manifest_format.md), u32 size, the
 * consumer table (docs/entry_format.md, empty without consumer groups). */
int moved_state_encode(struct bytes record, struct bytes consumers, uint8_t **bytes, size_t *size);
int moved_state_decode(struct bytes from, struct bytes *record, struct bytes *consumers);

#endif
