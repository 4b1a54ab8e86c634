/* The way back of one file: what its sectors held at the last sync, and its size then.
 *
 * Writes go to the backing file at once; before the first one that touches a sector since the
 * last sync, the sector's old bytes are kept here. A power cut writes some of them back. So
 * reads need nothing of this, and memory is needed for what was overwritten only: of a sector
 * behind the file's end one bit is kept.
 *
 * No locks, no files: the caller owns both. */
#ifndef FAULTFS_UNDO_H
#define FAULTFS_UNDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNDO_SECTOR_BYTES  512u
#define UNDO_BLOCK_BYTES   4096u
#define UNDO_BLOCK_SECTORS (UNDO_BLOCK_BYTES / UNDO_SECTOR_BYTES)

/* Of which unsynced writes survive. */
enum undo_keep { UNDO_KEEP_NONE, UNDO_KEEP_ALL, UNDO_KEEP_RANDOM };

struct undo_choice {
    enum undo_keep keep;
    bool is_torn;  /* of each file's newest unsynced write, the first sectors survive only */
    uint64_t seed; /* for keep random and for where a write is torn */
};

/* The file that an undo belongs to. Each returns 0 or an errno. */
struct undo_file {
    void *data;
    /* Bytes behind the end read as zeroes. */
    int (*read)(void *data, uint64_t offset, void *into, size_t size);
    int (*write)(void *data, uint64_t offset, const void *bytes, size_t size);
    int (*set_size)(void *data, uint64_t size);
};

struct undo_block {
    uint64_t number; /* offset / UNDO_BLOCK_BYTES */
    uint8_t *old;    /* a block's bytes; NULL: zeroes */
    uint8_t saved;   /* bit i: sector i was changed, its old bytes are known. 0: a free slot */
};

struct undo {
    struct undo_block *slots; /* hashed by number */
    size_t slot_count;        /* a power of two, or 0 */
    size_t block_count;       /* slots in use */
    size_t old_count;         /* of them with bytes */
    uint64_t sector_count;    /* saved ones */
    uint64_t changes;         /* ever */
    bool is_changed;          /* anything since the last sync; what follows counts then only */
    uint64_t size_synced;     /* at the last sync */
    uint64_t size_lowest;     /* to which it was cut off since; size_synced if it was not */
    uint64_t size_now;        /* after the newest change */
    uint64_t write_offset;    /* the newest write */
    uint64_t write_end;
    uint64_t write_size_before; /* of the file, before the newest write */
};

struct undo_outcome {
    uint64_t sectors_kept;
    uint64_t sectors_lost;
};

/* Before bytes [offset, offset + size) of a file of `size_now` bytes change: keeps what they were.
 * 0 or an errno (ENOMEM, or the file's own); after an error the write must not happen. */
int undo_before_write(struct undo *undo, const struct undo_file *file, uint64_t offset,
                      uint64_t size, uint64_t size_now);
/* Before the file's size becomes `size`. */
int undo_before_resize(struct undo *undo, const struct undo_file *file, uint64_t size,
                       uint64_t size_now);

/* The file is synced: nothing of it can be lost any more. */
void undo_clear(struct undo *undo);

/* Power cut: undoes what does not survive, and clears. Any subset of the sectors written since the
 * last sync may survive; of a sector its newest bytes or those of the last sync. A file that grew
 * ends anywhere between the two sizes. Cutting off is undone as a whole or not at all. */
int undo_roll_back(struct undo *undo, const struct undo_file *file,
                   const struct undo_choice *choice, struct undo_outcome *outcome);

/* A sync failed: any subset of the sectors reached the disk, the others are dropped from the cache
 * as Linux may: nothing brings them back. The size stays, and stays unsynced. */
int undo_drop(struct undo *undo, const struct undo_file *file, uint64_t seed,
              struct undo_outcome *outcome);

/* What is known of a block's older content: writes it over `block` (UNDO_BLOCK_BYTES, as now) and
 * says whether anything was. */
bool undo_apply_old(const struct undo *undo, uint64_t number, uint8_t *block);

/* Memory in use. */
size_t undo_memory_bytes(const struct undo *undo);

#endif
