/* The disk seam: files by path, blocking. Only code that runs on a worker (or at start, before
 * shards run) calls it. The real one is POSIX; the simulated one keeps what was synced and any
 * subset of the rest, returns errors, tears writes and flips bits.
 *
 * Paths are '/'-separated and relative to the disk's root. A new or renamed file survives a
 * power cut only after disk_sync_directory() of its folder; its bytes only after disk_sync(). */
#ifndef BASE_DISK_H
#define BASE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/bytes.h"

struct disk_file; /* opaque; the implementation's own */

enum disk_open_flag {
    DISK_READ = 0,           /* must exist */
    DISK_WRITE = 1 << 0,     /* readable too; must exist unless DISK_CREATE */
    DISK_CREATE = 1 << 1,    /* create if missing */
    DISK_EXCLUSIVE = 1 << 2, /* with DISK_CREATE: UV_EEXIST if it exists */
};

enum disk_write_flag {
    DISK_WRITE_CACHED = 0,
    DISK_WRITE_UNCACHED = 1 << 0, /* RWF_DONTCACHE where the kernel has it */
};

typedef void (*disk_list_cb)(void *data, const char *name, bool is_directory);

struct disk_operations {
    int (*open)(void *data, const char *path, unsigned flags, struct disk_file **file);
    void (*close)(void *data, struct disk_file *file);
    /* Bytes read (0 at the end, fewer only at the end) or a negative error. */
    int64_t (*read_at)(void *data, struct disk_file *file, uint64_t position, void *into,
                       size_t size);
    /* The same, past the page cache; NULL: as read_at. */
    int64_t (*read_at_once)(void *data, struct disk_file *file, uint64_t position, void *into,
                            size_t size);
    int (*write_at)(void *data, struct disk_file *file, uint64_t position,
                    const struct iovec *parts, int part_count, unsigned flags);
    int (*sync)(void *data, struct disk_file *file);
    int (*truncate)(void *data, struct disk_file *file, uint64_t size);
    int64_t (*size)(void *data, struct disk_file *file);
    int (*remove)(void *data, const char *path);
    int (*rename)(void *data, const char *from, const char *to);
    int (*make_directory)(void *data, const char *path);
    int (*remove_directory)(void *data, const char *path);
    int (*sync_directory)(void *data, const char *path);
    int (*list)(void *data, const char *path, disk_list_cb cb, void *cb_data);
    int (*free_bytes)(void *data, uint64_t *free, uint64_t *total);
    /* NULL where there is no page cache (the simulation). */
    void (*forget)(void *data, struct disk_file *file);
};

struct disk {
    void *data; /* the implementation's own */
    const struct disk_operations *operations;
};

/* Opens a file; *file is returned owned (disk_close). */
int disk_open(const struct disk *d, const char *path, unsigned flags, struct disk_file **file);
void disk_close(const struct disk *d, struct disk_file *file);
int64_t disk_read_at(const struct disk *d, struct disk_file *file, uint64_t position, void *into,
                     size_t size);
/* The same for what is read once and not soon again: what others read stays in the page cache, and
 * this does not get there (RWF_DONTCACHE where the kernel has it). */
int64_t disk_read_at_once(const struct disk *d, struct disk_file *file, uint64_t position,
                          void *into, size_t size);
/* Writes all parts or returns an error; a failed write is never retried: its bytes and the
 * file's other unsynced bytes are undefined from then on. */
int disk_write_at(const struct disk *d, struct disk_file *file, uint64_t position,
                  const struct iovec *parts, int part_count, unsigned flags);
int disk_write_bytes_at(const struct disk *d, struct disk_file *file, uint64_t position,
                        struct bytes bytes);
/* fdatasync. A failed one is never retried (the kernel may have dropped the pages). */
int disk_sync(const struct disk *d, struct disk_file *file);
int disk_truncate(const struct disk *d, struct disk_file *file, uint64_t size);
/* Size in bytes or a negative error. */
int64_t disk_size(const struct disk *d, struct disk_file *file);
/* 0, or UV_ENOENT when there is none. */
int disk_remove(const struct disk *d, const char *path);
/* Replaces `to` when it exists. */
int disk_rename(const struct disk *d, const char *from, const char *to);
/* 0 also when it exists; makes missing parents. */
int disk_make_directory(const struct disk *d, const char *path);
/* Removes a directory with all that is in it; 0 also when there is none. */
int disk_remove_tree(const struct disk *d, const char *path);
int disk_sync_directory(const struct disk *d, const char *path);
/* Calls `cb` per entry, in no order. UV_ENOENT when the directory is missing. */
int disk_list(const struct disk *d, const char *path, disk_list_cb cb, void *cb_data);
int disk_free_bytes(const struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes);
/* The file will not be read or written soon: where memory is short, what the page cache has of it
 * is let go. Only what was synced is. Takes milliseconds for a large file. */
void disk_forget(const struct disk *d, struct disk_file *file);

/* The real disk below `root` (made durably if missing). On failure nothing is kept.
 * Returned owned by `d`: disk_close_system(). Any thread may use it. */
int disk_open_system(struct disk *d, const char *root);
void disk_close_system(struct disk *d);
/* Memory is short beside what is written and read here: long reads leave nothing in the page cache
 * and disk_forget() does what it says. A full cache would make every thread of the process wait at
 * any allocation until pages are taken back (a control group of version 1 knows no other way). */
void disk_system_spare_memory(struct disk *d);

#endif
