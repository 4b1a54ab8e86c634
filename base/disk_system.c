/* The real disk: POSIX files below one folder.
 *
 * A `struct disk_file` is a descriptor in disguise: nothing to allocate. Descriptor 0 is never
 * handed out as a data file (it would look like NULL), which the +1 takes care of. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/err.h"

struct system_disk {
    int root;                 /* descriptor of the root folder */
    atomic_bool has_uncached; /* the kernel took RWF_DONTCACHE so far */
    bool spares_memory;       /* see disk_system_spare_memory */
};

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x00000080
#endif

#define LONG_READ_BYTES (64u << 10)

static int descriptor_of(const struct disk_file *file)
{
    return (int)((intptr_t)file - 1);
}

static int failed(void)
{
    return uv_translate_sys_error(errno);
}

static int system_open(void *data, const char *path, unsigned flags, struct disk_file **file)
{
    struct system_disk *d = data;
    int mode = flags & DISK_WRITE ? O_RDWR : O_RDONLY;
    if (flags & DISK_CREATE)
        mode |= O_CREAT;
    if (flags & DISK_EXCLUSIVE)
        mode |= O_EXCL;
    int descriptor = openat(d->root, path, mode | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return failed();
    *file = (struct disk_file *)((intptr_t)descriptor + 1);
    return 0;
}

static void system_close(void *data, struct disk_file *file)
{
    (void)data;
    close(descriptor_of(file)); /* what must be durable was synced before */
}

/* Did the kernel refuse the flag, not the work? It is not asked again then. */
static bool is_uncached_refused(struct system_disk *d, ssize_t got)
{
    if (got >= 0 || (errno != EOPNOTSUPP && errno != EINVAL))
        return false;
    atomic_store(&d->has_uncached, false); /* this kernel or file system has no such flag */
    return true;
}

static ssize_t read_some(struct system_disk *d, int descriptor, uint8_t *into, size_t size,
                         uint64_t position)
{
    if (d->spares_memory && size >= LONG_READ_BYTES && atomic_load(&d->has_uncached)) {
        struct iovec part = {.iov_base = into, .iov_len = size};
        ssize_t got = preadv2(descriptor, &part, 1, (off_t)position, RWF_DONTCACHE);
        if (!is_uncached_refused(d, got))
            return got;
    }
    return pread(descriptor, into, size, (off_t)position);
}

/* What is in the page cache already is taken from there and stays; the rest passes through and is
 * let go again. */
static ssize_t read_past_cache(struct system_disk *d, int descriptor, uint8_t *into, size_t size,
                               uint64_t position)
{
    struct iovec part = {.iov_base = into, .iov_len = size};
    if (atomic_load(&d->has_uncached)) {
        ssize_t got = preadv2(descriptor, &part, 1, (off_t)position, RWF_DONTCACHE);
        if (!is_uncached_refused(d, got))
            return got;
    }
    ssize_t cached = preadv2(descriptor, &part, 1, (off_t)position, RWF_NOWAIT);
    if (cached > 0)
        return cached;
    ssize_t got = pread(descriptor, into, size, (off_t)position);
    if (got > 0)
        posix_fadvise(descriptor, (off_t)position, got, POSIX_FADV_DONTNEED);
    return got;
}

typedef ssize_t (*read_piece)(struct system_disk *d, int descriptor, uint8_t *into, size_t size,
                              uint64_t position);

static int64_t read_all(struct system_disk *d, struct disk_file *file, uint64_t position,
                        uint8_t *into, size_t size, read_piece read_next)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read_next(d, descriptor_of(file), into + done, size - done, position + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed();
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int64_t system_read_at(void *data, struct disk_file *file, uint64_t position, void *into,
                              size_t size)
{
    return read_all(data, file, position, into, size, read_some);
}

static int64_t system_read_at_once(void *data, struct disk_file *file, uint64_t position,
                                   void *into, size_t size)
{
    return read_all(data, file, position, into, size, read_past_cache);
}

static ssize_t write_some(struct system_disk *d, int descriptor, const struct iovec *parts,
                          int part_count, uint64_t position, unsigned flags)
{
    if ((flags & DISK_WRITE_UNCACHED) && atomic_load(&d->has_uncached)) {
        ssize_t put = pwritev2(descriptor, parts, part_count, (off_t)position, RWF_DONTCACHE);
        if (!is_uncached_refused(d, put))
            return put;
    }
    return pwritev(descriptor, parts, part_count, (off_t)position);
}

/* Writes the rest of one part after a short write. */
static int write_rest(int descriptor, const uint8_t *from, size_t size, uint64_t position)
{
    while (size > 0) {
        ssize_t put = pwrite(descriptor, from, size, (off_t)position);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failed();
        from += put;
        size -= (size_t)put;
        position += (uint64_t)put;
    }
    return 0;
}

static int system_write_at(void *data, struct disk_file *file, uint64_t position,
                           const struct iovec *parts, int part_count, unsigned flags)
{
    struct system_disk *d = data;
    int descriptor = descriptor_of(file);
    while (part_count > 0) {
        int batch = part_count < IOV_MAX ? part_count : IOV_MAX;
        ssize_t put = write_some(d, descriptor, parts, batch, position, flags);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failed();
        position += (uint64_t)put;
        size_t left = (size_t)put;
        while (part_count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            part_count--;
        }
        if (left == 0)
            continue;
        size_t rest = parts->iov_len - left;
        int err = write_rest(descriptor, (const uint8_t *)parts->iov_base + left, rest, position);
        if (err != 0)
            return err;
        position += rest;
        parts++;
        part_count--;
    }
    return 0;
}

static int system_sync(void *data, struct disk_file *file)
{
    (void)data;
    return fdatasync(descriptor_of(file)) == 0 ? 0 : failed();
}

static int system_truncate(void *data, struct disk_file *file, uint64_t size)
{
    (void)data;
    return ftruncate(descriptor_of(file), (off_t)size) == 0 ? 0 : failed();
}

static int64_t system_size(void *data, struct disk_file *file)
{
    (void)data;
    struct stat status;
    return fstat(descriptor_of(file), &status) == 0 ? (int64_t)status.st_size : failed();
}

static int system_remove(void *data, const char *path)
{
    struct system_disk *d = data;
    return unlinkat(d->root, path, 0) == 0 ? 0 : failed();
}

static int system_rename(void *data, const char *from, const char *to)
{
    struct system_disk *d = data;
    return renameat(d->root, from, d->root, to) == 0 ? 0 : failed();
}

static int system_make_directory(void *data, const char *path)
{
    struct system_disk *d = data;
    return mkdirat(d->root, path, 0750) == 0 ? 0 : failed();
}

static int system_remove_directory(void *data, const char *path)
{
    struct system_disk *d = data;
    return unlinkat(d->root, path, AT_REMOVEDIR) == 0 ? 0 : failed();
}

static int system_sync_directory(void *data, const char *path)
{
    struct system_disk *d = data;
    const char *name = path[0] == '\0' ? "." : path;
    int descriptor = openat(d->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return failed();
    int err = fsync(descriptor) == 0 ? 0 : failed();
    close(descriptor);
    return err;
}

static int system_list(void *data, const char *path, disk_list_cb cb, void *cb_data)
{
    struct system_disk *d = data;
    const char *name = path[0] == '\0' ? "." : path;
    int descriptor = openat(d->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return failed();
    DIR *directory = fdopendir(descriptor);
    if (directory == NULL) {
        int err = failed();
        close(descriptor);
        return err;
    }
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        struct stat status;
        if (fstatat(descriptor, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            cb(cb_data, entry->d_name, S_ISDIR(status.st_mode));
        errno = 0;
    }
    int err = errno == 0 ? 0 : failed();
    closedir(directory);
    return err;
}

static int system_free_bytes(void *data, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct system_disk *d = data;
    struct statvfs status;
    if (fstatvfs(d->root, &status) != 0)
        return failed();
    *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    *total_bytes = (uint64_t)status.f_blocks * status.f_frsize;
    return 0;
}

static void system_forget(void *data, struct disk_file *file)
{
    const struct system_disk *d = data;
    if (d->spares_memory)
        posix_fadvise(descriptor_of(file), 0, 0, POSIX_FADV_DONTNEED); /* advice: it may fail */
}

static const struct disk_operations system_operations = {
    .open = system_open,
    .close = system_close,
    .read_at = system_read_at,
    .read_at_once = system_read_at_once,
    .write_at = system_write_at,
    .sync = system_sync,
    .truncate = system_truncate,
    .size = system_size,
    .remove = system_remove,
    .rename = system_rename,
    .make_directory = system_make_directory,
    .remove_directory = system_remove_directory,
    .sync_directory = system_sync_directory,
    .list = system_list,
    .free_bytes = system_free_bytes,
    .forget = system_forget,
};

/* A folder just made is there after a power cut only when the one around it is synced. At each
 * start: the process that made it may have ended before it came to that. Where the one around is
 * not ours to open or to sync, somebody else has made the folder long ago. */
static int sync_parent(int folder, bool is_new)
{
    int parent = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = parent >= 0 && fsync(parent) == 0 ? 0 : failed();
    if (parent >= 0)
        close(parent);
    bool is_not_ours = err == UV_EACCES || err == UV_EPERM || err == UV_EROFS || err == UV_EINVAL;
    return !is_new && is_not_ours ? 0 : err;
}

int disk_open_system(struct disk *d, const char *root)
{
    bool is_new = mkdir(root, 0750) == 0;
    if (!is_new && errno != EEXIST)
        return failed();
    struct system_disk *own = calloc(1, sizeof *own);
    if (own == NULL)
        return UV_ENOMEM;
    own->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = own->root < 0 ? failed() : 0;
    if (err == 0)
        err = sync_parent(own->root, is_new);
    if (err != 0) {
        if (own->root >= 0)
            close(own->root);
        free(own);
        return err;
    }
    atomic_init(&own->has_uncached, true);
    *d = (struct disk){.data = own, .operations = &system_operations};
    return 0;
}

void disk_system_spare_memory(struct disk *d)
{
    struct system_disk *own = d->data;
    own->spares_memory = true;
}

void disk_close_system(struct disk *d)
{
    struct system_disk *own = d->data;
    close(own->root);
    free(own);
    *d = (struct disk){0};
}
