/* The WAL's stored form: what stands in its files, byte for byte (docs/wal_format.md). */
#ifndef LOG_WAL_FORMAT_H
#define LOG_WAL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "log/wal.h"

#define WAL_BLOCK_SIZE         4096u /* writes begin and end on a block: no torn neighbour */
#define WAL_WRITE_HEADER_SIZE  64u   /* at the start of each write */
#define WAL_RECORD_HEADER_SIZE 64u   /* at the start of each record */
#define WAL_STATE_SIZE         40u   /* fixed part of a STATE record's data; heard follows */

/* A place in the WAL. Files are ordered by their id, which only rises. */
struct wal_position {
    uint32_t file_id;  /* 0: nowhere, before everything */
    uint32_t position; /* bytes from the file's start */
};

static inline bool wal_position_is_before(struct wal_position a, struct wal_position b)
{
    return a.file_id != b.file_id ? a.file_id < b.file_id : a.position < b.position;
}

struct wal_file_header {
    uint32_t file_id;       /* rises with each use of a file, never given twice; below UINT32_MAX,
                               so that there is always a number for the next */
    uint32_t uses;          /* 1 for a fresh, zero-filled file; more for a recycled one, which stays
                               at the largest number once there */
    uint32_t size;          /* bytes of the file: a shorter one was cut off */
    uint64_t cluster_id[2]; /* whose data it is */
    uint64_t salt;          /* nobody outside can guess it: see write header */
};

struct wal_write_header {
    uint32_t file_id;         /* of the file it stands in; a recycled file's past has another */
    uint64_t salt;            /* the file header's: a client can't forge a header in its batch */
    uint64_t sequence;        /* rises by 1 per write, over all files */
    uint32_t life;            /* rises with each opening: a torn write's rest has a lower one */
    uint32_t payload_size;    /* bytes of records that follow; zeros up to the next block */
    uint32_t record_count;    /* of them */
    struct wal_position mark; /* all before it was durable when this write was issued */
    uint32_t oldest_file_id;  /* files below it were not needed when this write was issued */
    uint32_t next_file_id;    /* of a file's last write: where the log goes on; else 0 */
};

enum wal_record_kind {
    WAL_ENTRY = 1,    /* term and index are the entry's; data is head and body */
    WAL_VOTE = 2,     /* term; index is the raft id voted for, or 0 */
    WAL_TRUNCATE = 3, /* index: first one dropped */
    WAL_HEARD = 4,    /* data: opaque, newest wins */
    WAL_SNAPSHOT = 5, /* term and index of a shipped snapshot: all entries dropped */
    WAL_DROPPED = 6,  /* the group left this node */
    WAL_STATE = 7     /* the group's state again, before the file that held it is recycled */
};

struct wal_record {
    enum wal_record_kind kind;  /* what it says */
    enum log_entry_type type;   /* of an entry, else 0 */
    uint8_t head_size;          /* of an entry's data, how much is head */
    uint32_t data_size;         /* bytes that follow the header */
    uint32_t data_crc;          /* CRC-32C over them; of an entry its own */
    struct log_wal_group group; /* whose */
    uint64_t term, index;       /* by kind, above */
    uint64_t sequence;          /* of the write it belongs to */
    uint32_t life;              /* of the write it belongs to */
};

/* What a STATE record's data says; heard positions follow it. */
struct wal_state_data {
    uint64_t term, voted_for;
    uint64_t snapshot_index, snapshot_term;
    uint64_t next_index; /* of the entry to come; 0 when not known */
};

/* The bytes that a write with this payload takes on disk. */
static inline uint64_t wal_write_size(uint64_t payload_size)
{
    uint64_t size = WAL_WRITE_HEADER_SIZE + payload_size;
    return (size + WAL_BLOCK_SIZE - 1) / WAL_BLOCK_SIZE * WAL_BLOCK_SIZE;
}

bool log_wal_is_zero(struct bytes bytes);

/* A whole block. */
void log_wal_file_header_encode(const struct wal_file_header *h, uint8_t block[WAL_BLOCK_SIZE]);
/* 0; ERR_CORRUPT when it is no intact file header; ERR_VERSION when it is of another release. */
int log_wal_file_header_decode(const uint8_t block[WAL_BLOCK_SIZE], struct wal_file_header *h);

void log_wal_write_header_encode(const struct wal_write_header *h,
                                 uint8_t into[WAL_WRITE_HEADER_SIZE]);
/* True when the bytes are an intact write header, whosever. */
bool log_wal_write_header_decode(const uint8_t from[WAL_WRITE_HEADER_SIZE],
                                 struct wal_write_header *h);

void log_wal_record_encode(const struct wal_record *r, uint8_t into[WAL_RECORD_HEADER_SIZE]);
/* 0; ERR_CORRUPT; ERR_VERSION when intact but of a kind, version or flag not known here. */
int log_wal_record_decode(const uint8_t from[WAL_RECORD_HEADER_SIZE], struct wal_record *r);

void log_wal_state_encode(const struct wal_state_data *s, uint8_t into[WAL_STATE_SIZE]);
void log_wal_state_decode(const uint8_t from[WAL_STATE_SIZE], struct wal_state_data *s);

#endif
