/* A partition's files at opening and at their end.
 *
 * The manifest is right, the folder may hold more: bytes flushed after the last checkpoint (they
 * come again from the WAL and are cut), files of segments that left the log before a crash, files
 * of a flush whose checkpoint never came, what a repair has left. A file that is missing, too short
 * or can't be opened does not keep the others from opening: its segment is suspected, and looked
 * into when the replica runs (log/repair.h).
 *
 * Files of segments that the log has not are only noted: they go with the first checkpoint. When a
 * partition has moved between groups, the other group's store may still name them, also when the
 * groups were done with the move long ago: this node's replica of the old one may be behind. Who
 * names what is known when all stores are open. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "partition_internal.h"

/* Cuts the file to what the manifest says. ERR_CORRUPT when it is too short, or a disk error. */
static int fit_file(const struct log_partition *p, const struct log_segment_meta *meta,
                    enum log_file_kind kind, const char *path)
{
    struct disk_file *file;
    int err = disk_open(p->disk, path, DISK_WRITE, &file);
    if (err != 0)
        return err;
    int64_t wanted = log_segment_file_size(meta, kind);
    int64_t size = disk_size(p->disk, file);
    if (size < 0)
        err = (int)size;
    else if (size < wanted)
        err = ERR_CORRUPT;
    else if (size > wanted)
        err = disk_truncate(p->disk, file, (uint64_t)wanted);
    if (err == 0 && size > wanted)
        err = disk_sync(p->disk, file);
    disk_close(p->disk, file);
    return err;
}

static int fit_segment(struct log_partition *p, struct log_segment *s, struct err_note *note)
{
    int err = 0;
    for (int kind = 0; kind < LOG_FILE_KIND_COUNT && err == 0; kind++) {
        char path[LOG_PATH_SIZE];
        log_segment_path(path, &p->id, s->written.base_offset, s->written.version,
                         (enum log_file_kind)kind);
        err = fit_file(p, &s->written, (enum log_file_kind)kind, path);
        if (log_is_damage(err)) {
            log_partition_suspect(p, s);
            err = 0;
        }
        if (err != 0)
            err_set(note, err, "%s: %s", path, err_text(err));
    }
    return err;
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

static void remove_repair(struct stray_search *search, const char *name)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, &search->partition->id);
    size_t length = strlen(path);
    if (length + strlen(name) + 2 > sizeof path)
        return; /* none of ours */
    path[length] = '/';
    memcpy(path + length + 1, name, strlen(name) + 1);
    int err = disk_remove(search->partition->disk, path);
    if (err != 0 && err != UV_ENOENT)
        search->err = err;
}

/* Notes a segment that the folder has and the log has not: it dies like one that retention took. */
static void on_name(void *data, const char *name, bool is_directory)
{
    struct stray_search *search = data;
    struct log_partition *p = search->partition;
    int64_t base_offset;
    uint32_t version;
    enum log_file_kind kind;
    if (!is_directory && log_segment_name_is_repair(name))
        remove_repair(search, name);
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
    if (p->is_frozen || p->is_awaiting)
        return 0; /* another group's store has the files, or will: nothing is touched here */
    for (unsigned i = 0; i < p->segments.count && err == 0; i++)
        err = fit_segment(p, p->segments.items[i], note);
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
    return err == 0 ? 0 : err_set(note, err, "%s: %s", path, err_text(err));
}

int log_segment_remove_files(const struct disk *disk, const struct log_partition_id *id,
                             int64_t base_offset, uint32_t version)
{
    /* Data last: an index without data is a stray, data without an index is looked into. */
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

bool log_partition_has_file(const struct log_partition *p, const char *name)
{
    int64_t base_offset;
    uint32_t version;
    enum log_file_kind kind;
    return log_segment_name_parse(name, &base_offset, &version, &kind) &&
           is_of_log(p, base_offset, version);
}

int log_partition_remove_folder(const struct disk *disk, const struct log_partition_id *id)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, id);
    return disk_remove_tree(disk, path);
}
