/* A store's insides, shared by store.c (opening, partitions), store_checkpoint.c, ship_source.c
 * and ship_install.c. */
#ifndef LOG_STORE_INTERNAL_H
#define LOG_STORE_INTERNAL_H

#include "log/store.h"
#include "manifest.h"
#include "partition_internal.h"

/* A partition in the store's table. */
struct store_partition {
    struct log_store *store;
    uint32_t number;
    struct log_partition *partition; /* owned */
    struct slice record;             /* as in the last durable checkpoint; empty before */
    bool is_dirty;                   /* differs from `record` */
    struct store_partition *next_dirty;
    struct store_partition *next_removed;
    bool is_removal_durable; /* of a removed one: the manifest says so */
    bool has_claim;          /* on its folder, in the disk's table */
};

/* A file that an earlier, unfinished installation has left in "incoming". */
struct staged_file {
    char name[LOG_PATH_SIZE]; /* says which bytes it will have: see ship_install.c */
    uint64_t size_bytes;      /* present; may be fewer than it will have */
};

struct staged_list {
    struct staged_file *items;
    unsigned count, capacity;
};

struct log_store {
    const struct disk *disk;
    uint32_t group_id;
    const struct work *worker, *home;
    struct store_partition **partitions; /* by rising number */
    uint32_t partition_count, partition_capacity;
    struct store_partition *dirty;       /* what the next checkpoint writes */
    struct store_partition *removed;     /* files still there, or reads under way */
    struct log_store_state state;        /* of the last durable checkpoint */
    struct slice configuration, machine; /* its bytes */
    uint64_t manifest_size;              /* bytes of the file that count */
    uint64_t manifest_durable;           /* of them, what was synced; the rest is a seal */
    uint64_t live_size;                  /* of them, what a rewrite would keep */
    bool is_checkpointing;
    bool has_manifest_rest; /* a checkpoint that found no room may have left bytes behind the end */
    bool must_rewrite;      /* ... or another manifest in place of the one we know */
    struct log_pin *pins;   /* all that are not released */
    struct log_install *install; /* the one under way, or NULL */
    struct staged_list staged;   /* left by earlier ones */
    struct scrub *scrub;         /* what the scrubber does here; NULL: nothing */
    bool has_flaws;              /* a segment is suspected or damaged; may be out of date */
    uint64_t files_found;        /* damaged, since it was opened */
    uint64_t segments_repaired;
    struct log_folders *folders; /* the disk's claims, or NULL */
    unsigned awaiting_count;     /* partitions that wait for their files */
    unsigned look_pause;         /* calls of log_store_tend until files are looked for again */
    bool is_tending;             /* looking for files */
    bool has_held_files;         /* some stay because another store names them */
    bool is_leaving;             /* all of it is being removed */
};

/* "groups/<id>" + suffix; `path` has LOG_PATH_SIZE bytes. */
void store_path(const struct log_store *s, const char *suffix, char *path);

/* Puts the bytes in place of the manifest: new file, synced, renamed, folder synced. Blocking. */
int store_replace_manifest(const struct log_store *s, struct bytes contents);
/* Its two halves: after a failure of the first the manifest is what it was, after one of the second
 * it may be either. */
int store_prepare_manifest(const struct log_store *s, struct bytes contents);
int store_place_manifest(const struct log_store *s);
/* Cuts off what stands behind the first `size` bytes, durably. Blocking. */
int store_cut_manifest(const struct log_store *s, uint64_t size);
/* Appends and syncs. Blocking. */
int store_append_manifest(const struct log_store *s, uint64_t position, struct bytes contents);

/* Says behind what was appended that it is durable, without a sync. Returns the seal's size, or an
 * error. Blocking. */
int64_t store_seal_manifest(const struct log_store *s, uint64_t position);

/* The next checkpoint writes it. */
void store_mark_dirty(struct store_partition *entry);

/* A copy of `from` in a buffer of its own. 0 or UV_ENOMEM. */
int store_copy_bytes(struct bytes from, struct slice *copy);

/* ---- a table of partitions, made from a manifest; also for an installation ---- */
struct store_table {
    struct store_partition **items; /* by rising number */
    uint32_t count, capacity;
    struct slice configuration, machine;
    struct log_store_state state;
    uint64_t live_size;
};
/* Opens all partitions of the manifest, files included. Blocking. */
int store_table_open(struct log_store *s, const struct manifest *m, struct store_table *table,
                     struct err_note *note);
void store_table_close(struct store_table *table);
/* Gives the store the table's contents; what it had is freed. */
void store_take_table(struct log_store *s, struct store_table *table);

/* Does a live partition use this folder? One that was removed may have come back (a move between
 * groups) under another number. */
bool store_has_folder(const struct log_store *s, const struct log_partition_id *id);

/* Adds a partition at its place, as changed; takes it when it returns 0. */
int store_add_partition(struct log_store *s, uint32_t number, struct log_partition *p);
struct store_partition *store_find(const struct log_store *s, uint32_t number); /* or NULL */
void store_free_entry(struct store_partition *entry);

/* ---- folders that two stores name: a move between groups (store_move.c) ---- */
int store_claim(struct store_partition *entry);
void store_unclaim(struct store_partition *entry);
void store_set_writing(const struct store_partition *entry, bool is_writing);
/* A replica that begins anew may replay the life of a partition that another group's store has by
 * now, from before it moved there. What comes of that is written aside: under an id that no topic
 * has. */
void store_give_ghost_id(const struct log_store *s, uint32_t number, struct log_partition_id *id);
bool store_is_shared(const struct log_store *s, const struct log_partition_id *id);
/* Has the old group's store let go of the files, and is nobody removing them? */
bool store_may_take(const struct log_store *s, const struct log_partition_id *id,
                    const struct log_partition_source *source);

/* A read, flush, checkpoint, pin or search for files is under way. */
bool store_is_in_use(const struct log_store *s);
/* Reads that began while the worker takes the partitions away would outlive them: they get
 * ERR_BUSY. */
void store_hold_reads(struct log_store *s, bool is_held);
/* Frees what was removed: its files are gone. */
void store_forget_removed(struct log_store *s);
/* Tells the disk's claims how far the store is. Who has left holds nobody up. */
void store_tell_index(const struct log_store *s);

/* Is the file of a segment pinned by a snapshot that is being shipped? */
bool store_is_pinned(const struct log_store *s, const struct log_partition_id *id,
                     int64_t base_offset, uint32_t version);
bool store_is_folder_pinned(const struct log_store *s, const struct log_partition_id *id);

/* Ends an installation that a crash has cut after its commit point: moves what is still in
 * "incoming" to its place. Blocking. */
int store_finish_install(struct log_store *s, const struct manifest *m, struct err_note *note);
/* Lists "incoming" for the next installation. Blocking. */
int store_list_staged(struct log_store *s);

#endif
