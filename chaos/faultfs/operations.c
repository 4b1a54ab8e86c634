/* FUSE requests about files.
 *
 * Nothing is cached in the kernel: names and attributes are valid for no time, files are opened
 * with direct_io. So each call comes by here, damage at rest is seen by the next read, and what a
 * power cut took away is gone without asking the kernel to forget it.
 *
 * A handle is the number of the boot it was opened in. */
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "content.h"
#include "names.h"
#include "node.h"
#include "volume.h"

struct volume *operations_volume(fuse_req_t request)
{
    return fuse_req_userdata(request);
}

struct node *operations_node(fuse_req_t request, fuse_ino_t number)
{
    if (number == FUSE_ROOT_ID)
        return operations_volume(request)->root;
    return (struct node *)(uintptr_t)number;
}

struct verdict operations_meet(struct volume *volume, enum command_call call, struct node *node)
{
    char path[PATH_MAX];
    atomic_fetch_add(&volume->counts.calls[call], 1);
    if (!rules_are_there(&volume->rules))
        return (struct verdict){0};
    node_path(volume, node, path);
    return rules_meet(&volume->rules, call, path);
}

int operations_entry(struct volume *volume, struct node *node, struct fuse_entry_param *entry)
{
    *entry = (struct fuse_entry_param){0};
    entry->ino = node == volume->root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
    return node_status(node, &entry->attr);
}

void operations_reply_entry(fuse_req_t request, struct node *node, int err)
{
    struct volume *volume = operations_volume(request);
    struct fuse_entry_param entry;
    if (err == 0)
        err = operations_entry(volume, node, &entry);
    if (err != 0)
        fuse_reply_err(request, err);
    else if (fuse_reply_entry(request, &entry) == 0)
        return;
    if (node != NULL)
        node_release(volume, node, 1);
}

static void on_init(void *data, struct fuse_conn_info *connection)
{
    (void)data;
    /* O_TRUNC then comes as a change of size, which has a way back. */
    connection->want &= ~(unsigned)FUSE_CAP_ATOMIC_O_TRUNC;
}

static void on_forget(fuse_req_t request, fuse_ino_t number, uint64_t count)
{
    if (number != FUSE_ROOT_ID)
        node_release(operations_volume(request), operations_node(request, number), count);
    fuse_reply_none(request);
}

static void on_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        if (forgets[i].ino != FUSE_ROOT_ID)
            node_release(operations_volume(request), operations_node(request, forgets[i].ino),
                         forgets[i].nlookup);
    fuse_reply_none(request);
}

static void reply_status(fuse_req_t request, struct node *node, int err)
{
    struct stat status;
    if (err == 0)
        err = node_status(node, &status);
    if (err == 0)
        fuse_reply_attr(request, &status, 0);
    else
        fuse_reply_err(request, err);
}

static void on_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    (void)info;
    struct volume *volume = operations_volume(request);
    int err = volume_enter(volume);
    bool is_in = err == 0;
    reply_status(request, operations_node(request, number), err);
    if (is_in)
        volume_leave(volume);
}

static void choose_time(struct timespec *time, struct timespec wanted, bool is_set, bool is_now)
{
    *time = wanted;
    if (!is_set)
        time->tv_nsec = UTIME_OMIT;
    else if (is_now)
        time->tv_nsec = UTIME_NOW;
}

static int set_times(const char *link, const struct stat *wanted, int which)
{
    struct timespec times[2];
    if (!(which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)))
        return 0;
    choose_time(&times[0], wanted->st_atim, which & FUSE_SET_ATTR_ATIME,
                which & FUSE_SET_ATTR_ATIME_NOW);
    choose_time(&times[1], wanted->st_mtim, which & FUSE_SET_ATTR_MTIME,
                which & FUSE_SET_ATTR_MTIME_NOW);
    return utimensat(AT_FDCWD, link, times, 0) == 0 ? 0 : errno;
}

