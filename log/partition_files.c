/* A partition's files at opening and at their end.
 *
 * The manifest is right, the folder may hold more: bytes flushed after the last checkpoint (they
 * come again from the WAL and are cut), files of segments that left the log before a crash, files
 * of a flush whose checkpoint never came. A missing or short index is built anew from its data;
 * missing data is damage. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/event.h"
#include "partition_internal.h"

/* Cuts the file to what the manifest says. 1 when it is too short or missing. */
static int fit_file(const struct log_partition *p, const struct log_segment_meta *meta,
                    enum log_file_kind kind, const char *path)
{
    struct disk_file *file;
    int err = disk_open(p->disk, path, DISK_WRITE, &file);
    if (err != 0)
        return err == UV_ENOENT ? 1 : err;
    int64_t wanted = log_segment_file_size(meta, kind);
    int64_t size = disk_size(p->disk, file);
    if (size < 0)
        err = (int)size;
    else if (size < wanted)
        err = 1;
    else if (size > wanted)
        err = disk_truncate(p->disk, file, (uint64_t)wanted);
    if (err == 0 && size > wanted)
        err = disk_sync(p->disk, file);
    disk_close(p->disk, file);
    return err;
}

static int fit_segment(const struct log_partition *p, const struct log_segment_meta *meta,
                       struct err_note *note)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &p->id, meta->base_offset, meta->version, LOG_FILE_DATA);
    int fit = fit_file(p, meta, LOG_FILE_DATA, path);
    if (fit == 1)
        return err_set(note, ERR_CORRUPT, "%s: missing or shorter than %" PRIu32 " bytes", path,
                       meta->size_bytes);
    bool rebuild = false;
    for (int kind = LOG_FILE_INDEX; kind <= LOG_FILE_TIME_INDEX && fit == 0; kind++) {
        log_segment_path(path, &p->id, meta->base_offset, meta->version, (enum log_file_kind)kind);
        fit = fit_file(p, meta, (enum log_file_kind)kind, path);
        if (fit == 1) {
            rebuild = true;
            fit = 0;
        }
    }
    if (fit == 0 && rebuild) {
        event_warn("index_rebuilt", "file=%s", path);
        struct log_segment_view view = {.disk = p->disk, .id = p->id, .meta = *meta};
        fit = log_segment_rebuild_indexes(&view);
    }
    return fit == 0 ? 0 : err_set(note, fit, "%s: %s", path, err_text(fit));
}

struct stray_search {
    struct log_partition *partition;
    int err;
};

static bool is_of_log(const struct log_partition *p, int64_t base_offset, uint32_t version)
{
    for (unsigned i = 0; i < p->segments.count; i++)
        if (p->segments.items[i]->written.base_offset == base_offset &&
            p->segments.items[i]->written.version == version)
            return true;
    return false;
}

/* Notes a segment that the folder has and the log has not: it dies like one that retention took. */
static void on_name(void *data, const char *name, bool is_directory)
{
    struct stray_search *search = data;
    struct log_partition *p = search->partition;
    int64_t base_offset;
    uint32_t version;
    enum log_file_kind kind;
    if (is_directory || !log_segment_name_parse(name, &base_offset, &version, &kind) ||
        is_of_log(p, base_offset, version))
        return;
    for (unsigned i = 0; i < p->dead.count; i++)
        if (p->dead.items[i]->written.base_offset == base_offset &&
            p->dead.items[i]->written.version == version)
            return;
    struct log_segment *stray = log_segment_create(&p->id, base_offset, 0, 0);
    if (stray != NULL)
        stray->written.version = version;
    if (stray == NULL || log_segment_list_add(&p->dead, stray) != 0) {
        log_segment_unref(stray);
        search->err = UV_ENOMEM;
    }
}

int log_partition_check_files(struct log_partition *p, struct err_note *note)
{
    int err = 0;
    for (unsigned i = 0; i < p->segments.count && err == 0; i++)
        err = fit_segment(p, &p->segments.items[i]->written, note);
    if (err != 0)
        return err;
    char path[LOG_PATH_SIZE];
    log_folder_path(path, &p->id);
    struct stray_search search = {.partition = p};
    err = disk_list(p->disk, path, on_name, &search);
    if (err == UV_ENOENT)
        err = 0;
    if (err == 0)
        err = search.err;
    if (err == 0)
        err = log_partition_remove_dead_files(p);
    return err == 0 ? 0 : err_set(note, err, "%s: %s", path, err_text(err));
}

int log_segment_remove_files(const struct disk *disk, const struct log_partition_id *id,
                             int64_t base_offset, uint32_t version)
{
    /* Data last: an index without data is a stray, data without an index would be rebuilt. */
    for (int kind = LOG_FILE_KIND_COUNT - 1; kind >= 0; kind--) {
        char path[LOG_PATH_SIZE];
        log_segment_path(path, id, base_offset, version, (enum log_file_kind)kind);
        int err = disk_remove(disk, path);
        if (err != 0 && err != UV_ENOENT)
            return err;
    }
    return 0;
}

int log_partition_remove_dead_files(struct log_partition *p)
{
    for (unsigned i = 0; i < p->dead.count; i++) {
        int err = log_segment_remove_files(p->disk, &p->id, p->dead.items[i]->written.base_offset,
                                           p->dead.items[i]->written.version);
        if (err != 0)
            return err;
    }
    log_segment_list_close(&p->dead);
    return 0;
}

int log_partition_remove_folder(const struct disk *disk, const struct log_partition_id *id)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, id);
    return disk_remove_tree(disk, path);
}
