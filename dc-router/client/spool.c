/* Records that no site takes, on disk until one does.
 *
 *   append ──▶ newest file ──full──▶ next file ──▶ …        done: a mark at the end of the newest
 *              (the index in memory: order, key, place)     oldest file without a pending record:
 * removed
 *
 * Files only grow at their end and are never written to again once they are left, whether
 * because they are full, or a write has failed, or the process has ended: what a disk has made
 * of the bytes around a failed write is nobody's business then. Each entry has a number, one more
 * than that of the entry before it, so that what damage has taken is known to be missing.
 *
 * A record is stored, or its owner gets an error: space for the mark that it is done is kept
 * free from the beginning, so a full spool can always be emptied. */
#include "spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_parts.h"

/* Files that failed writes may leave, beyond those that are full. */
#define FILES_SPARE 64
/* And those of earlier openings: each begins one, however often an application starts while no site
 * takes its records. Each costs an open file. */
#define FILES_FOUND_MAX 512

/* The folder is there, and stays. */
static int make_folder(struct spool *s, struct err_note *note)
{
    int err = disk_make_directory(s->options.disk, s->folder);
    char parent[sizeof s->folder];
    bytes_copy_text(parent, sizeof parent, s->folder);
    char *slash = strrchr(parent, '/');
    *(slash != NULL ? slash : parent) = '\0';
    if (err == 0)
        err = disk_sync_directory(s->options.disk, parent);
    return err == 0 ? 0 : err_set(note, err, "%s: %s", s->folder, err_text(err));
}

int spool_open(struct spool **opened, const struct spool_options *options,
               struct spool_report *report, struct err_note *note)
{
    *report = (struct spool_report){0};
    if (options->file_bytes_max < SPOOL_HEAD_SIZE || options->bytes_max < options->file_bytes_max ||
        options->record_count_max == 0)
        return err_set(note, ERR_INVALID, "the spool's bounds allow nothing");
    struct spool *s = calloc(1, sizeof *s);
    if (s == NULL)
        return UV_ENOMEM;
    s->options = *options;
    bytes_copy_text(s->folder, sizeof s->folder, options->folder);
    s->number_next = s->sequence_next = s->order_next = 1;
    int err = make_folder(s, note);
    if (err == 0)
        err = spool_scan(s, report, note);
    s->found_count = s->file_count;
    if (err != 0) {
        spool_index_close(s);
        spool_file_close_all(s);
        free(s);
        return err;
    }
    *opened = s;
    return 0;
}

void spool_close(struct spool *s)
{
    if (s == NULL)
        return;
    if (spool_record_count(s) == 0) {
        s->is_sealed = true;
        spool_file_remove_done(s);
    } else {
        spool_sync(s); /* whoever wanted to know has called it before */
    }
    spool_index_close(s);
    spool_file_close_all(s);
    free(s);
}

/* No more goes into the newest file. A failed sync is never tried again: the kernel may have let
 * the bytes go. */
static int seal(struct spool *s, int err)
{
    assert(s->newest != NULL);
    s->is_sealed = true;
    if (err != 0 && (s->is_dirty || s->is_renamed))
        s->newest->is_doubtful = true;
    s->is_dirty = s->is_renamed = false;
    return err;
}

static int sync_newest(struct spool *s)
{
    if (s->newest == NULL)
        return 0;
    if (s->is_dirty) {
        int err = disk_sync(s->options.disk, s->newest->file);
        if (err != 0)
            return seal(s, err);
        s->is_dirty = false;
    }
    if (s->is_renamed) {
        int err = disk_sync_directory(s->options.disk, s->folder);
        if (err != 0)
            return seal(s, err);
        s->is_renamed = false;
    }
    return 0;
}

int spool_sync(struct spool *s)
{
    int err = sync_newest(s);
    for (struct spool_file *f = s->oldest; f != NULL && err == 0; f = f->next)
        if (f->is_doubtful && f->pending_count > 0)
            err = UV_EIO;
    return err;
}

static uint64_t files_max(const struct spool *s)
{
    /* Of any two files one after the other at least one is half full. */
    uint64_t found = s->found_count < FILES_FOUND_MAX ? s->found_count : FILES_FOUND_MAX;
    return 2 * (s->options.bytes_max / s->options.file_bytes_max) + FILES_SPARE + found;
}

static int make_room_in_file(struct spool *s, uint64_t size)
{
    struct spool_file *f = s->newest;
    if (f != NULL && !s->is_sealed &&
        (f->size_bytes == 0 || f->size_bytes + size <= s->options.file_bytes_max))
        return 0;
    sync_newest(s); /* where it fails, the file is doubtful; what comes now stands elsewhere */
    if (s->file_count >= files_max(s))
        return ERR_FULL;
    return spool_file_begin(s);
}

/* A full disk may have room again: the file goes on where it was. After any other error it is left,
 * and its end may hold anything. */
static int failed_write(struct spool *s, int err)
{
    int cut = disk_truncate(s->options.disk, s->newest->file, s->newest->size_bytes);
    return cut == 0 && err_is_no_room(err) ? err : seal(s, err);
}

