/* FUSE requests about folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "names.h"
#include "node.h"
#include "operations.h"
#include "volume.h"

static struct names_owner caller_of(fuse_req_t request)
{
    const struct fuse_ctx *context = fuse_req_ctx(request);
    return (struct names_owner){context->uid, context->gid};
}

static void on_lookup(fuse_req_t request, fuse_ino_t folder, const char *name)
{
    struct volume *volume = operations_volume(request);
    struct node *node = NULL;
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_look_up(volume, operations_node(request, folder), name, &node);
        volume_leave(volume);
    }
    operations_reply_entry(request, node, err);
}

static void reply_created(fuse_req_t request, struct node *node, struct fuse_file_info *info,
                          int err)
{
    struct volume *volume = operations_volume(request);
    struct fuse_entry_param entry;
    if (err == 0)
        err = operations_entry(volume, node, &entry);
    if (err != 0)
        fuse_reply_err(request, err);
    else if (fuse_reply_create(request, &entry, info) == 0)
        return;
    else
        content_close(volume, node);
    if (node != NULL)
        node_release(volume, node, 1);
}

static void on_create(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode,
                      struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct node *node = NULL;
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_make_file(volume, operations_node(request, folder), name, info->flags, mode,
                              caller_of(request), &node);
        if (err == 0)
            err = content_open(volume, node);
        info->fh = volume->boot;
        info->direct_io = 1;
        volume_leave(volume);
    }
    reply_created(request, node, info, err);
}

static void on_mkdir(fuse_req_t request, fuse_ino_t folder, const char *name, mode_t mode)
{
    struct volume *volume = operations_volume(request);
    struct node *node = NULL;
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_make_folder(volume, operations_node(request, folder), name, mode,
                                caller_of(request), &node);
        volume_leave(volume);
    }
    operations_reply_entry(request, node, err);
}

static void on_symlink(fuse_req_t request, const char *target, fuse_ino_t folder, const char *name)
{
    struct volume *volume = operations_volume(request);
    struct node *node = NULL;
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_make_symlink(volume, operations_node(request, folder), name, target,
                                 caller_of(request), &node);
        volume_leave(volume);
    }
    operations_reply_entry(request, node, err);
}

static void on_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t folder, const char *name)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_make_link(volume, operations_node(request, folder), name, node);
        volume_leave(volume);
    }
    if (err == 0)
        node_hold(volume, node);
    operations_reply_entry(request, err == 0 ? node : NULL, err);
}

static void on_readlink(fuse_req_t request, fuse_ino_t number)
{
    struct volume *volume = operations_volume(request);
    struct node *node = operations_node(request, number);
    char target[PATH_MAX];
    int err = volume_enter(volume);
    if (err == 0) {
        ssize_t length = readlinkat(node->path_descriptor, "", target, sizeof target - 1);
        err = length < 0 ? errno : 0;
        target[length < 0 ? 0 : length] = '\0';
        volume_leave(volume);
    }
    if (err == 0)
        fuse_reply_readlink(request, target);
    else
        fuse_reply_err(request, err);
}

static void remove_name(fuse_req_t request, fuse_ino_t folder, const char *name, bool is_folder)
{
    struct volume *volume = operations_volume(request);
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_remove(volume, operations_node(request, folder), name, is_folder);
        volume_leave(volume);
    }
    fuse_reply_err(request, err);
}

static void on_unlink(fuse_req_t request, fuse_ino_t folder, const char *name)
{
    remove_name(request, folder, name, false);
}

static void on_rmdir(fuse_req_t request, fuse_ino_t folder, const char *name)
{
    remove_name(request, folder, name, true);
}

static void on_rename(fuse_req_t request, fuse_ino_t folder, const char *name, fuse_ino_t folder_to,
                      const char *name_to, unsigned flags)
{
    struct volume *volume = operations_volume(request);
    int err = volume_enter(volume);
    if (err == 0) {
        err = names_rename(volume, operations_node(request, folder), name,
                           operations_node(request, folder_to), name_to, flags);
        volume_leave(volume);
    }
    fuse_reply_err(request, err);
}

/* ---- reading a folder ---- */

struct folder_handle {
    DIR *opened;
    long position; /* where the stream stands */
    uint64_t boot;
};

