/* The operations of the simulated disk: each passes one gate, where it is counted and where
 * faults strike, and then works on nodes (fake_disk_node.c) and names (fake_disk_tree.c). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fake/fake_disk_parts.h"

struct disk_file {
    struct node *node; /* a reference */
    unsigned epoch;    /* when it was opened: a later power cut makes it dead */
    bool is_writable;
};

/* Counts an operation; 0, or the error of a fault that strikes. */
static int pass(struct fake_disk *d, enum fake_disk_operation operation)
{
    struct fault *f = &d->faults[operation];
    if (d->is_halted)
        return UV_EIO;
    f->count++;
    if (d->halt_in > 0 && --d->halt_in == 0) {
        d->is_halted = true;
        return UV_EIO;
    }
    if (f->nth > 0 && --f->nth == 0)
        return f->nth_err;
    if (f->chance > 0 && random_chance(&d->random, f->chance))
        return f->chance_err;
    return 0;
}

static int pass_file(struct fake_disk *d, const struct disk_file *file,
                     enum fake_disk_operation operation)
{
    if (file->epoch != d->epoch)
        return UV_EIO;
    return pass(d, operation);
}

/* Finds or creates the file. */
static int find_file(struct fake_disk *d, const char *path, unsigned flags, struct node **found)
{
    const char *name;
    struct node *parent = tree_parent(&d->tree, path, &name);
    *found = parent != NULL ? tree_find(&d->tree, path) : NULL;
    if (*found != NULL && (flags & DISK_EXCLUSIVE))
        return UV_EEXIST;
    if (*found != NULL)
        return (*found)->is_directory ? UV_EISDIR : 0;
    if (parent == NULL || !(flags & DISK_CREATE))
        return UV_ENOENT;
    *found = node_create(&d->tree.space, false);
    tree_change(&d->tree, *found, NULL, NULL, parent, name);
    node_unref(&d->tree.space, *found); /* its name holds it */
    return 0;
}

static int fake_open(void *data, const char *path, unsigned flags, struct disk_file **file)
{
    struct fake_disk *d = lock(data);
    struct node *node;
    int err = pass(d, FAKE_DISK_OPEN);
    if (err == 0)
        err = find_file(d, path, flags, &node);
    if (err != 0)
        return unlock(d, err);
    struct disk_file *opened = must_have(calloc(1, sizeof *opened));
    *opened = (struct disk_file){
        .node = node_ref(node), .epoch = d->epoch, .is_writable = (flags & DISK_WRITE) != 0};
    d->open_count++;
    *file = opened;
    return unlock(d, 0);
}

static void fake_close(void *data, struct disk_file *file)
{
    struct fake_disk *d = lock(data);
    node_unref(&d->tree.space, file->node);
    free(file);
    assert(d->open_count > 0);
    d->open_count--;
    unlock(d, 0);
}

static int64_t fake_read_at(void *data, struct disk_file *file, uint64_t position, void *into,
                            size_t size)
{
    struct fake_disk *d = lock(data);
    int err = pass_file(d, file, FAKE_DISK_READ);
    uint64_t end = file->node->size;
    uint64_t left = position < end ? end - position : 0;
    size_t part = size < left ? size : (size_t)left;
    if (err == 0)
        node_read(file->node, position, into, part);
    unlock(d, 0);
    return err != 0 ? err : (int64_t)part;
}

static int fake_write_at(void *data, struct disk_file *file, uint64_t position,
                         const struct iovec *parts, int part_count, unsigned flags)
{
    (void)flags;
    struct fake_disk *d = lock(data);
    bool is_off = d->is_halted || file->epoch != d->epoch;
    int fault = pass_file(d, file, FAKE_DISK_WRITE);
    int err = file->is_writable ? 0 : UV_EBADF;
    struct random *tear = fault != 0 ? &d->random : NULL;
    for (int i = 0; i < part_count && err == 0 && !is_off; i++) {
        err = node_write(&d->tree.space, file->node, position,
                         bytes_of(parts[i].iov_base, parts[i].iov_len), tear);
        position += parts[i].iov_len;
    }
    return unlock(d, fault != 0 ? fault : err);
}

