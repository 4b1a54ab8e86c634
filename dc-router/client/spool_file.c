/* The files of a spool: begun one after the other, removed from the oldest on.
 *
 * Marks that a record is done stand behind it, in its own file or a later one. So long as only
 * the oldest file is removed, no mark goes before its record. A file is wholly durable before
 * the next one begins. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_parts.h"

void spool_file_path(const struct spool *s, uint64_t number, uint64_t salt,
                     char path[static SPOOL_PATH_SIZE])
{
    snprintf(path, SPOOL_PATH_SIZE, "%s/%020" PRIu64 "-%016" PRIx64 ".spool", s->folder, number,
             salt);
}

static void link_newest(struct spool *s, struct spool_file *f)
{
    *(s->newest != NULL ? &s->newest->next : &s->oldest) = f;
    s->newest = f;
    s->file_count++;
    s->number_next = f->number + 1;
}

static int open_file(struct spool *s, uint64_t number, uint64_t salt, unsigned flags)
{
    struct spool_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return UV_ENOMEM;
    char path[SPOOL_PATH_SIZE];
    spool_file_path(s, number, salt, path);
    int err = disk_open(s->options.disk, path, flags, &f->file);
    if (err != 0) {
        free(f);
        return err;
    }
    f->number = number;
    f->salt = salt;
    link_newest(s, f);
    return 0;
}

int spool_file_adopt(struct spool *s, uint64_t number, uint64_t salt)
{
    return open_file(s, number, salt, DISK_WRITE);
}

/* No two files of a spool have the same salt, and no file has that of an earlier spool. */
static uint64_t salt_of(const struct spool *s, uint64_t number)
{
    uint64_t x = s->options.seed + number * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

int spool_file_begin(struct spool *s)
{
    uint64_t number =
        s->number_next++; /* of a failed attempt, too, so that names are not met again */
    int err = open_file(s, number, salt_of(s, number), DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE);
    if (err != 0)
        return err;
    s->is_sealed = false;
    s->is_dirty = false;
    s->is_renamed = true;
    return 0;
}

/* One by one: a crash leaves no hole among the files, which would look like a loss. False when it
 * is still there. */
static bool remove_oldest(struct spool *s)
{
    struct spool_file *f = s->oldest;
    char path[SPOOL_PATH_SIZE];
    spool_file_path(s, f->number, f->salt, path);
    int err = disk_remove(s->options.disk, path);
    if (err != 0 && err != UV_ENOENT)
        return false;
    disk_sync_directory(s->options.disk, s->folder); /* else it is found again: a repeat, no loss */
    disk_close(s->options.disk, f->file);
    s->size_bytes -= f->size_bytes;
    s->file_count--;
    s->oldest = f->next;
    if (s->oldest == NULL) {
        s->newest = NULL;
        s->is_dirty = s->is_renamed = false;
    }
    free(f);
    return true;
}

void spool_file_remove_done(struct spool *s)
{
    while (s->oldest != NULL && s->oldest->pending_count == 0 &&
           (s->oldest != s->newest || s->is_sealed ||
            s->newest->size_bytes >= s->options.file_bytes_max))
        if (!remove_oldest(s))
            return;
}

void spool_file_close_all(struct spool *s)
{
    while (s->oldest != NULL) {
        struct spool_file *f = s->oldest;
        s->oldest = f->next;
        disk_close(s->options.disk, f->file);
        free(f);
    }
    s->newest = NULL;
}
