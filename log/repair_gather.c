/* Putting a segment together: the worker's part.
 *
 * Batches come in order, from our own file while they are sound and from a peer where they are not,
 * go to "<base>.log.repair" and are described as a flush would describe them: so sizes, checksums
 * and both indexes come out as they were, or the bytes are not the ones. Our own bytes need not be
 * beyond doubt: the whole must agree with the manifest in the end. When only indexes are damaged
 * the data is read and not written. */
#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "batch.h"
#include "offset_index.h"
#include "repair_internal.h"

#define GATHER_BYTES_A_TIME (16u << 20) /* then others have their turn on the worker */

static void close_staged(struct log_repair *r)
{
    if (r->staged != NULL)
        disk_close(r->view.disk, r->staged);
    r->staged = NULL;
}

void repair_begin_gathering(struct log_repair *r)
{
    const struct log_segment_meta *meta = &r->view.meta;
    close_staged(r);
    log_index_entries_close(&r->index);
    log_index_entries_close(&r->time_index);
    r->rebuilt = log_segment_meta_empty(meta->base_offset, meta->first_wall_ms,
                                        meta->index_interval_bytes);
    r->rebuilt.version = meta->version;
    r->piece_size = REPAIR_PIECE_MIN;
}

static int open_staged(struct log_repair *r)
{
    char path[LOG_PATH_SIZE];
    if (r->staged != NULL)
        return 0;
    log_folder_path(path, &r->view.id);
    int err = disk_make_directory(r->view.disk, path);
    log_segment_repair_path(path, &r->view.id, &r->view.meta, LOG_FILE_DATA);
    if (err == 0)
        err = disk_open(r->view.disk, path, DISK_WRITE | DISK_CREATE, &r->staged);
    if (err == 0)
        err = disk_truncate(r->view.disk, r->staged, 0);
    return err;
}

static int write_staged(struct log_repair *r, struct bytes batches)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)batches.data, .iov_len = batches.size};
    int err = open_staged(r);
    return err != 0 ? err
                    : disk_write_at(r->view.disk, r->staged, r->rebuilt.size_bytes, &part, 1,
                                    DISK_WRITE_UNCACHED);
}

/* Whole, checked batches that follow what is there. */
static int take(struct log_repair *r, struct bytes batches)
{
    int err = r->writes_data ? write_staged(r, batches) : 0;
    for (size_t at = 0; at < batches.size && err == 0;) {
        const uint8_t *batch = batches.data + at;
        uint32_t size = (uint32_t)batch_size(batch);
        err = log_segment_meta_add(&r->rebuilt, size, batch_next_offset(batch),
                                   batch_max_timestamp(batch), &r->index, &r->time_index);
        at += size;
    }
    r->rebuilt.crc = crc32c(r->rebuilt.crc, batches);
    return err;
}

/* Does the piece hold whole, sound batches that follow, and no more than the segment has? */
static bool is_piece_sound(const struct log_repair *r, struct bytes piece)
{
    int64_t offset = r->rebuilt.next_offset;
    size_t at = 0;
    if (piece.size == 0 || piece.size > r->view.meta.size_bytes - r->rebuilt.size_bytes)
        return false;
    while (piece.size - at >= BATCH_RECORDS_FROM) {
        const uint8_t *batch = piece.data + at;
        if (!batch_header_is_plausible(batch, offset) ||
            (size_t)batch_size(batch) > piece.size - at ||
            batch_next_offset(batch) > r->view.meta.next_offset ||
            !batch_checksum_holds(bytes_of(batch, (size_t)batch_size(batch))))
            return false;
        at += (size_t)batch_size(batch);
        offset = batch_next_offset(batch);
    }
    return at == piece.size;
}

static int take_piece(struct log_repair *r)
{
    int err = is_piece_sound(r, r->piece.bytes) ? take(r, r->piece.bytes) : ERR_CORRUPT;
    if (err == 0)
        r->taken_bytes += r->piece.bytes.size;
    slice_unref(&r->piece);
    r->piece = (struct slice){0};
    return err;
}

/* Sound batches of our own file; ERR_NEED_MORE where they end. */
static int take_own(struct log_repair *r, struct log_segment_reader *reader, uint32_t until)
{
    int err = 0;
    while (err == 0 && r->rebuilt.size_bytes < until) {
        struct slice batches;
        err = log_segment_read_on(reader, r->rebuilt.size_bytes, r->rebuilt.next_offset, 1 << 20,
                                  &batches);
        if (log_is_damage(err))
            return ERR_NEED_MORE;
        if (err == 0)
            err = take(r, batches.bytes);
        if (err == 0)
            r->piece_size = REPAIR_PIECE_MIN;
        slice_unref(&batches);
    }
    return err;
}

