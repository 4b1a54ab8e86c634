/* Files and folders of the backing folder that somebody knows: the kernel, a handle, or a change
 * that is not durable yet. One node per inode, however many names it has. */
#ifndef FAULTFS_NODE_H
#define FAULTFS_NODE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "undo.h"

struct volume;

struct node {
    struct node *next; /* in its chain */
    dev_t device;
    ino_t inode;
    mode_t type;            /* S_IFMT bits */
    uint64_t references;    /* with nodes_lock; freed with the last one */
    int path_descriptor;    /* O_PATH: keeps the inode, whatever happens to its names */
    atomic_uint kept_names; /* names among the removed, which nobody shall see in st_nlink */

    pthread_mutex_t lock;
    int data_descriptor; /* for reading and writing; -1: not open */
    uint64_t open_count; /* handles */
    struct undo undo;
    uint64_t failed_syncs; /* so that each drops other sectors */

    struct node *unsynced_before; /* in the volume's list, with unsynced_lock */
    struct node *unsynced_after;
    bool is_unsynced;
    uint64_t undo_bytes; /* as counted in the volume's */
};

/* The node of an O_PATH descriptor, which is taken in any case; one reference more. NULL with
 * errno set on failure. */
struct node *node_of(struct volume *volume, int path_descriptor);
/* The node of this inode if there is one, without a reference: with names_lock held or in a still
 * world. */
struct node *node_find(struct volume *volume, const struct stat *status);

void node_hold(struct volume *volume, struct node *node);
void node_release(struct volume *volume, struct node *node, uint64_t references);

/* Opens the data descriptor unless it is open: 0 or an errno. With node->lock. */
int node_open_data(struct node *node);

/* What `stat` shows. 0 or an errno. */
int node_status(struct node *node, struct stat *status);

/* The path relative to the mount, "." for its root; of a file without name, any text. */
void node_path(struct volume *volume, const struct node *node, char path[PATH_MAX]);

#endif
