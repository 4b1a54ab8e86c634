/* The disk seam: what is the same on every disk. Paths are checked here once, so that no name
 * from a client can lead out of the data folder. */
#include "base/disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define PATH_SIZE 1024

static bool is_inside_root(const char *path)
{
    size_t length = strlen(path);
    if (path[0] == '/' || length >= PATH_SIZE)
        return false;
    for (const char *at = strstr(path, ".."); at != NULL; at = strstr(at + 1, ".."))
        if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/'))
            return false;
    return true;
}

int disk_open(const struct disk *d, const char *path, unsigned flags, struct disk_file **file)
{
    assert(is_inside_root(path));
    return d->operations->open(d->data, path, flags, file);
}

void disk_close(const struct disk *d, struct disk_file *file)
{
    if (file != NULL)
        d->operations->close(d->data, file);
}

int64_t disk_read_at(const struct disk *d, struct disk_file *file, uint64_t position, void *into,
                     size_t size)
{
    return d->operations->read_at(d->data, file, position, into, size);
}

int64_t disk_read_at_once(const struct disk *d, struct disk_file *file, uint64_t position,
                          void *into, size_t size)
{
    if (d->operations->read_at_once == NULL)
        return disk_read_at(d, file, position, into, size);
    return d->operations->read_at_once(d->data, file, position, into, size);
}

int disk_write_at(const struct disk *d, struct disk_file *file, uint64_t position,
                  const struct iovec *parts, int part_count, unsigned flags)
{
    return d->operations->write_at(d->data, file, position, parts, part_count, flags);
}

int disk_write_bytes_at(const struct disk *d, struct disk_file *file, uint64_t position,
                        struct bytes bytes)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.size};
    return disk_write_at(d, file, position, &part, 1, DISK_WRITE_CACHED);
}

int disk_sync(const struct disk *d, struct disk_file *file)
{
    return d->operations->sync(d->data, file);
}

int disk_truncate(const struct disk *d, struct disk_file *file, uint64_t size)
{
    return d->operations->truncate(d->data, file, size);
}

int64_t disk_size(const struct disk *d, struct disk_file *file)
{
    return d->operations->size(d->data, file);
}

int disk_remove(const struct disk *d, const char *path)
{
    assert(is_inside_root(path));
    return d->operations->remove(d->data, path);
}

int disk_rename(const struct disk *d, const char *from, const char *to)
{
    assert(is_inside_root(from) && is_inside_root(to));
    return d->operations->rename(d->data, from, to);
}

int disk_make_directory(const struct disk *d, const char *path)
{
    assert(is_inside_root(path));
    char parent[PATH_SIZE];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        memcpy(parent, path, (size_t)(slash - path));
        parent[slash - path] = '\0';
        int err = d->operations->make_directory(d->data, parent);
        if (err != 0 && err != UV_EEXIST)
            return err;
    }
    int err = d->operations->make_directory(d->data, path);
    return err == UV_EEXIST ? 0 : err;
}

struct name {
    struct name *next;
    bool is_directory;
    char text[];
};

struct name_list {
    struct name *first;
    int err; /* memory ran out while listing */
};

static void collect_name(void *data, const char *name, bool is_directory)
{
    struct name_list *list = data;
    size_t size = strlen(name) + 1;
    struct name *entry = malloc(sizeof *entry + size);
    if (entry == NULL) {
        list->err = UV_ENOMEM;
        return;
    }
    entry->next = list->first;
    entry->is_directory = is_directory;
    memcpy(entry->text, name, size);
    list->first = entry;
}

int disk_remove_tree(const struct disk *d, const char *path)
{
    struct name_list list = {0};
    int err = disk_list(d, path, collect_name, &list);
    if (err == 0)
        err = list.err;
    while (list.first != NULL) {
        struct name *entry = list.first;
        list.first = entry->next;
        char child[PATH_SIZE];
        int length = snprintf(child, sizeof child, "%s/%s", path, entry->text);
        if (err == 0 && (length < 0 || (size_t)length >= sizeof child))
            err = UV_ENAMETOOLONG;
        if (err == 0)
            err = entry->is_directory ? disk_remove_tree(d, child) : disk_remove(d, child);
        free(entry);
    }
    if (err == 0)
        err = d->operations->remove_directory(d->data, path);
    return err == UV_ENOENT ? 0 : err;
}

int disk_sync_directory(const struct disk *d, const char *path)
{
    assert(is_inside_root(path));
    return d->operations->sync_directory(d->data, path);
}

int disk_list(const struct disk *d, const char *path, disk_list_cb cb, void *cb_data)
{
    assert(is_inside_root(path));
    return d->operations->list(d->data, path, cb, cb_data);
}

int disk_free_bytes(const struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes)
{
    return d->operations->free_bytes(d->data, free_bytes, total_bytes);
}

void disk_forget(const struct disk *d, struct disk_file *file)
{
    if (d->operations->forget != NULL)
        d->operations->forget(d->data, file);
}