static struct folder_handle *handle_of(const struct fuse_file_info *info)
{
    return (struct folder_handle *)(uintptr_t)info->fh;
}

static struct folder_handle *open_handle(const struct node *folder, uint64_t boot)
{
    struct folder_handle *handle = calloc(1, sizeof *handle);
    int descriptor = openat(folder->path_descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle != NULL && descriptor >= 0)
        handle->opened = fdopendir(descriptor);
    if (handle != NULL && handle->opened != NULL) {
        handle->boot = boot;
        return handle;
    }
    int err = handle == NULL ? ENOMEM : errno;
    if (descriptor >= 0)
        close(descriptor);
    free(handle);
    errno = err;
    return NULL;
}

static void close_handle(struct folder_handle *handle)
{
    closedir(handle->opened);
    free(handle);
}

static void on_opendir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct folder_handle *handle = NULL;
    int err = volume_enter(volume);
    if (err == 0) {
        handle = open_handle(operations_node(request, number), volume->boot);
        err = handle == NULL ? errno : 0;
        volume_leave(volume);
    }
    if (err != 0) {
        fuse_reply_err(request, err);
        return;
    }
    info->fh = (uint64_t)(uintptr_t)handle;
    if (fuse_reply_open(request, info) != 0)
        close_handle(handle);
}

static void on_releasedir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *info)
{
    (void)number;
    close_handle(handle_of(info));
    fuse_reply_err(request, 0);
}

/* Fills `into` with entries from `position` on; the bytes used. */
static size_t read_entries(fuse_req_t request, struct node *folder, struct folder_handle *handle,
                           long position, char *into, size_t size)
{
    struct volume *volume = operations_volume(request);
    size_t used = 0;
    if (position != handle->position)
        seekdir(handle->opened, position);
    handle->position = position;
    struct dirent *entry;
    while ((entry = readdir(handle->opened)) != NULL) {
        struct stat status = {.st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12};
        bool is_hidden = names_is_hidden(volume, folder, entry->d_name);
        size_t needed = is_hidden ? 0
                                  : fuse_add_direntry(request, into + used, size - used,
                                                      entry->d_name, &status, entry->d_off);
        if (needed > size - used) {
            handle->position = -1; /* one was read that does not fit: seek next time */
            break;
        }
        used += needed;
        handle->position = entry->d_off;
    }
    return used;
}

static void on_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t position,
                       struct fuse_file_info *info)
{
    struct volume *volume = operations_volume(request);
    struct folder_handle *handle = handle_of(info);
    char *into = malloc(size);
    int err = into == NULL ? ENOMEM : volume_enter_handle(volume, handle->boot);
    if (err == 0) {
        size_t used = read_entries(request, operations_node(request, number), handle,
                                   (long)position, into, size);
        volume_leave(volume);
        fuse_reply_buf(request, into, used);
    } else {
        fuse_reply_err(request, err);
    }
    free(into);
}

static void on_fsyncdir(fuse_req_t request, fuse_ino_t number, int data_only,
                        struct fuse_file_info *info)
{
    (void)data_only;
    struct volume *volume = operations_volume(request);
    struct node *folder = operations_node(request, number);
    struct verdict verdict = operations_meet(volume, CALL_FSYNC, folder);
    uint64_t boot = handle_of(info)->boot;
    int err = volume_enter_handle(volume, boot);
    if (err == 0) {
        err = verdict.err;
        volume_leave(volume);
    }
    if (err == 0 && !verdict.is_lost)
        err = names_sync(volume, folder, boot);
    fuse_reply_err(request, err);
}

void operations_fill_folder(struct fuse_lowlevel_ops *operations)
{
    operations->lookup = on_lookup;
    operations->create = on_create;
    operations->mkdir = on_mkdir;
    operations->symlink = on_symlink;
    operations->link = on_link;
    operations->readlink = on_readlink;
    operations->unlink = on_unlink;
    operations->rmdir = on_rmdir;
    operations->rename = on_rename;
    operations->opendir = on_opendir;
    operations->releasedir = on_releasedir;
    operations->readdir = on_readdir;
    operations->fsyncdir = on_fsyncdir;
}