static int take_own_from_file(struct log_repair *r)
{
    struct log_segment_reader reader;
    uint32_t left = r->view.meta.size_bytes - r->rebuilt.size_bytes;
    uint32_t until = r->rebuilt.size_bytes +
                     (left < GATHER_BYTES_A_TIME ? left : GATHER_BYTES_A_TIME);
    int err = r->trusts_own ? log_segment_reader_open(&reader, &r->view) : ERR_CORRUPT;
    if (err != 0)
        return log_is_damage(err) ? ERR_NEED_MORE : err;
    err = take_own(r, &reader, until);
    log_segment_reader_close(&reader);
    return err;
}

int repair_gather(struct log_repair *r)
{
    int err = r->piece.bytes.size > 0 ? take_piece(r) : 0;
    if (err == 0 && r->rebuilt.size_bytes < r->view.meta.size_bytes)
        err = take_own_from_file(r);
    if (err == ERR_NEED_MORE && !r->writes_data) {
        r->writes_data = r->has_found_data = true; /* it was not only the indexes */
        repair_begin_gathering(r);
        return 0;
    }
    return err != 0 ? err : r->rebuilt.size_bytes == r->view.meta.size_bytes;
}

/* ---- the end ---- */

static bool is_as_it_must_be(const struct log_repair *r)
{
    const struct log_segment_meta *is = &r->rebuilt, *must = &r->view.meta;
    bool is_same = is->next_offset == must->next_offset;
    for (int i = 0; i < LOG_FILE_KIND_COUNT; i++) {
        enum log_file_kind kind = (enum log_file_kind)i;
        is_same &= log_segment_file_size(is, kind) == log_segment_file_size(must, kind) &&
                   log_segment_file_crc(is, kind) == log_segment_file_crc(must, kind);
    }
    return is_same;
}

static int write_index(const struct log_repair *r, enum log_file_kind kind, struct bytes entries)
{
    char path[LOG_PATH_SIZE];
    struct disk_file *file;
    log_segment_repair_path(path, &r->view.id, &r->view.meta, kind);
    int err = disk_open(r->view.disk, path, DISK_WRITE | DISK_CREATE, &file);
    if (err != 0)
        return err;
    err = disk_truncate(r->view.disk, file, 0);
    if (err == 0 && entries.size > 0)
        err = disk_write_bytes_at(r->view.disk, file, 0, entries);
    if (err == 0)
        err = disk_sync(r->view.disk, file);
    disk_close(r->view.disk, file);
    return err;
}

static int rename_kind(const struct log_repair *r, enum log_file_kind kind)
{
    char from[LOG_PATH_SIZE], to[LOG_PATH_SIZE];
    log_segment_repair_path(from, &r->view.id, &r->view.meta, kind);
    log_segment_path(to, &r->view.id, r->view.meta.base_offset, r->view.meta.version, kind);
    return disk_rename(r->view.disk, from, to);
}

static int sync_folders(const struct log_repair *r)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, &r->view.id);
    int err = disk_sync_directory(r->view.disk, path);
    return err == 0 ? disk_sync_directory(r->view.disk, "topics") : err;
}

int repair_close_files(struct log_repair *r)
{
    int err = 0;
    if (r->view.meta.is_sealed)
        err = log_segment_meta_seal(&r->rebuilt, &r->time_index);
    if (err == 0 && !is_as_it_must_be(r))
        return ERR_CORRUPT;
    if (err == 0 && r->writes_data)
        err = disk_sync(r->view.disk, r->staged);
    if (err == 0)
        err = write_index(r, LOG_FILE_INDEX, bytes_of(r->index.data, r->index.size));
    if (err == 0)
        err = write_index(r, LOG_FILE_TIME_INDEX, bytes_of(r->time_index.data, r->time_index.size));
    if (err == 0 && r->writes_data)
        err = rename_kind(r, LOG_FILE_DATA);
    if (err == 0)
        err = rename_kind(r, LOG_FILE_INDEX);
    if (err == 0)
        err = rename_kind(r, LOG_FILE_TIME_INDEX);
    return err == 0 ? sync_folders(r) : err;
}

void repair_drop_files(struct log_repair *r)
{
    char path[LOG_PATH_SIZE];
    close_staged(r);
    log_index_entries_close(&r->index);
    log_index_entries_close(&r->time_index);
    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        log_segment_repair_path(path, &r->view.id, &r->view.meta, (enum log_file_kind)kind);
        disk_remove(r->view.disk, path); /* what stays is removed at the next start */
    }
}
