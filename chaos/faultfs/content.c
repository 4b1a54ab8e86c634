/* The bytes of files.
 *
 * A write reads what it replaces (undo_before_write), then goes to the backing file at once. The
 * memory this takes is counted over all files; beyond its bound the file that has been unsynced
 * longest becomes durable, which only makes the disk kinder, and is counted. */
#include "content.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "node.h"
#include "volume.h"

static int read_all(void *data, uint64_t offset, void *into, size_t size)
{
    const struct node *node = data;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(node->data_descriptor, (uint8_t *)into + done, size - done,
                            (off_t)(offset + done));
        if (got < 0 && errno != EINTR)
            return errno;
        if (got == 0)
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    memset((uint8_t *)into + done, 0, size - done);
    return 0;
}

static int write_all(void *data, uint64_t offset, const void *bytes, size_t size)
{
    const struct node *node = data;
    for (size_t done = 0; done < size;) {
        ssize_t put = pwrite(node->data_descriptor, (const uint8_t *)bytes + done, size - done,
                             (off_t)(offset + done));
        if (put < 0 && errno != EINTR)
            return errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int set_size(void *data, uint64_t size)
{
    const struct node *node = data;
    return ftruncate(node->data_descriptor, (off_t)size) == 0 ? 0 : errno;
}

static struct undo_file file_of(struct node *node)
{
    return (struct undo_file){node, read_all, write_all, set_size};
}

static int size_of(const struct node *node, uint64_t *size)
{
    struct stat status;
    if (fstat(node->path_descriptor, &status) != 0)
        return errno;
    *size = (uint64_t)status.st_size;
    return 0;
}

/* ---- which files are unsynced, and the memory of all ---- */

static void list_add(struct volume *volume, struct node *node)
{
    node->is_unsynced = true;
    node->unsynced_after = NULL;
    node->unsynced_before = volume->unsynced_last;
    *(node->unsynced_before == NULL ? &volume->unsynced_first
                                    : &node->unsynced_before->unsynced_after) = node;
    volume->unsynced_last = node;
    volume->unsynced_count++;
}

static void list_remove(struct volume *volume, struct node *node)
{
    node->is_unsynced = false;
    *(node->unsynced_before == NULL
          ? &volume->unsynced_first
          : &node->unsynced_before->unsynced_after) = node->unsynced_after;
    *(node->unsynced_after == NULL
          ? &volume->unsynced_last
          : &node->unsynced_after->unsynced_before) = node->unsynced_before;
    volume->unsynced_count--;
}

/* The file changed or was synced: the list and the sum say so. An unsynced file is held. */
static void account(struct volume *volume, struct node *node)
{
    uint64_t bytes = undo_memory_bytes(&node->undo);
    pthread_mutex_lock(&volume->unsynced_lock);
    volume->undo_bytes += bytes - node->undo_bytes;
    node->undo_bytes = bytes;
    bool was_unsynced = node->is_unsynced;
    if (node->undo.is_changed && !was_unsynced)
        list_add(volume, node);
    else if (!node->undo.is_changed && was_unsynced)
        list_remove(volume, node);
    pthread_mutex_unlock(&volume->unsynced_lock);
    if (node->undo.is_changed && !was_unsynced)
        node_hold(volume, node);
    else if (!node->undo.is_changed && was_unsynced)
        node_release(volume, node, 1); /* never the last: the caller has one */
}

static void clear(struct volume *volume, struct node *node)
{
    pthread_mutex_lock(&volume->unsynced_lock);
    older_take(&volume->older, node->device, node->inode, &node->undo);
    pthread_mutex_unlock(&volume->unsynced_lock);
    undo_clear(&node->undo);
    account(volume, node);
}

static struct node *oldest_beyond_bound(struct volume *volume)
{
    pthread_mutex_lock(&volume->unsynced_lock);
    struct node *node = volume->undo_bytes > volume->undo_bytes_max ? volume->unsynced_first : NULL;
    if (node != NULL)
        node_hold(volume, node);
    pthread_mutex_unlock(&volume->unsynced_lock);
    return node;
}

/* Without any node's lock. */
static void keep_bound(struct volume *volume)
{
    struct node *node;
    while ((node = oldest_beyond_bound(volume)) != NULL) {
        pthread_mutex_lock(&node->lock);
        clear(volume, node);
        pthread_mutex_unlock(&node->lock);
        atomic_fetch_add(&volume->counts.forced_files, 1);
        node_release(volume, node, 1);
    }
}

/* ---- calls ---- */

int content_open(struct volume *volume, struct node *node)
{
    (void)volume;
    pthread_mutex_lock(&node->lock);
    int err = node_open_data(node);
    node->open_count += err == 0;
    pthread_mutex_unlock(&node->lock);
    return err;
}

static void close_data_if_idle(struct node *node)
{
    if (node->open_count > 0 || node->undo.is_changed || node->data_descriptor < 0)
        return;
    close(node->data_descriptor);
    node->data_descriptor = -1;
}

void content_close(struct volume *volume, struct node *node)
{
    struct stat status;
    pthread_mutex_lock(&node->lock);
    node->open_count--;
    if (node->open_count == 0 && fstat(node->path_descriptor, &status) == 0 && status.st_nlink == 0)
        clear(volume, node);
    close_data_if_idle(node);
    pthread_mutex_unlock(&node->lock);
}

/* How many of the bytes fit on the disk. */
static int room_for(struct volume *volume, uint64_t offset, size_t *size, uint64_t size_now)
{
    uint64_t end = offset + *size;
    if (end <= size_now)
        return 0;
    uint64_t start = offset > size_now ? offset : size_now;
    uint64_t granted = volume_take_space(volume, end - start);
    *size = (size_t)(start - offset + granted);
    return *size == 0 ? ENOSPC : 0;
}

static int write_locked(struct volume *volume, struct node *node, uint64_t offset,
                        const void *bytes, size_t size, size_t *written)
{
    uint64_t size_now = 0;
    struct undo_file file = file_of(node);
    int err = node_open_data(node);
    if (err == 0)
        err = size_of(node, &size_now);
    if (err == 0)
        err = room_for(volume, offset, &size, size_now);
    if (err == 0)
        err = undo_before_write(&node->undo, &file, offset, size, size_now);
    if (err == 0 && bytes != NULL)
        err = write_all(node, offset, bytes, size);
    else if (err == 0 && offset + size > size_now)
        err = set_size(node, offset + size);
    *written = err == 0 ? size : 0;
    return err;
}

static int write_or_lose(struct volume *volume, struct node *node, uint64_t offset,
                         const void *bytes, size_t size, size_t *written)
{
    pthread_mutex_lock(&node->lock);
    int err = write_locked(volume, node, offset, bytes, size, written);
    account(volume, node);
    pthread_mutex_unlock(&node->lock);
    keep_bound(volume);
    return err;
}

int content_write(struct volume *volume, struct node *node, uint64_t offset, const void *bytes,
                  size_t size, size_t *written)
{
    return write_or_lose(volume, node, offset, bytes, size, written);
}

int content_lose_write(struct volume *volume, struct node *node, uint64_t offset, size_t size)
{
    size_t written;
    return write_or_lose(volume, node, offset, NULL, size, &written);
}

/* A block of the file, which is not empty, that is not `own`, unless it has but one. */
static uint64_t other_block(struct volume *volume, uint64_t own, uint64_t size)
{
    uint64_t drawn = chance_mix(chance_mix_text(volume->seed, "misdirect"),
                                atomic_fetch_add(&volume->counts.misdirected, 1));
    uint64_t count = (size + UNDO_BLOCK_BYTES - 1) / UNDO_BLOCK_BYTES;
    assert(count > 0); /* of an empty file there is none to draw */
    if (own >= count || count == 1)
        return drawn % count;
    return (own + 1 + drawn % (count - 1)) % count;
}

int content_misdirect_write(struct volume *volume, struct node *node, uint64_t offset,
                            const void *bytes, size_t size)
{
    uint64_t size_now = 0;
    size_t written;
    int err = size_of(node, &size_now);
    if (err == 0)
        err = content_lose_write(volume, node, offset, size);
    if (err != 0 || size_now == 0)
        return err; /* there is nowhere else */
    uint64_t elsewhere = other_block(volume, offset / UNDO_BLOCK_BYTES, size_now) *
                             UNDO_BLOCK_BYTES +
                         offset % UNDO_BLOCK_BYTES;
    return content_write(volume, node, elsewhere, bytes, size, &written);
}

static int set_size_locked(struct volume *volume, struct node *node, uint64_t size)
{
    uint64_t size_now = 0;
    struct undo_file file = file_of(node);
    int err = node_open_data(node);
    if (err == 0)
        err = size_of(node, &size_now);
    if (err != 0 || size == size_now)
        return err;
    /* More than may be remembered: cut off at once, as if it were synced. */
    if (size < size_now && size_now - size > volume->undo_bytes_max) {
        clear(volume, node);
        atomic_fetch_add(&volume->counts.forced_files, 1);
    } else {
        err = undo_before_resize(&node->undo, &file, size, size_now);
    }
    if (err == 0)
        err = set_size(node, size);
    if (err == 0 && size < size_now)
        volume_give_space(volume, size_now - size);
    return err;
}

int content_set_size(struct volume *volume, struct node *node, uint64_t size)
{
    pthread_mutex_lock(&node->lock);
    int err = set_size_locked(volume, node, size);
    account(volume, node);
    close_data_if_idle(node);
    pthread_mutex_unlock(&node->lock);
    keep_bound(volume);
    return err;
}

static int allocate_locked(struct volume *volume, struct node *node, int mode, uint64_t offset,
                           uint64_t size)
{
    uint64_t size_now = 0;
    struct undo_file file = file_of(node);
    bool is_zeroing = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
    bool grows = !(mode & FALLOC_FL_KEEP_SIZE);
    int err = size_of(node, &size_now);
    if (err != 0)
        return err;
    uint64_t end = offset + size;
    uint64_t wanted = grows && end > size_now ? end - size_now : 0;
    if (volume_take_space(volume, wanted) < wanted)
        return ENOSPC;
    uint64_t zeroed_end = is_zeroing ? (end < size_now ? end : size_now) : offset;
    if (zeroed_end > offset)
        err = undo_before_write(&node->undo, &file, offset, zeroed_end - offset, size_now);
    if (err == 0 && wanted > 0)
        err = undo_before_resize(&node->undo, &file, end, size_now);
    if (err != 0)
        return err;
    return fallocate(node->data_descriptor, mode, (off_t)offset, (off_t)size) == 0 ? 0 : errno;
}

int content_allocate(struct volume *volume, struct node *node, int mode, uint64_t offset,
                     uint64_t size)
{
    int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    if (mode & ~known)
        return EOPNOTSUPP;
    pthread_mutex_lock(&node->lock);
    int err = node_open_data(node);
    if (err == 0)
        err = allocate_locked(volume, node, mode, offset, size);
    account(volume, node);
    pthread_mutex_unlock(&node->lock);
    keep_bound(volume);
    return err;
}

/* Pins the data descriptor; `changes` says later whether anything was written meanwhile. */
static int begin_sync(struct volume *volume, struct node *node, uint64_t boot, uint64_t *changes)
{
    int err = volume_enter_handle(volume, boot);
    if (err != 0)
        return err;
    pthread_mutex_lock(&node->lock);
    err = node_open_data(node);
    node->open_count += err == 0;
    *changes = node->undo.changes;
    pthread_mutex_unlock(&node->lock);
    volume_leave(volume);
    return err;
}

/* 0: it is synced. EAGAIN: something was written meanwhile. EIO: the power went. */
static int end_sync(struct volume *volume, struct node *node, uint64_t boot, uint64_t changes,
                    int err)
{
    pthread_rwlock_rdlock(&volume->power_lock);
    bool is_alive = volume->is_on && volume->boot == boot;
    pthread_mutex_lock(&node->lock);
    node->open_count--;
    if (!is_alive)
        err = EIO;
    else if (err == 0 && node->undo.changes != changes)
        err = EAGAIN;
    else if (err == 0)
        clear(volume, node);
    close_data_if_idle(node);
    pthread_mutex_unlock(&node->lock);
    pthread_rwlock_unlock(&volume->power_lock);
    return err;
}

int content_sync(struct volume *volume, struct node *node, uint64_t boot)
{
    int err = EAGAIN;
    while (err == EAGAIN) {
        uint64_t changes;
        err = begin_sync(volume, node, boot, &changes);
        if (err != 0)
            return err;
        err = fdatasync(node->data_descriptor) == 0 ? 0 : errno;
        err = end_sync(volume, node, boot, changes, err);
    }
    return err;
}

int content_fail_sync(struct volume *volume, struct node *node, uint64_t seed)
{
    struct undo_file file = file_of(node);
    struct undo_outcome outcome = {0};
    pthread_mutex_lock(&node->lock);
    int err = undo_drop(&node->undo, &file, chance_mix(seed, node->failed_syncs++), &outcome);
    account(volume, node);
    close_data_if_idle(node);
    pthread_mutex_unlock(&node->lock);
    return err;
}

int content_roll_back(struct volume *volume, struct node *node, const struct undo_choice *choice,
                      struct undo_outcome *outcome)
{
    struct undo_file file = file_of(node);
    int err = undo_roll_back(&node->undo, &file, choice, outcome);
    account(volume, node);
    close_data_if_idle(node);
    return err;
}

void content_forget(struct volume *volume, struct node *node)
{
    pthread_mutex_lock(&node->lock);
    if (node->open_count == 0)
        clear(volume, node);
    close_data_if_idle(node);
    pthread_mutex_unlock(&node->lock);
}
