/* What all parts of a mounted file system share.
 *
 * Locks, in the order they are taken:
 *   power_lock   read by every call while it acts; written by what needs the world to stand still
 *   names_lock   folders: one change at a time
 *   node->lock   one file's bytes and their way back
 *   nodes_lock, unsynced_lock, space_lock   short, nothing is taken within */
#ifndef FAULTFS_VOLUME_H
#define FAULTFS_VOLUME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "chance.h"
#include "entries.h"
#include "older.h"
#include "rules.h"

#define VOLUME_NODE_CHAINS 4096u
/* The folder in the backing folder's root where removed files wait; the mount does not show it. */
#define VOLUME_REMOVED_NAME ".faultfs-removed"

struct node;

struct volume_counts {
    atomic_uint_fast64_t calls[CALL_COUNT];
    atomic_uint_fast64_t bytes_read;
    atomic_uint_fast64_t bytes_written;
    atomic_uint_fast64_t forced_files;   /* made durable early: the memory's bound */
    atomic_uint_fast64_t forced_entries; /* the same for changes of folders */
    atomic_uint_fast64_t cuts;
    atomic_uint_fast64_t misdirected;
    atomic_uint_fast64_t troubles; /* the backing folder failed where no caller could be told */
};

struct volume {
    uint64_t seed;
    struct chance chance; /* damage at rest, and cuts without a seed: with power_lock written */
    struct node *root;
    int removed_folder;      /* descriptor */
    uint64_t removed_number; /* the last name given there, with names_lock */

    pthread_rwlock_t power_lock;
    bool is_on;
    uint64_t boot; /* grows with each cut: handles of an earlier boot are dead */

    pthread_mutex_t names_lock;
    struct entries entries;

    pthread_mutex_t nodes_lock;
    struct node *chains[VOLUME_NODE_CHAINS];
    uint64_t node_count;

    pthread_mutex_t unsynced_lock;
    struct node *unsynced_first; /* longest unsynced first */
    struct node *unsynced_last;
    uint64_t unsynced_count;
    uint64_t undo_bytes; /* memory of all ways back */
    uint64_t undo_bytes_max;
    struct older older; /* with unsynced_lock */

    pthread_mutex_t space_lock;
    bool is_full; /* `free_bytes` counts */
    uint64_t free_bytes;

    struct rules rules;
    struct volume_counts counts;
};

/* Opens the backing folder. 0, or -1 and said why on stderr. */
int volume_open(struct volume *volume, const char *folder, uint64_t seed, uint64_t undo_bytes_max);
void volume_close(struct volume *volume);

/* A call begins to act: 0, or EIO when the power is off. volume_leave() after a 0. */
int volume_enter(struct volume *volume);
/* The same for a call on something opened in boot `boot`. */
int volume_enter_handle(struct volume *volume, uint64_t boot);
void volume_leave(struct volume *volume);

/* Nothing else acts until volume_go_on(). */
void volume_stand_still(struct volume *volume);
void volume_go_on(struct volume *volume);

/* Of `wanted` new bytes so many fit; they are taken. */
uint64_t volume_take_space(struct volume *volume, uint64_t wanted);
void volume_give_space(struct volume *volume, uint64_t bytes);
void volume_set_full(struct volume *volume, bool is_full, uint64_t free_bytes);

/* Something failed where nobody can be told: counted, and said on stderr. */
void volume_trouble(struct volume *volume, const char *what, int err);

#endif
