/* A whole replica is put aside, with all that it has: its group has gone on without it.
 *
 *   1 "groups/<id>" goes to "<directory>/groups/<id>"
 *   2 the folders of its partitions, named by the manifest in it, follow to "<directory>/topics"
 *
 * Each step may have been done by an earlier attempt that the power ended. What lies there then is
 * laid out as a disk of its own: a store opens it as it opens any. A folder that another group's
 * store has by now (a move between groups) is that one's, and stays. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store_internal.h"

struct aside {
    const struct disk *disk;
    const char *directory;
    char from[LOG_PATH_SIZE], to[2 * LOG_PATH_SIZE]; /* of the group */
};

static int make_folders(const struct aside *a)
{
    static const char *const names[] = {"groups", "topics"};
    char path[2 * LOG_PATH_SIZE];
    int err = 0;
    for (unsigned i = 0; i < 2 && err == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", a->directory, names[i]);
        err = disk_make_directory(a->disk, path);
    }
    if (err == 0)
        err = disk_sync_directory(a->disk, a->directory);
    return err == 0 ? disk_sync_directory(a->disk, "") : err;
}

static void on_any_name(void *data, const char *name, bool is_directory)
{
    (void)name;
    (void)is_directory;
    *(bool *)data = true;
}

/* 0, and whether; or why that can't be known. */
static int look_for(const struct aside *a, const char *path, bool *is_there)
{
    bool is_any = false;
    int err = disk_list(a->disk, path, on_any_name, &is_any);
    *is_there = err == 0;
    return err == UV_ENOENT ? 0 : err;
}

/* Moved is what is still at `from`, unless an earlier attempt has brought something to `to`. */
static int move_once(const struct aside *a, const char *from, const char *to)
{
    bool is_here, is_moved;
    int err = look_for(a, from, &is_here);
    if (err == 0)
        err = look_for(a, to, &is_moved);
    if (err != 0 || !is_here || is_moved)
        return err;
    return disk_rename(a->disk, from, to);
}

static int sync_both(const struct aside *a, const char *folder)
{
    char path[2 * LOG_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", a->directory, folder);
    int err = disk_sync_directory(a->disk, path);
    return err == 0 ? disk_sync_directory(a->disk, folder) : err;
}

static int read_whole(const struct aside *a, uint8_t **bytes, size_t *size)
{
    char path[3 * LOG_PATH_SIZE];
    struct disk_file *file;
    snprintf(path, sizeof path, "%s/manifest", a->to);
    int err = disk_open(a->disk, path, DISK_READ, &file);
    if (err != 0)
        return err;
    int64_t got = disk_size(a->disk, file);
    *bytes = got < 0 ? NULL : malloc((size_t)got + 1);
    if (got >= 0)
        got = *bytes == NULL ? UV_ENOMEM : disk_read_at(a->disk, file, 0, *bytes, (size_t)got);
    disk_close(a->disk, file);
    *size = got < 0 ? 0 : (size_t)got;
    return got < 0 ? (int)got : 0;
}

static int move_folder(const struct aside *a, const struct manifest_partition *p)
{
    char from[LOG_PATH_SIZE], to[2 * LOG_PATH_SIZE];
    struct log_partition_id id;
    if (p->is_removed || log_partition_record_is_frozen(p->record) ||
        log_partition_record_is_awaiting(p->record) || log_partition_record_id(p->record, &id) != 0)
        return 0;
    log_folder_path(from, &id);
    snprintf(to, sizeof to, "%s/%s", a->directory, from);
    return move_once(a, from, to);
}

/* Without a manifest that can be read nobody knows which folders were the group's: they stay, and
 * are cut to what their next owner has of them. */
static int move_partitions(const struct aside *a)
{
    struct manifest m;
    uint8_t *bytes = NULL;
    size_t size = 0;
    int err = read_whole(a, &bytes, &size);
    if (err == 0)
        err = manifest_parse(bytes_of(bytes, size), &m, NULL);
    if (err == 0) {
        for (uint32_t i = 0; i < m.partition_count && err == 0; i++)
            err = move_folder(a, &m.partitions[i]);
        manifest_close(&m);
    } else if (err == UV_ENOENT || err == ERR_CORRUPT) {
        err = 0;
    }
    free(bytes);
    return err == 0 ? sync_both(a, "topics") : err;
}

int log_store_move_aside(const struct disk *disk, uint32_t group_id, const char *directory)
{
    struct aside a = {.disk = disk, .directory = directory};
    snprintf(a.from, sizeof a.from, "groups/%" PRIu32, group_id);
    snprintf(a.to, sizeof a.to, "%s/%s", directory, a.from);
    int err = make_folders(&a);
    if (err == 0)
        err = move_once(&a, a.from, a.to);
    if (err == 0)
        err = sync_both(&a, "groups");
    return err == 0 ? move_partitions(&a) : err;
}
