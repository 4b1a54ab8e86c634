/* Each folder is locked, for two processes must never write to one. A WAL folder says whose it is
 * in a file `owner`: the WAL's own files name the cluster only, and the votes of another node of
 * the same cluster would be read as one's own. */
#include "start/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "start/small_file.h"

#define OWNER_NAME     "owner"
#define OWNER_SIZE_MAX 256

static int lock(const char *folder, int *descriptor, struct err_note *note)
{
    char path[CONF_PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s/lock", folder);
    *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (*descriptor < 0)
        return err_set(note, uv_translate_sys_error(errno), "%s: %s", path, strerror(errno));
    if (flock(*descriptor, LOCK_EX | LOCK_NB) != 0)
        return err_set(note, UV_EBUSY, "%s: another process uses this data folder", path);
    return 0;
}

static int open_locked(struct disk *disk, const char *folder, int *descriptor,
                       struct err_note *note)
{
    int err = disk_open_system(disk, folder);
    if (err != 0)
        return err_set(note, err, "data folder %s: %s", folder, err_text(err));
    return lock(folder, descriptor, note);
}

/* ---- a WAL on a disk of its own ---- */

static void note_wal(void *data, const char *name, bool is_directory)
{
    bool *has_wal = data;
    *has_wal |= is_directory && strcmp(name, FOLDERS_WAL_NAME) == 0;
}

static int look_for_wal(const struct disk *disk, bool *has_wal)
{
    *has_wal = false;
    return disk_list(disk, "", note_wal, has_wal);
}

static int check_not_left_behind(const struct conf_settings *conf, const struct folders *f,
                                 struct err_note *note)
{
    bool is_there, is_left;
    int err = look_for_wal(&f->wal, &is_there);
    if (err == 0)
        err = look_for_wal(&f->data, &is_left);
    if (err != 0)
        return err_set(note, err, "look for the WAL: %s", err_text(err));
    if (is_left && !is_there)
        return err_set(note, ERR_INVALID,
                       "wal_directory is %s, the WAL is in %s/" FOLDERS_WAL_NAME
                       ": move that folder there first",
                       conf->wal_directory, conf->data_directory);
    return 0;
}

/* UV_ENOENT: nobody's. */
static int read_owner(const struct disk *disk, char owner[OWNER_SIZE_MAX])
{
    struct disk_file *file;
    int err = disk_open(disk, OWNER_NAME, DISK_READ, &file);
    if (err != 0)
        return err;
    int64_t size = disk_read_at(disk, file, 0, owner, OWNER_SIZE_MAX - 1);
    disk_close(disk, file);
    if (size <= 0 || owner[size - 1] != '\n')
        return size < 0 ? (int)size : ERR_CORRUPT;
    owner[size] = '\0';
    return 0;
}

static int check_owner(const struct conf_settings *conf, const struct disk *disk,
                       struct err_note *note)
{
    char own[OWNER_SIZE_MAX], found[OWNER_SIZE_MAX];
    snprintf(own, sizeof own, "cluster %s node %lld\n", conf->cluster_name,
             (long long)conf->node_id);
    int err = read_owner(disk, found);
    if (err == UV_ENOENT)
        err = small_file_write(disk, OWNER_NAME, bytes_of(own, strlen(own)));
    else if (err == 0 && strcmp(found, own) != 0)
        return err_set(note, ERR_OTHER_NODE, "wal_directory %s belongs to %.*s, this is %.*s",
                       conf->wal_directory, (int)strlen(found) - 1, found, (int)strlen(own) - 1,
                       own);
    return err == 0
               ? 0
               : err_set(note, err, "%s/" OWNER_NAME ": %s", conf->wal_directory, err_text(err));
}

static int open_wal_folder(const struct conf_settings *conf, struct folders *f,
                           struct err_note *note)
{
    int descriptor; /* like the other lock, it goes with the process */
    int err = open_locked(&f->wal, conf->wal_directory, &descriptor, note);
    if (err == 0)
        err = check_not_left_behind(conf, f, note);
    return err == 0 ? check_owner(conf, &f->wal, note) : err;
}

static bool wal_has_own_disk(const struct conf_settings *conf)
{
    return conf->wal_directory[0] != '\0' && strcmp(conf->wal_directory, conf->data_directory) != 0;
}

int folders_open(const struct conf_settings *conf, struct folders *folders, struct err_note *note)
{
    int err = open_locked(&folders->data, conf->data_directory, &folders->lock_descriptor, note);
    folders->wal = folders->data;
    if (err == 0 && wal_has_own_disk(conf))
        err = open_wal_folder(conf, folders, note);
    return err;
}
