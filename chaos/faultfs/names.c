/* Folders, with a way back.
 *
 * A change is made in the backing folder at once and noted. What a name led to before, when it is
 * removed or replaced, moves into a hidden folder and waits there until the change is durable: so
 * the way back is a rename, and an inode stays the same through it all. */
#include "names.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "node.h"
#include "tree.h"
#include "volume.h"

#define NUMBER_BYTES 24

static void name_of_number(uint64_t number, char name[NUMBER_BYTES])
{
    snprintf(name, NUMBER_BYTES, "%llu", (unsigned long long)number);
}

bool names_is_hidden(const struct volume *volume, const struct node *folder, const char *name)
{
    return folder == volume->root && strcmp(name, VOLUME_REMOVED_NAME) == 0;
}

static int failed(int result)
{
    return result == 0 ? 0 : errno;
}

/* ---- what is done when a change is durable, or lost ---- */

static void stop_keeping(struct volume *volume, const struct entry_change *change)
{
    struct stat status;
    atomic_fetch_sub(&change->removed->kept_names, 1);
    if (fstat(change->removed->path_descriptor, &status) == 0 && status.st_nlink == 0)
        content_forget(volume, change->removed);
}

static void let_go(struct volume *volume, struct entry_change *change)
{
    node_release(volume, change->folder, 1);
    if (change->folder_to != NULL)
        node_release(volume, change->folder_to, 1);
    if (change->made != NULL)
        node_release(volume, change->made, 1);
    if (change->removed != NULL)
        node_release(volume, change->removed, 1);
    entry_change_free(change);
}

static void settle(struct volume *volume, struct entry_change *change)
{
    if (change->kept_number != 0) {
        char kept[NUMBER_BYTES];
        name_of_number(change->kept_number, kept);
        int err = tree_remove(volume->removed_folder, kept);
        if (err != 0)
            volume_trouble(volume, "removing what was removed", err);
        stop_keeping(volume, change);
    }
    let_go(volume, change);
}

static void settle_marked(struct volume *volume)
{
    struct entry_change change;
    while (entries_take_oldest(&volume->entries, &change))
        settle(volume, &change);
}

/* What the change had removed or replaced gets its name back. */
static int bring_back(struct volume *volume, struct entry_change *change)
{
    char kept[NUMBER_BYTES];
    name_of_number(change->kept_number, kept);
    bool is_renamed = change->kind == ENTRY_RENAMED;
    const struct node *folder = is_renamed ? change->folder_to : change->folder;
    const char *name = is_renamed ? change->name_to : change->name;
    int err = failed(renameat(volume->removed_folder, kept, folder->path_descriptor, name));
    atomic_fetch_sub(&change->removed->kept_names, 1);
    return err;
}

/* A name that was never made: gone with all below it. */
static int unmake(struct volume *volume, const struct entry_change *change)
{
    char kept[NUMBER_BYTES];
    name_of_number(++volume->removed_number, kept);
    int err = failed(
        renameat(change->folder->path_descriptor, change->name, volume->removed_folder, kept));
    return err == 0 ? tree_remove(volume->removed_folder, kept) : err;
}

static void take_back(struct volume *volume, struct entry_change *change)
{
    int err = 0;
    if (change->kind == ENTRY_MADE)
        err = unmake(volume, change);
    else if (change->kind == ENTRY_RENAMED)
        err = failed(renameat(change->folder_to->path_descriptor, change->name_to,
                              change->folder->path_descriptor, change->name));
    if (err == 0 && change->kept_number != 0)
        err = bring_back(volume, change);
    if (err != 0)
        volume_trouble(volume, "taking back a change of a folder", err);
    let_go(volume, change);
}

/* ---- noting a change ---- */

static bool is_beyond_bound(const struct entries *entries)
{
    return entries->count > ENTRIES_COUNT_MAX || entries->kept_bytes > NAMES_KEPT_BYTES_MAX;
}

/* Takes the names and, of `made` and `removed`, a reference each; holds the folders itself. */
static void note(struct volume *volume, struct entry_change *change)
{
    node_hold(volume, change->folder);
    if (change->folder_to != NULL)
        node_hold(volume, change->folder_to);
    if (change->name == NULL || (change->folder_to != NULL && change->name_to == NULL) ||
        entries_add(&volume->entries, change) != 0) {
        volume_trouble(volume, "noting a change of a folder", ENOMEM);
        settle(volume, change);
    }
    while (is_beyond_bound(&volume->entries)) {
        entries_mark_oldest(&volume->entries);
        settle_marked(volume);
        atomic_fetch_add(&volume->counts.forced_entries, 1);
    }
}

