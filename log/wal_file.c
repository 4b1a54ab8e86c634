/* The WAL's files: preparing, recycling, removing.
 *
 * A file is zero-filled once, in large writes (small page-cache folios would cost 40 % of the
 * throughput ever after), and used again and again: overwriting needs no new metadata, so one
 * fdatasync is one flush. A new use begins with a new header: a file id that was never given
 * before, and a salt.
 *
 *   [spare] --upkeep: new header, synced--> [prepared] --current is full--> [in use]
 *      ^                                                                       |
 *      +-- a durable write says it is not needed <-- all released, over budget-+
 *
 * The header is durable before the first write into the file, so a file whose header can't be
 * read holds nothing of ours, or is damaged: recovery tells the two apart by the file ids in the
 * write headers. */
#include "wal_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/event.h"

void log_wal_file_path(const struct log_wal *wal, uint32_t slot, char path[WAL_PATH_SIZE])
{
    snprintf(path, WAL_PATH_SIZE, "%s/%08" PRIx32 ".wal", wal->directory, slot);
}

/* The first block too is zeros: a file is ours only when its header is there. */
static int fill_with_zeros(const struct disk *disk, struct disk_file *file, uint32_t size)
{
    uint8_t *zeros = calloc(1, WAL_CHUNK_SIZE);
    if (zeros == NULL)
        return UV_ENOMEM;
    int err = 0;
    for (uint32_t at = 0; at < size && err == 0; at += WAL_CHUNK_SIZE) {
        uint32_t left = size - at;
        size_t piece = left < WAL_CHUNK_SIZE ? left : WAL_CHUNK_SIZE;
        err = disk_write_bytes_at(disk, file, at, bytes_of(zeros, piece));
    }
    free(zeros);
    if (err == 0)
        err = disk_sync(disk, file);
    disk_forget(disk, file);
    return err;
}

int log_wal_file_create(struct log_wal *wal, uint32_t slot, struct wal_file **file)
{
    char path[WAL_PATH_SIZE];
    log_wal_file_path(wal, slot, path);
    struct wal_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return UV_ENOMEM;
    f->slot = slot;
    f->size = (uint32_t)wal->options.file_size_bytes;
    int err = disk_open(wal->disk, path, DISK_WRITE | DISK_CREATE | DISK_EXCLUSIVE, &f->disk_file);
    if (err != 0)
        goto out_free;
    err = fill_with_zeros(wal->disk, f->disk_file, f->size);
    if (err == 0)
        err = disk_sync_directory(wal->disk, wal->directory);
    if (err == 0) {
        *file = f;
        return 0;
    }
    disk_close(wal->disk, f->disk_file);
    disk_remove(wal->disk, path); /* on a full disk: give back what it took */
out_free:
    free(f);
    return err;
}

/* Not a secret, but nobody outside knows the clock to the nanosecond. */
static uint64_t make_salt(const struct log_wal *wal, uint32_t file_id)
{
    uint64_t parts[4] = {clock_now_ns(wal->options.clock),
                         (uint64_t)clock_wall_ms(wal->options.clock), file_id,
                         wal->options.cluster_id[0]};
    uint64_t high = crc32c(0x5a17u, bytes_of(parts, sizeof parts));
    return high << 32 | crc32c(file_id, bytes_of(parts, sizeof parts[0]));
}

uint32_t log_wal_file_next_id(struct log_wal *wal)
{
    uint32_t file_id = wal->next_file_id;
    wal->next_file_id += file_id < UINT32_MAX;
    return file_id;
}

int log_wal_file_start(struct log_wal *wal, struct wal_file *file, uint32_t file_id)
{
    uint8_t block[WAL_BLOCK_SIZE];
    if (file_id == UINT32_MAX)
        return ERR_FULL;
    file->header = (struct wal_file_header){
        .file_id = file_id,
        .uses = file->header.uses < UINT32_MAX ? file->header.uses + 1 : UINT32_MAX,
        .cluster_id = {wal->options.cluster_id[0], wal->options.cluster_id[1]},
        .salt = make_salt(wal, file_id),
        .size = file->size,
    };
    file->end = WAL_BLOCK_SIZE;
    file->is_forgotten = false;
    log_wal_file_header_encode(&file->header, block);
    int err = disk_write_bytes_at(wal->disk, file->disk_file, 0, bytes_of(block, sizeof block));
    return err == 0 ? disk_sync(wal->disk, file->disk_file) : err;
}

