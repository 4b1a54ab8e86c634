/* The entry with which a forced recovery begins a group's new generation.
 *
 * Nobody proposes it: the recovery of a replica (start/recovery.h) puts it behind all that the
 * survivor has, applies it, and makes the checkpoint that the new generation begins with. Apply
 * moves every number that clients see on by a stride that the lost side can't have used up (design,
 * section 7): offsets, leader epochs, consumer generations; in group 0 producer ids, partition
 * numbers and the failover epoch. */
#ifndef CLUSTER_RECOVERY_ENTRY_H
#define CLUSTER_RECOVERY_ENTRY_H

#include <stdint.h>

#include "base/bytes.h"
#include "cluster/metadata.h"

#define RECOVERY_EPOCH_STRIDE      (1 << 20) /* of leader epochs */
#define RECOVERY_GENERATION_STRIDE (1 << 20) /* of consumer groups */
#define RECOVERY_NUMBER_STRIDE     (1 << 20) /* of partition numbers, and of the failover epoch */
#define RECOVERY_PRODUCER_STRIDE   ((int64_t)1 << 40)

struct recovery_entry {
    uint32_t generation; /* of the raft group, from this entry on */
    uint64_t recovery_id;
    int64_t producer_id_end; /* the next producer id from here on; those below are of before */
    int64_t known_until_ms;  /* leader's clock: all that was acknowledged before is here */
    uint64_t lost_records, lost_bytes; /* known to be lost, of all groups together */
    char site[32];                     /* that survived */
    unsigned group_count;              /* of `group_ids`: those recovered together */
    uint32_t group_ids[METADATA_GROUPS_MAX];
    int64_t forecast_pause_ms; /* from the order until these groups serve; -1: not known */
};
#define RECOVERY_ENTRY_SIZE_MAX (104 + 4 * METADATA_GROUPS_MAX)

/* Returns the size. */
size_t recovery_entry_encode(const struct recovery_entry *entry,
                             uint8_t into[RECOVERY_ENTRY_SIZE_MAX]);
/* 0, ERR_VERSION or ERR_MALFORMED. */
int recovery_entry_decode(struct bytes from, struct recovery_entry *entry);

/* The next producer id after a recovery of a group 0 that would give this one. */
int64_t recovery_producer_id_end(int64_t next_producer_id);

#endif
