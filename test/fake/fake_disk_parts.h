/* The simulated disk's inside: nodes (files and directories) and the changes to names that no
 * sync has covered. Shared by fake_disk*.c only. */
#ifndef FAKE_FAKE_DISK_PARTS_H
#define FAKE_FAKE_DISK_PARTS_H

#include <pthread.h>

#include "fake/fake_disk.h"

#define NODE_PAGE_SIZE 4096u
#define NODE_SECTORS   (NODE_PAGE_SIZE / FAKE_DISK_SECTOR_SIZE)

/* A page of a file. A hole has neither copy. */
struct page {
    uint8_t *durable; /* what the device has; NULL: zeros */
    uint8_t *cached;  /* what reads see when it differs; NULL: `durable` */
    uint8_t dirty;    /* sectors of `cached` that are not on the device, a bit each */
};

struct entry {
    char *name;        /* owned */
    struct node *node; /* a reference */
};

struct entries {
    struct entry *items; /* in no order */
    size_t count;
};

/* A file or a directory, whatever names it has. */
struct node {
    struct node *previous, *next;   /* all nodes of the disk, in order of creation */
    unsigned references;            /* by names, changes and handles; the last one frees */
    bool is_directory;              /* else a file */
    bool is_kept;                   /* while changes are applied: a later one is kept */
    bool is_lied_of;                /* syncs do nothing, and a crash keeps nothing */
    uint64_t size, size_durable;    /* bytes, cached and on the device */
    struct page *pages;             /* of a file */
    size_t page_count;              /* of `pages` */
    size_t dirty_from, dirty_until; /* pages that may be dirty */
    struct entries current;         /* names in a directory */
    struct entries durable;         /* what the device has of them */
};

struct node_space {
    struct node *first, *last; /* all nodes */
    uint64_t pages_used;       /* of files, holes not counted */
    uint64_t pages_max;        /* 0: no bound */
};

/* A change of names that may be lost: a node leaves a place, comes to one, or both at once. */
struct change {
    struct change *previous, *next;
    bool is_kept;              /* will be on the device */
    struct node *node;         /* who moves; a reference */
    struct node *from, *to;    /* directories, references; NULL: created, or removed */
    char *from_name, *to_name; /* owned; NULL with its directory */
};

struct tree {
    struct node_space space;
    struct node *root;           /* the directory "" */
    struct change *first, *last; /* not synced, oldest first */
};

/* ---- nodes: fake_disk_node.c ---- */
void *must_have(void *memory); /* ends the process on NULL */
struct node *node_create(struct node_space *space, bool is_directory); /* one reference */
struct node *node_ref(struct node *n);
void node_unref(struct node_space *space, struct node *n);
void node_read(const struct node *n, uint64_t position, uint8_t *into, size_t size);
/* Writes what fits. `tear` NULL, or a random by which each sector is written or not. */
int node_write(struct node_space *space, struct node *n, uint64_t position, struct bytes bytes,
               struct random *tear);
int node_truncate(struct node_space *space, struct node *n, uint64_t size);
void node_sync(struct node_space *space, struct node *n);
/* Each unsynced sector reaches the device with probability `chance`; the others are gone. */
void node_settle(struct node_space *space, struct node *n, struct random *random, double chance);
bool node_is_synced(const struct node *n);
void node_flip_bit(struct node_space *space, struct node *n, uint64_t position, unsigned bit);
/* At rest: on the device and in the cache. */
void node_change_byte(struct node_space *space, struct node *n, uint64_t position, uint8_t byte);
void node_cut(struct node_space *space, struct node *n, uint64_t size);

/* ---- names: fake_disk_tree.c ---- */
struct entry *entries_find(const struct entries *e, const char *name);
void tree_init(struct tree *t);
void tree_close(struct tree *t);
/* The node at a path, or NULL. Borrowed. */
struct node *tree_find(const struct tree *t, const char *path);
/* The directory of a path's last name, or NULL; *name points into the path. */
struct node *tree_parent(const struct tree *t, const char *path, const char **name);
/* Moves a node's name now, and notes the change for the next sync or crash. */
void tree_change(struct tree *t, struct node *node, struct node *from, const char *from_name,
                 struct node *to, const char *to_name);
void tree_sync(struct tree *t, struct node *directory);
void tree_crash(struct tree *t, struct random *random, double chance);

/* ---- the disk ---- */
struct fault {
    uint64_t nth;   /* operations until it strikes once; 0: never */
    int nth_err;    /* what it gives then */
    double chance;  /* of each operation */
    int chance_err; /* what it gives then */
    uint64_t count; /* operations so far */
};

struct fake_disk {
    struct disk seam;                               /* what the code under test gets */
    struct tree tree;                               /* all files and names */
    struct random random;                           /* for what no one else draws */
    struct fault faults[FAKE_DISK_OPERATION_COUNT]; /* by operation */
    uint64_t halt_in;                               /* operations until the halt; 0: none */
    bool is_halted;                                 /* until the next crash */
    bool is_lying;                                  /* of all files and names */
    unsigned epoch;                                 /* power cuts so far */
    unsigned open_count;                            /* handles not closed */
    pthread_mutex_t lock;                           /* of everything */
};

extern const struct disk_operations fake_disk_operations; /* fake_disk_operations.c */

static inline struct fake_disk *lock(void *data)
{
    struct fake_disk *d = data;
    pthread_mutex_lock(&d->lock);
    return d;
}

static inline int unlock(struct fake_disk *d, int result)
{
    pthread_mutex_unlock(&d->lock);
    return result;
}

#endif
