/* The manifest's records and what they add up to. Byte tables: docs/manifest_format.md. */
#ifndef LOG_MANIFEST_H
#define LOG_MANIFEST_H

#include "log/store.h"

enum manifest_kind {
    MANIFEST_HEADER = 1,    /* first record of a file */
    MANIFEST_PARTITION = 2, /* a partition's record, the newest counts */
    MANIFEST_REMOVED = 3,   /* a partition is gone; its folder may still be there */
    MANIFEST_MACHINE = 4,   /* the state machine's own state, the newest counts */
    MANIFEST_COMMIT = 5,    /* the group's record: what came before it is one checkpoint */
    MANIFEST_SEAL = 6       /* behind a commit that is durable; not synced itself */
};

#define MANIFEST_RECORD_HEAD_SIZE  16
#define MANIFEST_COMMIT_INSTALLING 1u /* flag: files may still lie in "incoming" */
#define MANIFEST_COMMIT_LEFT       2u /* flag: the replica has left its group, and has nothing */

struct manifest_record {
    enum manifest_kind kind;
    uint16_t flags;
    uint32_t number;      /* partition number, or 0 */
    struct bytes payload; /* borrowed */
};

/* Bytes that are written one record after the other. */
struct manifest_bytes {
    uint8_t *data; /* freed by manifest_bytes_close */
    size_t size, capacity;
    int err; /* UV_ENOMEM once memory ran out: nothing is added from then on */
};
void manifest_bytes_close(struct manifest_bytes *b);

/* Size of a record in the file. */
size_t manifest_record_size(size_t payload_size);
void manifest_add(struct manifest_bytes *b, const struct manifest_record *record);
/* The first record; its place for the file's whole size is filled by manifest_finish_header. */
void manifest_add_header(struct manifest_bytes *b, uint32_t group_id);
void manifest_add_removed(struct manifest_bytes *b, uint32_t number,
                          const struct log_partition_id *id);
/* `durable_size`: bytes of the file that were durable before this write. Of a state with a
 * left_index the flag says so, whatever `flags` are. */
void manifest_add_commit(struct manifest_bytes *b, const struct log_store_state *state,
                         uint64_t durable_size, uint16_t flags);
/* What is written behind a checkpoint once it is durable: so much of the file is. */
void manifest_add_seal(struct manifest_bytes *b, uint64_t durable_size);
/* A file that is written whole: says so in its header. */
void manifest_finish_header(struct manifest_bytes *b);

/* One record from the front of `from`: its size in the file, ERR_NEED_MORE, ERR_CORRUPT, or
 * ERR_VERSION (sound, but of a later version). */
int64_t manifest_record_decode(struct bytes from, struct manifest_record *record);

struct manifest_partition {
    uint32_t number;
    struct bytes record;        /* borrowed; none when removed */
    struct log_partition_id id; /* of a removed one */
    bool is_removed;
};

/* A manifest read up to its last commit; bytes are borrowed from what was parsed. */
struct manifest {
    uint32_t group_id;
    struct log_store_state state; /* index 0 when there was no commit */
    bool is_installing;
    struct manifest_partition *partitions; /* by rising number; freed by manifest_close */
    uint32_t partition_count, partition_capacity;
    uint64_t end;        /* bytes that count; the rest is a torn tail */
    uint64_t commit_end; /* of them, up to the last commit: what is certainly durable */
};

/* ERR_CORRUPT: damage where everything was durable; ERR_VERSION; UV_ENOMEM. */
int manifest_parse(struct bytes file, struct manifest *m, struct err_note *note);
void manifest_close(struct manifest *m);

#endif