static int fake_sync(void *data, struct disk_file *file)
{
    struct fake_disk *d = lock(data);
    bool is_off = d->is_halted || file->epoch != d->epoch;
    int err = pass_file(d, file, FAKE_DISK_SYNC);
    uint64_t size = file->node->size;
    if (err == 0) {
        if (!d->is_lying && !file->node->is_lied_of)
            node_sync(&d->tree.space, file->node);
    } else if (!is_off && !d->is_lying) { /* which would lose what earlier ones said to have done */
        node_settle(&d->tree.space, file->node, &d->random, 0.5);
        file->node->size = size; /* the running kernel remembers how long the file was */
    }
    return unlock(d, err);
}

static int fake_truncate(void *data, struct disk_file *file, uint64_t size)
{
    struct fake_disk *d = lock(data);
    int err = pass_file(d, file, FAKE_DISK_TRUNCATE);
    if (err == 0)
        err = file->is_writable ? node_truncate(&d->tree.space, file->node, size) : UV_EINVAL;
    return unlock(d, err);
}

static int64_t fake_size(void *data, struct disk_file *file)
{
    struct fake_disk *d = lock(data);
    bool is_dead = d->is_halted || file->epoch != d->epoch;
    int64_t size = is_dead ? UV_EIO : (int64_t)file->node->size;
    unlock(d, 0);
    return size;
}

static int remove_node(struct fake_disk *d, const char *path, bool is_directory)
{
    const char *name;
    struct node *node = tree_find(&d->tree, path);
    if (node == NULL)
        return UV_ENOENT;
    if (node->is_directory != is_directory)
        return is_directory ? UV_ENOTDIR : UV_EISDIR;
    if (node == d->tree.root)
        return UV_EBUSY;
    if (node->current.count > 0)
        return UV_ENOTEMPTY;
    struct node *parent = tree_parent(&d->tree, path, &name);
    tree_change(&d->tree, node, parent, name, NULL, NULL);
    return 0;
}

static int fake_remove(void *data, const char *path)
{
    struct fake_disk *d = lock(data);
    int err = pass(d, FAKE_DISK_REMOVE);
    return unlock(d, err != 0 ? err : remove_node(d, path, false));
}

static int fake_remove_directory(void *data, const char *path)
{
    struct fake_disk *d = lock(data);
    int err = pass(d, FAKE_DISK_REMOVE);
    return unlock(d, err != 0 ? err : remove_node(d, path, true));
}

static int check_rename_target(const struct node *node, const struct node *target)
{
    if (target == NULL)
        return 0;
    if (target->is_directory != node->is_directory)
        return target->is_directory ? UV_EISDIR : UV_ENOTDIR;
    return target->current.count > 0 ? UV_ENOTEMPTY : 0;
}

static int rename_node(struct fake_disk *d, const char *from, const char *to)
{
    const char *from_name, *to_name;
    struct node *node = tree_find(&d->tree, from);
    struct node *from_parent = tree_parent(&d->tree, from, &from_name);
    struct node *to_parent = tree_parent(&d->tree, to, &to_name);
    if (node == NULL || to_parent == NULL)
        return UV_ENOENT;
    size_t length = strlen(from);
    if (strncmp(from, to, length) == 0 && to[length] == '/')
        return UV_EINVAL; /* a directory into itself */
    struct node *target = tree_find(&d->tree, to);
    if (target == node)
        return 0;
    int err = check_rename_target(node, target);
    if (err == 0)
        tree_change(&d->tree, node, from_parent, from_name, to_parent, to_name);
    return err;
}

