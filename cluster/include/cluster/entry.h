/* What the entries of a raft group say. The head (replication/entry_head.h) names kind and
 * partition; the body is coded here, little-endian, each body beginning with its own version.
 * Formats: docs/formats.md. Kinds that are not used yet keep their number. */
#ifndef CLUSTER_ENTRY_H
#define CLUSTER_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "log/partition.h"

enum entry_kind {
    ENTRY_RECORD_BATCH = 1,       /* body: one Kafka record batch v2, as it is stored */
    ENTRY_PARTITION_STATE = 2,    /* body: struct partition_state */
    ENTRY_LOG_START = 3,          /* body: struct log_start_advance (retention, DeleteRecords) */
    ENTRY_COMPACTION_STEP = 4,    /* body: log/compact.h, made by log_partition_compact_plan */
    ENTRY_GROUP_STATE = 5,        /* body: consumer/group_entry.h (commits, membership) */
    ENTRY_PRODUCER_STATE = 6,     /* body: u16 version, i64 forget producers idle since, ms */
    ENTRY_TRANSACTION_MARKER = 7, /* later */
    ENTRY_METADATA = 8,           /* body: state/metadata_change.h; group 0 only */
    ENTRY_FEATURE_LEVEL = 9,      /* body: u16 version, u32 level */
    ENTRY_NOTHING = 10,           /* no body: moves the applied index and the clock */
    ENTRY_RECOVERY = 11           /* body: cluster/recovery_entry.h; never proposed */
};

/* The level that this release can apply. A group's own level rises by ENTRY_FEATURE_LEVEL. */
#define ENTRY_FEATURE_LEVEL_MAX 1

enum partition_action {
    PARTITION_OPEN = 1,       /* begins here: at start_offset, with epoch_base */
    PARTITION_SETTINGS = 2,   /* from here on other settings */
    PARTITION_CLOSE = 3,      /* ends here; its data is deleted */
    PARTITION_MOVE_OUT = 4,   /* closed at the next offset, to be opened in another group */
    PARTITION_MOVE_IN = 5,    /* a piece of what another group had: cluster/move_entry.h */
    PARTITION_MOVE_SETTLE = 6 /* the move here is over */
};

enum partition_flag {
    PARTITION_IS_OFFSETS = 1 << 0 /* carries consumer groups: a partition of __consumer_offsets */
};

struct partition_state {
    enum partition_action action;
    uint16_t flags;             /* enum partition_flag */
    struct log_partition_id id; /* topic id and partition */
    int64_t start_offset;       /* OPEN: of the first record; behind recoveries a multiple of
                                   LOG_OFFSET_STRIDE, and then the log starts at 0, with a gap */
    int32_t epoch_base;         /* OPEN: leader epoch = this + the entry's term */
    struct log_partition_settings settings;
    uint64_t metadata_version; /* of the metadata that asks for it: an OPEN older than a CLOSE is
                                  of a leader who had not heard, and is refused */
};
#define PARTITION_STATE_SIZE 76 /* bytes when encoded */

size_t partition_state_encode(const struct partition_state *state,
                              uint8_t into[PARTITION_STATE_SIZE]);
/* 0, ERR_VERSION or ERR_MALFORMED. */
int partition_state_decode(struct bytes from, struct partition_state *state);

enum log_start_reason { LOG_START_RETENTION = 1, LOG_START_DELETE_RECORDS = 2 };

struct log_start_advance {
    enum log_start_reason reason;
    int64_t start_offset;
};
#define LOG_START_ADVANCE_SIZE 12

size_t log_start_advance_encode(const struct log_start_advance *advance,
                                uint8_t into[LOG_START_ADVANCE_SIZE]);
int log_start_advance_decode(struct bytes from, struct log_start_advance *advance);

#endif