void log_wal_file_close(struct log_wal *wal, struct wal_file *file)
{
    if (file == NULL)
        return;
    disk_close(wal->disk, file->disk_file);
    free(file);
}

struct wal_file *log_wal_file_find(const struct log_wal *wal, uint32_t file_id)
{
    struct wal_file *f = wal->files;
    while (f != NULL && f->header.file_id != file_id)
        f = f->next;
    return f;
}

void log_wal_file_switch(struct log_wal *wal)
{
    struct wal_file *file = wal->prepared;
    assert(file != NULL && file->header.file_id > wal->current->header.file_id);
    wal->prepared = NULL;
    file->next = NULL;
    wal->current->next = file;
    wal->current = file;
    wal->has_unforgotten = true;
}

uint64_t log_wal_files_bytes(const struct log_wal *wal)
{
    uint64_t bytes = 0;
    for (const struct wal_file *f = wal->files; f != NULL; f = f->next)
        if (f->header.file_id >= wal->oldest_file_id)
            bytes += f->end;
    return bytes;
}

/* The lowest id of a file with an entry that is not released. */
static uint32_t pinned_file_id(const struct log_wal *wal)
{
    uint32_t pinned = wal->current->header.file_id;
    for (size_t i = 0; i < wal->index.count; i++) {
        const struct wal_entry *pin = log_wal_index_pin(wal->index.groups[i]);
        if (pin != NULL && pin->place.file_id < pinned)
            pinned = pin->place.file_id;
    }
    return pinned;
}

uint32_t log_wal_files_retirable(const struct log_wal *wal)
{
    uint32_t oldest = wal->oldest_file_id;
    uint64_t bytes = log_wal_files_bytes(wal);
    bool is_tight = wal->is_tight || err_is_no_room(wal->prepare_status);
    uint64_t kept_bytes_max = is_tight ? 0 : wal->options.kept_bytes_max;
    if (bytes <= kept_bytes_max)
        return oldest; /* the usual case: no look at the groups */
    uint32_t pinned = pinned_file_id(wal);
    for (const struct wal_file *f = wal->files; f != wal->current; f = f->next) {
        if (f->header.file_id < oldest)
            continue;
        if (bytes <= kept_bytes_max || f->header.file_id >= pinned)
            break;
        bytes -= f->end;
        oldest = f->next->header.file_id;
    }
    return oldest;
}

void log_wal_files_free_retired(struct log_wal *wal)
{
    while (wal->files->header.file_id < wal->oldest_file_id_durable) {
        struct wal_file *f = wal->files;
        assert(f != wal->current);
        wal->files = f->next;
        f->next = wal->spare;
        wal->spare = f;
    }
}

/* ---- upkeep: on a reader's thread, one at a time ---- */

/* Takes a spare file nobody reads from out of its list; NULL when there is none. */
static struct wal_file *take_spare(struct log_wal *wal)
{
    for (struct wal_file **at = &wal->spare; *at != NULL; at = &(*at)->next) {
        struct wal_file *f = *at;
        if (f->readers > 0)
            continue;
        *at = f->next;
        f->next = NULL;
        return f;
    }
    return NULL;
}

static unsigned count_spare(const struct log_wal *wal)
{
    unsigned count = 0;
    for (const struct wal_file *f = wal->spare; f != NULL; f = f->next)
        count += f->readers == 0;
    return count;
}

/* One ahead, made while the current file's second half is filled. Where there was no room for one,
 * a spare one will do; whether there is room now is looked for when the owner says so. */
static bool must_prepare(const struct log_wal *wal)
{
    bool is_half_full = wal->current->end > wal->current->size / 2;
    if (wal->prepared != NULL || (!is_half_full && !wal->is_waiting_for_file))
        return false;
    if (err_is_no_room(wal->prepare_status))
        return count_spare(wal) > 0;
    return wal->prepare_status == 0 || wal->is_waiting_for_file;
}