static int set_owner(const struct node *node, const struct stat *wanted, int which)
{
    uid_t user = which & FUSE_SET_ATTR_UID ? wanted->st_uid : (uid_t)-1;
    gid_t group = which & FUSE_SET_ATTR_GID ? wanted->st_gid : (gid_t)-1;
    if (!(which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
        return 0;
    return fchownat(node->path_descriptor, "", user, group, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

static int set_attributes(struct volume *volume, struct node *node, const struct stat *wanted,
                          int which)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", node->path_descriptor);
    if ((which & FUSE_SET_ATTR_MODE) && chmod(link, wanted->st_mode) != 0)
        return errno;
    int err = set_owner(node, wanted, which);
    if (err == 0 && (which & FUSE_SET_ATTR_SIZE))
        err = content_set_size(volume, node, (uint64_t)wanted->st_size);
    return err == 0 ? set_times(link, wanted, which) : err;
}

static void on_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int which,
                       struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    struct verdict verdict = {0};
    if (which & FUSE_SET_ATTR_SIZE)
        verdict = operations_meet(volume, CALL_WRITE, node);
    int err = info != NULL ? volume_enter_handle(volume, info->fh) : volume_enter(volume);
    bool is_in = err == 0;
    if (err == 0)
        err = verdict.err;
    if (err == 0)
        err = set_attributes(volume, node, wanted, which);
    reply_status(request, node, err);
    if (is_in)
        volume_leave(volume);
}

static void on_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    int err = volume_enter(volume);
    if (err == 0) {
        err = content_open(volume, node);
        info->fh = volume->boot;
        info->direct_io = 1;
        volume_leave(volume);
    }
    if (err != 0)
        fuse_reply_err(request, err);
    else if (fuse_reply_open(request, info) != 0)
        content_close(volume, node);
}

static void on_release(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    (void)info;
    struct volume *volume = operations_volume(request);
    /* Without power too: it changes nothing on the disk, but must not meet a cut in between. */
    pthread_rwlock_rdlock(&volume->power_lock);
    content_close(volume, operations_node(request, number));
    pthread_rwlock_unlock(&volume->power_lock);
    fuse_reply_err(request, 0);
}

static void read_within(fuse_req_t request, struct node *node, size_t size, off_t offset)
{
    struct volume *volume = operations_volume(request);
    struct fuse_bufvec bytes = FUSE_BUFVEC_INIT(size);
    bytes.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    bytes.buf[0].fd = node->data_descriptor;
    bytes.buf[0].pos = offset;
    atomic_fetch_add(&volume->counts.bytes_read, size);
    fuse_reply_data(request, &bytes, 0);
}

static void on_read(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    struct verdict verdict = operations_meet(volume, CALL_READ, node);
    int err = volume_enter_handle(volume, info->fh);
    bool is_in = err == 0;
    if (err == 0)
        err = verdict.err;
    if (err != 0)
        fuse_reply_err(request, err);
    else
        read_within(request, node, size, offset);
    if (is_in)
        volume_leave(volume);
}

static int write_within(struct volume *volume, struct node *node, const char *bytes, size_t *size,
                        uint64_t offset, const struct verdict *verdict)
{
    if (verdict->err != 0)
        return verdict->err;
    if (verdict->is_lost)
        return content_lose_write(volume, node, offset, *size);
    if (verdict->is_misdirected)
        return content_misdirect_write(volume, node, offset, bytes, *size);
    return content_write(volume, node, offset, bytes, *size, size);
}

static void on_write(fuse_req_t request, fuse_ino_t number, const char *bytes, size_t size,
                     off_t offset, struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    struct verdict verdict = operations_meet(volume, CALL_WRITE, node);
    int err = volume_enter_handle(volume, info->fh);
    if (err == 0) {
        err = write_within(volume, node, bytes, &size, (uint64_t)offset, &verdict);
        volume_leave(volume);
    }
    if (err == 0 && (info->flags & O_DSYNC)) /* O_SYNC has this bit too */
        err = content_sync(volume, node, info->fh);
    if (err != 0) {
        fuse_reply_err(request, err);
        return;
    }
    atomic_fetch_add(&volume->counts.bytes_written, size);
    fuse_reply_write(request, size);
}

/* What a failed sync drops depends on the seed and the file, not on time. */
static int fail_sync(struct volume *volume, struct node *node, int err)
{
    char path[PATH_MAX];
    node_path(volume, node, path);
    int other = content_fail_sync(volume, node, chance_mix_text(volume->seed, path));
    return other != 0 ? other : err;
}

static void on_fsync(fuse_req_t request, fuse_ino_t number, int data_only,
                     struct fuse_file_info *info)
{
    (void)data_only; /* the size is durable either way, and times are not kept track of */
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    struct verdict verdict = operations_meet(volume, CALL_FSYNC, node);
    int err = volume_enter_handle(volume, info->fh);
    if (err == 0) {
        if (verdict.err != 0)
            err = fail_sync(volume, node, verdict.err);
        volume_leave(volume);
    }
    if (err == 0 && !verdict.is_lost)
        err = content_sync(volume, node, info->fh);
    fuse_reply_err(request, err);
}

static void on_fallocate(fuse_req_t request, fuse_ino_t number, int mode, off_t offset, off_t size,
                         struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    struct verdict verdict = operations_meet(volume, CALL_WRITE, node);
    int err = volume_enter_handle(volume, info->fh);
    if (err == 0) {
        err = verdict.err != 0
                  ? verdict.err
                  : content_allocate(volume, node, mode, (uint64_t)offset, (uint64_t)size);
        volume_leave(volume);
    }
    fuse_reply_err(request, err);
}

static int statfs_within(struct volume *volume, struct statvfs *status)
{
    if (fstatvfs(volume->root->path_descriptor, status) != 0)
        return errno;
    pthread_mutex_lock(&volume->space_lock);
    if (volume->is_full)
        status->f_bfree = status->f_bavail = volume->free_bytes / status->f_frsize;
    pthread_mutex_unlock(&volume->space_lock);
    return 0;
}

static void on_statfs(fuse_req_t request, fuse_ino_t number)
{
    (void)number;
    struct volume *volume = operations_volume(request);
    struct statvfs status;
    int err = volume_enter(volume);
    if (err == 0) {
        err = statfs_within(volume, &status);
        volume_leave(volume);
    }
    if (err == 0)
        fuse_reply_statfs(request, &status);
    else
        fuse_reply_err(request, err);
}

void operations_fill(struct fuse_lowlevel_ops *operations)
{
    *operations = (struct fuse_lowlevel_ops){
        .init = on_init,
        .forget = on_forget,
        .forget_multi = on_forget_multi,
        .getattr = on_getattr,
        .setattr = on_setattr,
        .open = on_open,
        .release = on_release,
        .read = on_read,
        .write = on_write,
        .fsync = on_fsync,
        .fallocate = on_fallocate,
        .statfs = on_statfs,
    };
    operations_fill_folder(operations);
}
