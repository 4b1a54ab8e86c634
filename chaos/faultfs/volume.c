/* What all parts of a mounted file system share: the backing folder, power, space. */
#include "volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node.h"
#include "tree.h"

static int complain(const char *what, const char *path)
{
    fprintf(stderr, "faultfs: %s %s: %s\n", what, path, strerror(errno));
    return -1;
}

static void init_locks(struct volume *volume)
{
    /* A power cut must not wait for as long as calls keep coming. */
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&volume->power_lock, &attributes);
    pthread_mutex_init(&volume->names_lock, NULL);
    pthread_mutex_init(&volume->nodes_lock, NULL);
    pthread_mutex_init(&volume->unsynced_lock, NULL);
    pthread_mutex_init(&volume->space_lock, NULL);
}

/* What an earlier run left for a way back that nobody will take now. */
static int open_removed_folder(struct volume *volume)
{
    int root = volume->root->path_descriptor;
    int err = tree_remove(root, VOLUME_REMOVED_NAME);
    if (err != 0 && err != ENOENT) {
        errno = err;
        return -1;
    }
    if (mkdirat(root, VOLUME_REMOVED_NAME, 0700) != 0)
        return -1;
    volume->removed_folder = openat(root, VOLUME_REMOVED_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return volume->removed_folder < 0 ? -1 : 0;
}

int volume_open(struct volume *volume, const char *folder, uint64_t seed, uint64_t undo_bytes_max)
{
    *volume = (struct volume){.seed = seed,
                              .chance = {.seed = chance_mix_text(seed, "volume")},
                              .removed_folder = -1,
                              .is_on = true,
                              .boot = 1,
                              .undo_bytes_max = undo_bytes_max};
    init_locks(volume);
    if (rules_init(&volume->rules, chance_mix_text(seed, "rules")) != 0)
        return complain("no condition for", folder);
    int descriptor = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return complain("cannot open the backing folder", folder);
    volume->root = node_of(volume, descriptor);
    if (volume->root == NULL)
        return complain("cannot look at the backing folder", folder);
    if (open_removed_folder(volume) != 0)
        return complain("cannot make " VOLUME_REMOVED_NAME " in", folder);
    return 0;
}

void volume_close(struct volume *volume)
{
    close(volume->removed_folder);
    int err = tree_remove(volume->root->path_descriptor, VOLUME_REMOVED_NAME);
    if (err != 0)
        volume_trouble(volume, "removing " VOLUME_REMOVED_NAME, err);
}

int volume_enter(struct volume *volume)
{
    pthread_rwlock_rdlock(&volume->power_lock);
    if (volume->is_on)
        return 0;
    pthread_rwlock_unlock(&volume->power_lock);
    return EIO;
}

int volume_enter_handle(struct volume *volume, uint64_t boot)
{
    int err = volume_enter(volume);
    if (err != 0 || volume->boot == boot)
        return err;
    volume_leave(volume);
    return EIO;
}

void volume_leave(struct volume *volume)
{
    pthread_rwlock_unlock(&volume->power_lock);
}

void volume_stand_still(struct volume *volume)
{
    pthread_rwlock_wrlock(&volume->power_lock);
}

void volume_go_on(struct volume *volume)
{
    pthread_rwlock_unlock(&volume->power_lock);
}

uint64_t volume_take_space(struct volume *volume, uint64_t wanted)
{
    pthread_mutex_lock(&volume->space_lock);
    if (volume->is_full) {
        if (wanted > volume->free_bytes)
            wanted = volume->free_bytes;
        volume->free_bytes -= wanted;
    }
    pthread_mutex_unlock(&volume->space_lock);
    return wanted;
}

void volume_give_space(struct volume *volume, uint64_t bytes)
{
    pthread_mutex_lock(&volume->space_lock);
    if (volume->is_full)
        volume->free_bytes += bytes;
    pthread_mutex_unlock(&volume->space_lock);
}

void volume_set_full(struct volume *volume, bool is_full, uint64_t free_bytes)
{
    pthread_mutex_lock(&volume->space_lock);
    volume->is_full = is_full;
    volume->free_bytes = free_bytes;
    pthread_mutex_unlock(&volume->space_lock);
}

void volume_trouble(struct volume *volume, const char *what, int err)
{
    atomic_fetch_add(&volume->counts.troubles, 1);
    fprintf(stderr, "faultfs: %s: %s\n", what, strerror(err));
}
