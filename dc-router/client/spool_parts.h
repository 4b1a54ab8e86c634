/* What the files of the spool share. Private to them. */
#ifndef CLIENT_SPOOL_PARTS_H
#define CLIENT_SPOOL_PARTS_H

#include <uthash.h>

#include "spool.h"
#include "spool_entry.h"

#define SPOOL_PATH_SIZE 1200

struct spool_file {
    struct spool_file *next; /* the one begun after it, or NULL */
    struct disk_file *file;
    uint64_t number;
    uint64_t salt;          /* see spool_entry.h */
    uint64_t size_bytes;    /* whole entries; the next one's position */
    uint64_t pending_count; /* records in it */
    bool is_doubtful;       /* a sync of it has failed: what is in it may be lost */
};

struct spool_item {
    uint64_t order; /* hash key */
    uint64_t key_hash;
    uint64_t sequence;
    struct spool_file *file;
    uint64_t position; /* of its entry */
    uint32_t body_size;
    bool is_waiting;
    struct spool_item *previous, *next; /* in order */
    UT_hash_handle hh;
};

struct spool_key {
    uint64_t key_hash; /* hash key */
    uint32_t pending_count;
    uint32_t waiting_count;
    UT_hash_handle hh;
};

struct spool {
    struct spool_options options;
    char folder[1024];
    struct spool_file *oldest, *newest;
    uint64_t file_count;
    uint64_t found_count; /* of them when it was opened */
    bool is_sealed;       /* the newest takes no more: found at open, or a write to it has failed */
    bool is_dirty;        /* the newest has bytes that were not synced */
    bool is_renamed;      /* the folder has names that were not synced */
    uint64_t number_next, sequence_next, order_next;
    uint64_t size_bytes; /* of all files */
    uint64_t waiting_count;
    struct spool_item *items;        /* by order, as a hash */
    struct spool_item *first, *last; /* by order, as a list */
    struct spool_item *next_waiting; /* none before it waits; NULL: look from the first */
    struct spool_key *keys;
};

/* spool_index.c: what is pending, in memory. */
int spool_index_add(struct spool *s, const struct spool_item *item);
void spool_index_remove(struct spool *s, struct spool_item *item);
struct spool_item *spool_index_find(const struct spool *s, uint64_t order);
void spool_index_set_waiting(struct spool *s, struct spool_item *item, bool is_waiting);
struct spool_item *spool_index_first_waiting(struct spool *s);
void spool_index_close(struct spool *s);

/* spool_file.c: files by number. */
int spool_file_begin(struct spool *s);
int spool_file_adopt(struct spool *s, uint64_t number, uint64_t salt);
void spool_file_remove_done(struct spool *s);
void spool_file_close_all(struct spool *s);
void spool_file_path(const struct spool *s, uint64_t number, uint64_t salt,
                     char path[static SPOOL_PATH_SIZE]);

/* spool_scan.c: what the files hold. */
int spool_scan(struct spool *s, struct spool_report *report, struct err_note *note);

#endif