static int write_entry(struct spool *s, const struct spool_entry *entry, struct bytes body)
{
    uint64_t size = SPOOL_HEAD_SIZE + body.size;
    int err = make_room_in_file(s, size);
    if (err != 0)
        return err;
    struct spool_file *f = s->newest;
    uint8_t head[SPOOL_HEAD_SIZE];
    spool_entry_encode(entry, (struct spool_place){f->salt, f->size_bytes}, body, head);
    struct iovec parts[2] = {{.iov_base = head, .iov_len = sizeof head},
                             {.iov_base = (void *)(uintptr_t)body.data, .iov_len = body.size}};
    err = disk_write_at(s->options.disk, f->file, f->size_bytes, parts, body.size > 0 ? 2 : 1,
                        DISK_WRITE_CACHED);
    if (err != 0)
        return failed_write(s, err);
    f->size_bytes += size;
    s->size_bytes += size;
    s->sequence_next++;
    s->is_dirty = true;
    return 0;
}

static int write_done(struct spool *s, uint64_t order)
{
    struct spool_entry entry = {
        .kind = SPOOL_ENTRY_DONE, .sequence = s->sequence_next, .order = order};
    return write_entry(s, &entry, (struct bytes){0});
}

/* Is there room for a record, and for the marks that it and all others are done? */
static bool is_full(const struct spool *s, uint64_t size)
{
    uint64_t count = spool_record_count(s) + 1;
    return count > s->options.record_count_max ||
           s->size_bytes + size + count * SPOOL_HEAD_SIZE > s->options.bytes_max;
}

static bool is_still_full(struct spool *s, uint64_t size)
{
    if (!is_full(s, size))
        return false;
    if (s->newest == NULL || spool_record_count(s) > 0)
        return true;
    s->is_sealed = true; /* only what is done is left */
    spool_file_remove_done(s);
    return is_full(s, size);
}

int spool_append(struct spool *s, uint64_t order, uint64_t key_hash, struct bytes content,
                 bool is_waiting, bool is_durable)
{
    if (content.size > SPOOL_BODY_BYTES_MAX)
        return ERR_TOO_LARGE;
    if (spool_has(s, order))
        return ERR_EXISTS;
    if (is_still_full(s, SPOOL_HEAD_SIZE + content.size))
        return ERR_FULL;
    struct spool_entry entry = {.kind = SPOOL_ENTRY_RECORD,
                                .sequence = s->sequence_next,
                                .order = order,
                                .key_hash = key_hash};
    int err = write_entry(s, &entry, content);
    if (err != 0)
        return err;
    struct spool_item item = {.order = order,
                              .key_hash = key_hash,
                              .sequence = entry.sequence,
                              .file = s->newest,
                              .position = s->newest->size_bytes - SPOOL_HEAD_SIZE - content.size,
                              .body_size = (uint32_t)content.size,
                              .is_waiting = is_waiting};
    err = spool_index_add(s, &item);
    if (err == 0 && is_durable)
        err = sync_newest(s);
    if (err == 0)
        return 0;
    struct spool_item *added = spool_index_find(s, order);
    if (added != NULL)
        spool_index_remove(s, added);
    write_done(s, order); /* so that it is not found again, if the disk still takes that */
    return err;
}

int spool_done(struct spool *s, uint64_t order)
{
    struct spool_item *item = spool_index_find(s, order);
    if (item == NULL)
        return ERR_NOT_FOUND;
    spool_index_remove(s, item);
    int err = write_done(s, order);
    spool_file_remove_done(s);
    return err;
}

bool spool_peek(struct spool *s, uint64_t *order, uint64_t *key_hash)
{
    const struct spool_item *item = spool_index_first_waiting(s);
    if (item == NULL)
        return false;
    *order = item->order;
    *key_hash = item->key_hash;
    return true;
}

/* The whole entry, checked; *from is owned. */
static int read_entry(struct spool *s, const struct spool_item *item, uint8_t **from)
{
    size_t size = SPOOL_HEAD_SIZE + item->body_size;
    *from = malloc(size);
    if (*from == NULL)
        return UV_ENOMEM;
    int64_t got = disk_read_at(s->options.disk, item->file->file, item->position, *from, size);
    struct spool_entry entry;
    struct spool_place place = {item->file->salt, item->position};
    int err = got < 0 ? (int)got : 0;
    if (err == 0 && (!spool_entry_decode(bytes_of(*from, (size_t)got), place, &entry) ||
                     entry.order != item->order || entry.body_size != item->body_size))
        err = ERR_CORRUPT;
    if (err != 0)
        free(*from);
    return err;
}

static int read_body(struct spool *s, const struct spool_item *item, uint8_t **content,
                     size_t *size)
{
    uint8_t *entry;
    int err = read_entry(s, item, &entry);
    if (err != 0)
        return err;
    *size = item->body_size;
    memmove(entry, entry + SPOOL_HEAD_SIZE, *size);
    *content = entry;
    return 0;
}

int spool_take(struct spool *s, uint64_t *order, uint8_t **content, size_t *size)
{
    struct spool_item *item = spool_index_first_waiting(s);
    if (item == NULL)
        return ERR_NOT_FOUND;
    *order = item->order;
    int err = read_body(s, item, content, size);
    if (err == 0)
        spool_index_set_waiting(s, item, false);
    else if (err == ERR_CORRUPT)
        spool_done(s, item->order);
    return err;
}

int spool_read(struct spool *s, uint64_t order, uint8_t **content, size_t *size)
{
    const struct spool_item *item = spool_index_find(s, order);
    return item == NULL ? ERR_NOT_FOUND : read_body(s, item, content, size);
}

int spool_give_back(struct spool *s, uint64_t order)
{
    struct spool_item *item = spool_index_find(s, order);
    if (item == NULL)
        return ERR_NOT_FOUND;
    spool_index_set_waiting(s, item, true);
    return 0;
}