static void note_made(struct volume *volume, struct node *folder, const char *name,
                      struct node *made)
{
    assert(made != NULL); /* a look-up that succeeds finds a node */
    bool is_folder = S_ISDIR(made->type);
    if (is_folder)
        node_hold(volume, made);
    note(volume, &(struct entry_change){.kind = ENTRY_MADE,
                                        .folder = folder,
                                        .name = strdup(name),
                                        .made = is_folder ? made : NULL});
}

/* ---- calls ---- */

int names_look_up(struct volume *volume, struct node *folder, const char *name, struct node **node)
{
    if (names_is_hidden(volume, folder, name))
        return ENOENT;
    int descriptor = openat(folder->path_descriptor, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    *node = node_of(volume, descriptor);
    return *node == NULL ? errno : 0;
}

/* After a name was made: its owner, its node, its note. With names_lock. */
static int finish_making(struct volume *volume, struct node *folder, const char *name,
                         struct names_owner owner, struct node **node)
{
    if (geteuid() == 0 &&
        fchownat(folder->path_descriptor, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) != 0)
        return errno;
    int err = names_look_up(volume, folder, name, node);
    if (err == 0)
        note_made(volume, folder, name, *node);
    return err;
}

int names_make_file(struct volume *volume, struct node *folder, const char *name, int flags,
                    mode_t mode, struct names_owner owner, struct node **node)
{
    if (names_is_hidden(volume, folder, name))
        return EACCES;
    pthread_mutex_lock(&volume->names_lock);
    int descriptor = openat(folder->path_descriptor, name,
                            O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, mode);
    int err = descriptor < 0 ? errno : 0;
    if (err == 0) {
        close(descriptor);
        err = finish_making(volume, folder, name, owner, node);
    } else if (err == EEXIST && !(flags & O_EXCL)) {
        err = names_look_up(volume, folder, name, node);
    }
    pthread_mutex_unlock(&volume->names_lock);
    return err;
}

int names_make_folder(struct volume *volume, struct node *folder, const char *name, mode_t mode,
                      struct names_owner owner, struct node **node)
{
    pthread_mutex_lock(&volume->names_lock);
    int err = failed(mkdirat(folder->path_descriptor, name, mode));
    if (err == 0)
        err = finish_making(volume, folder, name, owner, node);
    pthread_mutex_unlock(&volume->names_lock);
    return err;
}

int names_make_symlink(struct volume *volume, struct node *folder, const char *name,
                       const char *target, struct names_owner owner, struct node **node)
{
    pthread_mutex_lock(&volume->names_lock);
    int err = failed(symlinkat(target, folder->path_descriptor, name));
    if (err == 0)
        err = finish_making(volume, folder, name, owner, node);
    pthread_mutex_unlock(&volume->names_lock);
    return err;
}

int names_make_link(struct volume *volume, struct node *folder, const char *name, struct node *node)
{
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", node->path_descriptor);
    pthread_mutex_lock(&volume->names_lock);
    int err = failed(linkat(AT_FDCWD, source, folder->path_descriptor, name, AT_SYMLINK_FOLLOW));
    if (err == 0)
        note_made(volume, folder, name, node);
    pthread_mutex_unlock(&volume->names_lock);
    return err;
}

static int check_empty(const struct node *folder)
{
    int descriptor = openat(folder->path_descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *opened = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (opened == NULL) {
        int err = errno;
        if (descriptor >= 0)
            close(descriptor);
        return err;
    }
    unsigned count = 0;
    while (count <= 2 && readdir(opened) != NULL)
        count++;
    closedir(opened);
    return count > 2 ? ENOTEMPTY : 0; /* "." and ".." */
}

/* Fills in what the name leads to, which will be removed, and where it will be kept. */
static int prepare_removal(struct volume *volume, struct node *folder, const char *name,
                           struct entry_change *change)
{
    struct stat status;
    int err = names_look_up(volume, folder, name, &change->removed);
    if (err != 0)
        return err;
    assert(change->removed != NULL); /* a look-up that succeeds finds a node */
    change->is_folder_removed = S_ISDIR(change->removed->type);
    if (change->is_folder_removed)
        err = check_empty(change->removed);
    if (err == 0)
        err = node_status(change->removed, &status);
    if (err != 0)
        return err;
    if (!change->is_folder_removed && status.st_nlink == 1)
        change->kept_bytes = (uint64_t)status.st_size;
    change->kept_number = ++volume->removed_number;
    return 0;
}

static void note_removed(struct volume *volume, struct entry_change *change)
{
    atomic_fetch_add(&change->removed->kept_names, 1);
    volume_give_space(volume, change->kept_bytes);
    note(volume, change);
}

int names_remove(struct volume *volume, struct node *folder, const char *name, bool is_folder)
{
    char kept[NUMBER_BYTES];
    struct entry_change change = {.kind = ENTRY_REMOVED, .folder = folder};
    pthread_mutex_lock(&volume->names_lock);
    int err = prepare_removal(volume, folder, name, &change);
    if (err == 0 && is_folder != change.is_folder_removed)
        err = is_folder ? ENOTDIR : EISDIR;
    name_of_number(change.kept_number, kept);
    if (err == 0)
        err = failed(renameat(folder->path_descriptor, name, volume->removed_folder, kept));
    if (err == 0) {
        change.name = strdup(name);
        note_removed(volume, &change);
    } else if (change.removed != NULL) {
        node_release(volume, change.removed, 1);
    }
    pthread_mutex_unlock(&volume->names_lock);
    return err;
}

/* The new name is taken: what it leads to gets a second name for the way back. Files keep the
 * first one, so that at each moment the name leads to one or the other. */
static int set_aside(struct volume *volume, const struct entry_change *change, const char *name_to)
{
    char kept[NUMBER_BYTES];
    name_of_number(change->kept_number, kept);
    int folder = change->folder_to->path_descriptor;
    if (change->is_folder_removed)
        return failed(renameat(folder, name_to, volume->removed_folder, kept));
    return failed(linkat(folder, name_to, volume->removed_folder, kept, 0));
}

static void undo_setting_aside(struct volume *volume, const struct entry_change *change,
                               const char *name_to)
{
    char kept[NUMBER_BYTES];
    name_of_number(change->kept_number, kept);
    if (!change->is_folder_removed)
        unlinkat(volume->removed_folder, kept, 0);
    else if (renameat(volume->removed_folder, kept, change->folder_to->path_descriptor, name_to))
        volume_trouble(volume, "putting a folder back", errno);
}

static int rename_over(struct volume *volume, struct entry_change *change, const char *name,
                       const char *name_to)
{
    int err = change->removed == NULL ? 0 : set_aside(volume, change, name_to);
    if (err != 0)
        return err;
    err = failed(renameat(change->folder->path_descriptor, name, change->folder_to->path_descriptor,
                          name_to));
    if (err != 0 && change->removed != NULL)
        undo_setting_aside(volume, change, name_to);
    return err;
}

static int rename_locked(struct volume *volume, struct entry_change *change, const char *name,
                         const char *name_to, unsigned flags)
{
    struct node *moved = NULL;
    int err = names_look_up(volume, change->folder, name, &moved);
    if (err != 0)
        return err;
    err = prepare_removal(volume, change->folder_to, name_to, change);
    bool is_same = change->removed == moved;
    node_release(volume, moved, 1);
    if (err == 0 && (is_same || flags == RENAME_NOREPLACE))
        return is_same ? 0 : EEXIST;
    if (err != 0 && err != ENOENT)
        return err;
    err = rename_over(volume, change, name, name_to);
    if (err != 0)
        return err;
    change->name = strdup(name);
    change->name_to = strdup(name_to);
    if (change->removed == NULL)
        note(volume, change);
    else
        note_removed(volume, change);
    change->removed = NULL; /* the note's now */
    return 0;
}

int names_rename(struct volume *volume, struct node *folder, const char *name,
                 struct node *folder_to, const char *name_to, unsigned flags)
{
    if (flags != 0 && flags != RENAME_NOREPLACE)
        return EINVAL;
    if (names_is_hidden(volume, folder_to, name_to))
        return EACCES;
    struct entry_change change = {.kind = ENTRY_RENAMED, .folder = folder, .folder_to = folder_to};
    pthread_mutex_lock(&volume->names_lock);
    int err = rename_locked(volume, &change, name, name_to, flags);
    if (change.removed != NULL)
        node_release(volume, change.removed, 1);
    pthread_mutex_unlock(&volume->names_lock);
    return err;
}

int names_sync(struct volume *volume, struct node *folder, uint64_t boot)
{
    int descriptor = openat(folder->path_descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return errno;
    int err = failed(fsync(descriptor));
    close(descriptor);
    if (err == 0)
        err = volume_enter_handle(volume, boot);
    if (err != 0)
        return err;
    pthread_mutex_lock(&volume->names_lock);
    entries_mark_folder(&volume->entries, folder);
    settle_marked(volume);
    pthread_mutex_unlock(&volume->names_lock);
    volume_leave(volume);
    return 0;
}

void names_roll_back(struct volume *volume, const struct undo_choice *choice,
                     struct names_outcome *outcome)
{
    struct entry_change change;
    entries_mark_lost(&volume->entries, choice);
    for (; entries_take_newest(&volume->entries, &change); outcome->entries_lost++)
        take_back(volume, &change);
    outcome->entries_kept = volume->entries.count;
    entries_mark_all(&volume->entries);
    settle_marked(volume);
}
