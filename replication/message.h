/* What replicas send each other inside frames. Format: docs/peer_messages.md.
 *
 * Little-endian head, REPL_MESSAGE_HEAD_SIZE bytes: u16 version, u8 type, u8 0, u32 group id,
 * u32 generation, u64 recovery id, u64 from raft id, u64 to raft id; then by type. Decoding checks
 * every count against the bytes that are there; entries' payloads stay where they are. */
#ifndef REPLICATION_MESSAGE_H
#define REPLICATION_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "log/entry.h"
#include "log/wal.h"

#define REPL_MESSAGE_VERSION    1
#define REPL_MESSAGE_HEAD_SIZE  36
#define REPL_NO_GROUP           UINT32_MAX   /* group id of messages between nodes */
#define REPL_SHIP_CONTENTS      UINT32_MAX   /* as a file: the contents themselves */
#define REPL_SHIP_CONTENTS_MAX  (256u << 20) /* of all their pages */
#define REPL_SHIP_ASKS_MAX      32           /* of one installation at a time */
#define REPL_APPEND_ENTRIES_MAX 500          /* of one message: two slices each fit a frame */

enum repl_message_type {
    REPL_REQUEST_VOTE = 1,
    REPL_REQUEST_VOTE_RESULT = 2,
    REPL_APPEND = 3,
    REPL_APPEND_RESULT = 4,
    REPL_INSTALL = 5,
    REPL_TIMEOUT_NOW = 6,
    REPL_READ_ROUND = 7, /* "do you still follow me?" (read index) */
    REPL_READ_ROUND_ACK = 8,
    REPL_SHIP_ASK = 9, /* the next piece of a snapshot, or its contents */
    REPL_SHIP_PIECE = 10,
    REPL_REPAIR_ASK = 11, /* batches of a segment that the sender's disk has damaged */
    REPL_REPAIR_PIECE = 12,
    REPL_PROMISE = 13,    /* "so much of the log you said that you have" */
    REPL_LEAVE_ASK = 14,  /* "have you committed a configuration without me?"; of a learner: "have
                             you a snapshot since I left?" */
    REPL_LEFT = 15,       /* the leader: it has, and has a checkpoint of it */
    REPL_HEARTBEAT = 20,  /* between nodes, for all groups */
    REPL_APPLICATION = 21 /* between nodes, for the layer above */
};

/* What a peer says that was asked for a piece of a segment. */
enum repl_repair_answer {
    REPL_REPAIR_HERE = 0,
    REPL_REPAIR_NOT_YET = 1,  /* it has the batches, but not in files: they will be soon */
    REPL_REPAIR_NOT_HERE = 2, /* no such segment */
    REPL_REPAIR_DIFFERS = 3,  /* its segment has other bytes */
    REPL_REPAIR_DAMAGED = 4,  /* its own bytes fail their checksum */
    REPL_REPAIR_ANSWER_MAX = 4
};

struct repl_message {
    enum repl_message_type type;
    struct log_wal_group group; /* group id, generation, recovery id */
    uint64_t from, to;          /* raft ids; node ids for messages between nodes */
    uint64_t term;              /* of the sender; all raft types, READ_ROUND and LEFT */
    /* votes */
    uint64_t last_index, last_term; /* also TIMEOUT_NOW; INSTALL: of the snapshot */
    bool is_pre_vote, does_disrupt, is_granted;
    uint16_t features, capacity; /* libraft's own; results */
    uint8_t raft_version;        /* libraft's version of its struct */
    /* APPEND */
    uint64_t previous_index, previous_term, commit_index;
    unsigned entry_count;
    struct log_entry *entries; /* encode: borrowed; decode: caller's array */
    /* APPEND_RESULT */
    uint64_t rejected; /* index, or 0 */
    /* INSTALL */
    uint64_t configuration_index;
    struct bytes configuration; /* libraft's encoding; borrowed from the frame */
    /* READ_ROUND and its ACK; SHIP: number of the shipment; LEAVE: of the question. LEFT has
     * `last_index` too: of that configuration */
    uint64_t round;
    /* SHIP */
    uint32_t file; /* of the contents; UINT32_MAX: the contents themselves */
    uint64_t position;
    uint32_t size;
    bool is_refused;              /* PIECE: the sender can't: ask for a new snapshot */
    bool may_compress;            /* ASK: the answer may be compressed; PIECE: it was asked so */
    bool is_compressed;           /* PIECE */
    uint32_t link_kib_per_second; /* ASK that may be: what the link takes; 0: it is not the limit */
    struct bytes piece;           /* borrowed from the frame */
    /* REPAIR: `round` is the number of the repair; `position`, `size` and `piece` as above */
    uint32_t partition_number;
    int64_t base_offset, offset;        /* of the segment; of the batch at `position` */
    uint32_t segment_version;           /* the compaction that made it, or 0 */
    uint32_t segment_size, segment_crc; /* of its .log, as it must be */
    bool is_sealed;
    uint8_t answer; /* PIECE: enum repl_repair_answer */
    /* HEARTBEAT and APPLICATION: what follows the head */
    struct bytes rest;
};

/* Room for a message's head and everything but entries' payloads. */
#define REPL_MESSAGE_ENCODED_MAX(entry_count, more) (256 + (size_t)(entry_count)*24 + (more))

/* Encodes all but entries' payloads and `piece`, which follow as slices. Returns the size. */
size_t repl_message_encode(const struct repl_message *m, uint8_t *into);

/* Decodes a frame. `entries` has room for REPL_APPEND_ENTRIES_MAX, or is NULL where no entries are
 * expected (then they are malformed); their slices borrow `owner` without a reference. Checks each
 * entry's CRC. 0, ERR_VERSION, ERR_MALFORMED or ERR_CORRUPT. */
int repl_message_decode(struct bytes frame, struct buffer *owner, struct log_entry *entries,
                        struct repl_message *m);

/* Only the group id, to find the group's shard; REPL_NO_GROUP also for malformed frames. */
uint32_t repl_message_group_id(struct bytes frame);
/* Only the sender's raft id; 0 for malformed frames. */
uint64_t repl_message_from(struct bytes frame);

#endif
