/* A partition that moves to another raft group: closed here, or opened from another group's record.
 *
 * Closing seals the last segment, so that the two groups never write into one file: the old group's
 * files begin below the offset of the move, the new one's at or above it. Sealing is decided by an
 * entry like all that makes segments, so every replica's record of a closed partition has the same
 * bytes, and whichever of them the new group is opened from, it says the same. */
#include <assert.h>
#include <stdlib.h>

#include "partition_internal.h"

void log_partition_freeze(struct log_partition *p)
{
    if (p->is_frozen)
        return;
    p->is_frozen = true;
    if (p->segments.count > 0)
        p->segments.items[p->segments.count - 1]->is_sealed = true;
    log_partition_changed(p);
}

bool log_partition_is_frozen(const struct log_partition *p)
{
    return p->is_frozen;
}

struct log_partition_source log_partition_source(const struct log_partition *p)
{
    return p->source;
}

void log_partition_settle(struct log_partition *p)
{
    if (p->source.group_id == 0)
        return;
    p->source = (struct log_partition_source){0};
    log_partition_changed(p);
}

bool log_partition_has_files(const struct log_partition *p)
{
    return !p->is_awaiting;
}

int log_partition_import(const struct disk *disk, struct bytes record,
                         const struct log_partition_source *source, struct log_partition **imported)
{
    struct log_partition *p;
    int err = log_partition_decode_memory(disk, record, &p);
    if (err != 0)
        return err;
    if (!p->is_frozen || source->group_id == 0 || source->index == 0) {
        log_partition_destroy(p);
        return ERR_INVALID;
    }
    p->is_frozen = false;
    p->is_awaiting = true;
    p->source = *source;
    assert(p->segments.count == 0 || p->segments.items[p->segments.count - 1]->is_sealed);
    *imported = p;
    return 0;
}

/* ---- are its files there? ---- */

static int is_there(const struct disk *disk, const struct log_partition_id *id,
                    const struct log_segment_meta *meta)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    log_segment_path(path, id, meta->base_offset, meta->version, LOG_FILE_DATA);
    int err = disk_open(disk, path, DISK_READ, &file);
    if (err != 0)
        return err == UV_ENOENT ? 0 : err;
    int64_t size = disk_size(disk, file);
    disk_close(disk, file);
    if (size < 0)
        return (int)size;
    return size >= meta->size_bytes;
}

static int make_folder(const struct disk *disk, const struct log_partition_id *id)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, id);
    int err = disk_make_directory(disk, path);
    return err != 0 ? err : disk_sync_directory(disk, "topics");
}

int log_partition_look_prepare(const struct log_partition *p, struct log_look *look)
{
    *look = (struct log_look){.disk = p->disk, .id = p->id};
    look->segments = calloc(p->segments.count + 1, sizeof *look->segments);
    if (look->segments == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < p->segments.count; i++)
        if (p->segments.items[i]->has_files)
            look->segments[look->count++].meta = p->segments.items[i]->written;
    return 0;
}

/* Data files only: a missing index is made anew by whoever needs it. */
int log_partition_look_run(struct log_look *look)
{
    for (unsigned i = 0; i < look->count; i++) {
        int got = is_there(look->disk, &look->id, &look->segments[i].meta);
        if (got < 0)
            return got;
        look->segments[i].is_missing = got == 0;
        look->missing_count += got == 0;
    }
    return look->missing_count > 0 ? make_folder(look->disk, &look->id) : 0;
}

void log_partition_suspect_all(struct log_partition *p)
{
    for (unsigned i = 0; i < p->segments.count; i++)
        log_partition_suspect(p, p->segments.items[i]);
}

void log_partition_take_over(struct log_partition *p, const struct log_look *look)
{
    assert(p->is_awaiting);
    p->is_awaiting = false;
    log_partition_changed(p); /* a record may say that it waits */
    for (unsigned i = 0; i < p->segments.count; i++)
        for (unsigned k = 0; k < look->count; k++)
            if (look->segments[k].is_missing &&
                p->segments.items[i]->written.base_offset == look->segments[k].meta.base_offset)
                log_partition_suspect(p, p->segments.items[i]);
}