static int fake_rename(void *data, const char *from, const char *to)
{
    struct fake_disk *d = lock(data);
    int err = pass(d, FAKE_DISK_RENAME);
    return unlock(d, err != 0 ? err : rename_node(d, from, to));
}

static int fake_make_directory(void *data, const char *path)
{
    struct fake_disk *d = lock(data);
    const char *name;
    struct node *parent = tree_parent(&d->tree, path, &name);
    int err = pass(d, FAKE_DISK_MAKE_DIRECTORY);
    if (err == 0 && parent == NULL)
        err = UV_ENOENT;
    if (err == 0 && tree_find(&d->tree, path) != NULL)
        err = UV_EEXIST;
    if (err != 0)
        return unlock(d, err);
    struct node *made = node_create(&d->tree.space, true);
    tree_change(&d->tree, made, NULL, NULL, parent, name);
    node_unref(&d->tree.space, made);
    return unlock(d, 0);
}

/* 0 and the directory, or an error. */
static int find_directory(struct fake_disk *d, const char *path, struct node **found)
{
    *found = tree_find(&d->tree, path);
    if (*found == NULL)
        return UV_ENOENT;
    return (*found)->is_directory ? 0 : UV_ENOTDIR;
}

static int fake_sync_directory(void *data, const char *path)
{
    struct fake_disk *d = lock(data);
    struct node *directory;
    int err = pass(d, FAKE_DISK_SYNC_DIRECTORY);
    if (err == 0)
        err = find_directory(d, path, &directory);
    if (err == 0 && !d->is_lying)
        tree_sync(&d->tree, directory);
    return unlock(d, err);
}

struct listing {
    char *name; /* owned */
    bool is_directory;
};

/* A copy of the names, in any order: the callback may change the directory. */
static struct listing *copy_names(struct fake_disk *d, const struct entries *e)
{
    struct listing *names = must_have(calloc(e->count + 1, sizeof *names));
    for (size_t i = 0; i < e->count; i++) {
        size_t place = random_below(&d->random, i + 1); /* Fisher and Yates, inside out */
        names[i] = names[place];
        names[place] = (struct listing){.name = must_have(strdup(e->items[i].name)),
                                        .is_directory = e->items[i].node->is_directory};
    }
    return names;
}

static int fake_list(void *data, const char *path, disk_list_cb cb, void *cb_data)
{
    struct fake_disk *d = lock(data);
    struct node *directory;
    int err = pass(d, FAKE_DISK_LIST);
    if (err == 0)
        err = find_directory(d, path, &directory);
    if (err != 0)
        return unlock(d, err);
    struct listing *names = copy_names(d, &directory->current);
    unlock(d, 0);
    for (struct listing *n = names; n->name != NULL; n++) {
        cb(cb_data, n->name, n->is_directory);
        free(n->name);
    }
    free(names);
    return 0;
}

static int fake_free_bytes(void *data, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct fake_disk *d = lock(data);
    const struct node_space *space = &d->tree.space;
    uint64_t pages_max = space->pages_max != 0 ? space->pages_max : (UINT64_C(1) << 28);
    uint64_t used = space->pages_used < pages_max ? space->pages_used : pages_max;
    *total_bytes = pages_max * NODE_PAGE_SIZE;
    *free_bytes = (pages_max - used) * NODE_PAGE_SIZE;
    return unlock(d, d->is_halted ? UV_EIO : 0);
}

const struct disk_operations fake_disk_operations = {
    .open = fake_open,
    .close = fake_close,
    .read_at = fake_read_at,
    .write_at = fake_write_at,
    .sync = fake_sync,
    .truncate = fake_truncate,
    .size = fake_size,
    .remove = fake_remove,
    .rename = fake_rename,
    .make_directory = fake_make_directory,
    .remove_directory = fake_remove_directory,
    .sync_directory = fake_sync_directory,
    .list = fake_list,
    .free_bytes = fake_free_bytes,
};
