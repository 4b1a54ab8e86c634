/* What the WAL knows of each group, in memory: a state and where its entries are.
 *
 * The same function takes in records at opening and after a write, so both come to the same
 * state. Not thread-safe: the WAL's lock guards it. */
#ifndef LOG_WAL_INDEX_H
#define LOG_WAL_INDEX_H

#include "wal_format.h"

/* Where an entry is: 24 bytes, for there are millions. */
struct wal_entry {
    uint64_t term;
    struct wal_position place; /* of its record header */
    uint32_t size;             /* of its data */
    uint8_t type;              /* enum log_entry_type */
    uint8_t head_size;         /* of its data, how much is head */
    uint16_t unused;           /* zero */
};

#define WAL_CHUNK_ENTRIES 512

struct wal_chunk {
    struct wal_entry entries[WAL_CHUNK_ENTRIES];
};

struct wal_group {
    struct log_wal_group id;  /* newest generation seen in a durable record */
    bool is_known;            /* a durable record was seen, and the group was not dropped since */
    uint64_t term, voted_for; /* newest vote */
    uint64_t snapshot_index, snapshot_term;
    uint64_t first_index;      /* of the entries below; == next_index when there are none */
    uint64_t next_index;       /* of the entry to come; 0 when none was ever known */
    uint64_t released;         /* entries up to here are not needed for a restart */
    uint64_t chunk_base;       /* index that stands first in chunks[0] */
    struct wal_chunk **chunks; /* entries in index order */
    size_t chunk_count, chunk_capacity;
    uint32_t state_file_id; /* oldest file with a part of the newest state outside the entries */
    bool is_restating;      /* its STATE record is in the write under way */
    uint8_t *heard;         /* newest heard positions */
    size_t heard_size;

    /* As of what is queued, ahead of what is durable. */
    struct log_wal_group queued_id;
    uint64_t queued_next;       /* index the next appended entry must have; 0: any */
    unsigned queued_count;      /* appends under way */
    bool is_drop_queued;        /* `drop` is in use */
    struct log_wal_append drop; /* the request that log_wal_drop_group queues */
};

struct wal_index {
    struct wal_group **groups; /* sorted by group id */
    size_t count, capacity;
};

void log_wal_index_close(struct wal_index *x);

/* NULL when there is none. */
struct wal_group *log_wal_index_find(const struct wal_index *x, uint32_t group_id);
/* The group, made if missing; NULL without memory. Valid until close. */
struct wal_group *log_wal_index_get(struct wal_index *x, uint32_t group_id);

/* Takes in a durable record that stands at `place`. `data` is needed of HEARD and STATE only.
 * 0; UV_ENOMEM; ERR_CORRUPT when it contradicts what came before. */
int log_wal_index_apply(struct wal_index *x, const struct wal_record *r, struct wal_position place,
                        struct bytes data);

/* NULL outside [first_index, next_index). */
const struct wal_entry *log_wal_index_entry(const struct wal_group *g, uint64_t index);

/* The oldest entry that is not released; NULL when all are. */
const struct wal_entry *log_wal_index_pin(const struct wal_group *g);

/* Forgets entries in files below `oldest_file_id`. */
void log_wal_index_forget_files(struct wal_index *x, uint32_t oldest_file_id);

/* Sets the queued view to the durable one (after opening). */
void log_wal_index_settle(struct wal_index *x);

#endif