static void tell_unprepared(struct log_wal *wal, uint32_t file_id, int err)
{
    if (!err_is_no_room(err))
        event_error("wal_file_not_prepared", "file_id=%" PRIu32 " error=%s", file_id,
                    err_name(err));
    else if (!wal->is_room_missed)
        event_error("wal_waits_for_room", "file_id=%" PRIu32 " error=%s", file_id, err_name(err));
    wal->is_room_missed |= err_is_no_room(err);
}

/* Makes the next file, of a spare one when there is one. */
static void prepare(struct log_wal *wal)
{
    struct wal_file *file = take_spare(wal);
    uint32_t file_id = log_wal_file_next_id(wal);
    uint32_t slot = file == NULL ? wal->next_slot++ : 0;
    wal->was_prepare_needed = wal->is_waiting_for_file;
    pthread_mutex_unlock(&wal->lock);

    bool is_recycled = file != NULL;
    int err = is_recycled ? 0 : log_wal_file_create(wal, slot, &file);
    if (err == 0)
        err = log_wal_file_start(wal, file, file_id);
    if (err != 0) {
        log_wal_file_close(wal, file);
        file = NULL;
    }
    pthread_mutex_lock(&wal->lock);
    if (err != 0)
        tell_unprepared(wal, file_id, err);
    else
        wal->is_room_missed = false;
    wal->prepared = file;
    wal->prepare_status = err;
    wal->counters.files_recycled += file != NULL && is_recycled;
}

/* More spare files than needed: their space goes back. A failure costs only that space. */
static void remove_spare(struct log_wal *wal)
{
    struct wal_file *file = take_spare(wal);
    pthread_mutex_unlock(&wal->lock);
    char path[WAL_PATH_SIZE];
    log_wal_file_path(wal, file->slot, path);
    log_wal_file_close(wal, file);
    int err = disk_remove(wal->disk, path);
    if (err != 0)
        event_warn("wal_file_not_removed", "path=%s error=%s", path, err_name(err));
    pthread_mutex_lock(&wal->lock);
}

/* Full files leave the page cache, one a step: what a peer may still want of them comes from memory
 * first, and from the disk after that. */
static void forget_one(struct log_wal *wal)
{
    struct wal_file *f = wal->files;
    while (f != wal->current && f->is_forgotten)
        f = f->next;
    wal->has_unforgotten = f != wal->current;
    if (f == wal->current)
        return;
    f->is_forgotten = true;
    pthread_mutex_unlock(&wal->lock);
    disk_forget(wal->disk, f->disk_file); /* open: upkeep alone closes files */
    pthread_mutex_lock(&wal->lock);
}

/* One step, so that others may run in between. */
static void run_upkeep(struct work_item *item)
{
    struct log_wal *wal = item->data;
    pthread_mutex_lock(&wal->lock);
    if (must_prepare(wal))
        prepare(wal);
    else if (count_spare(wal) > WAL_SPARE_FILES)
        remove_spare(wal);
    else if (wal->has_unforgotten)
        forget_one(wal);
    wal->is_upkeep_busy = false;
    bool is_final = wal->prepare_status != 0 && !err_is_no_room(wal->prepare_status);
    bool is_settled = wal->prepared != NULL || (is_final && wal->was_prepare_needed);
    if (wal->is_waiting_for_file && is_settled && wal->status == 0) {
        wal->is_waiting_for_file = false;
        work_submit(wal->writer, &wal->writer_item, log_wal_writer_run);
    }
    log_wal_upkeep_if_due(wal);
    pthread_mutex_unlock(&wal->lock);
}

/* Before the first write the files are whose who opens it: it reads, it may have the WAL forget a
 * group, and it may close it again when something else can't be opened. */
void log_wal_upkeep_if_due(struct log_wal *wal)
{
    if (wal->is_upkeep_busy || !wal->is_in_service || wal->status != 0)
        return;
    if (!must_prepare(wal) && count_spare(wal) <= WAL_SPARE_FILES && !wal->has_unforgotten)
        return;
    wal->is_upkeep_busy = true;
    wal->upkeep_item.data = wal;
    work_submit(wal->readers, &wal->upkeep_item, run_upkeep);
}
