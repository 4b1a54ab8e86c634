/* Writing compacted segments.
 *
 * The leader's dry run decides where segments end, by size; a replica that carries the step out is
 * told. Both go through here with the same batches, so that both have the same bytes. Batches of
 * which nothing is left become one empty batch per run of them (and per leader epoch): with it the
 * log stays without holes, and a reader goes on checking that each batch begins where the one
 * before ended. Base offsets lie outside Kafka's checksum, so a hole could not be told from
 * damage. */
#include "compact_write.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"
#include "offset_index.h"

#define CHUNK_SIZE (1u << 20)
/* The largest segment stays a segment when its last gap is added. */
#define SEGMENT_BYTES_MAX (LOG_SEGMENT_SIZE_MAX - (1 << 20))

int compact_writer_init(struct compact_writer *w)
{
    assert(w->planned == NULL || w->planned_count > 0);
    w->chunk = w->disk == NULL ? NULL : malloc(CHUNK_SIZE);
    return w->disk != NULL && w->chunk == NULL ? UV_ENOMEM : 0;
}

void compact_writer_close(struct compact_writer *w)
{
    if (w->file != NULL)
        disk_close(w->disk, w->file);
    log_index_entries_close(&w->index);
    log_index_entries_close(&w->time_index);
    free(w->metas);
    free(w->chunk);
    w->file = NULL;
    w->metas = NULL;
    w->chunk = NULL;
}

static struct log_segment_meta *open_segment(const struct compact_writer *w)
{
    return w->count > 0 && !w->metas[w->count - 1].is_sealed ? &w->metas[w->count - 1] : NULL;
}

/* ---- files ---- */

static int write_chunk(struct compact_writer *w, const struct log_segment_meta *m)
{
    if (w->chunk_size == 0)
        return 0;
    struct iovec part = {.iov_base = w->chunk, .iov_len = w->chunk_size};
    uint64_t position = m->size_bytes - w->chunk_size;
    w->chunk_size = 0;
    return disk_write_at(w->disk, w->file, position, &part, 1, DISK_WRITE_UNCACHED);
}

static int put_bytes(struct compact_writer *w, struct log_segment_meta *m, struct bytes bytes)
{
    int err = 0;
    while (w->disk != NULL && bytes.size > 0 && err == 0) {
        size_t taken = CHUNK_SIZE - w->chunk_size;
        if (taken > bytes.size)
            taken = bytes.size;
        memcpy(w->chunk + w->chunk_size, bytes.data, taken);
        w->chunk_size += taken;
        m->size_bytes += (uint32_t)taken;
        bytes = bytes_of(bytes.data + taken, bytes.size - taken);
        if (w->chunk_size == CHUNK_SIZE)
            err = write_chunk(w, m);
    }
    m->size_bytes += (uint32_t)bytes.size; /* of a dry run */
    return err;
}

static int open_file(struct compact_writer *w, const struct log_segment_meta *m,
                     enum log_file_kind kind, struct disk_file **file)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &w->id, m->base_offset, m->version, kind);
    int err = disk_open(w->disk, path, DISK_WRITE | DISK_CREATE, file);
    if (err == 0) /* a crash may have left one of the same name */
        err = disk_truncate(w->disk, *file, 0);
    return err;
}

static int write_index(struct compact_writer *w, const struct log_segment_meta *m,
                       enum log_file_kind kind, const struct log_index_entries *entries)
{
    struct disk_file *file = NULL;
    int err = open_file(w, m, kind, &file);
    if (err == 0 && entries->size > 0)
        err = disk_write_bytes_at(w->disk, file, 0, bytes_of(entries->data, entries->size));
    if (err == 0)
        err = disk_sync(w->disk, file);
    if (file != NULL)
        disk_close(w->disk, file);
    return err;
}

/* ---- segments ---- */

static int begin_segment(struct compact_writer *w, int64_t base_offset)
{
    if (w->count == w->capacity) {
        unsigned capacity = w->capacity == 0 ? 8 : w->capacity * 2;
        struct log_segment_meta *metas = realloc(w->metas, capacity * sizeof *metas);
        if (metas == NULL)
            return UV_ENOMEM;
        w->metas = metas;
        w->capacity = capacity;
    }
    struct log_segment_meta *m = &w->metas[w->count++];
    *m = log_segment_meta_empty(base_offset, w->first_wall_ms, w->index_interval_bytes);
    m->version = w->version;
    return w->disk == NULL ? 0 : open_file(w, m, LOG_FILE_DATA, &w->file);
}

static int end_segment(struct compact_writer *w)
{
    struct log_segment_meta *m = open_segment(w);
    int err = log_segment_meta_seal(m, &w->time_index);
    if (w->disk != NULL) {
        if (err == 0)
            err = write_chunk(w, m);
        if (err == 0)
            err = disk_sync(w->disk, w->file);
        disk_close(w->disk, w->file);
        w->file = NULL;
        if (err == 0)
            err = write_index(w, m, LOG_FILE_INDEX, &w->index);
        if (err == 0)
            err = write_index(w, m, LOG_FILE_TIME_INDEX, &w->time_index);
    }
    w->index.size = w->time_index.size = 0;
    return err;
}

/* Does a segment end before a batch of `size` bytes over [base_offset, next_offset)? */
static bool is_end(const struct compact_writer *w, const struct log_segment_meta *m, size_t size,
                   int64_t base_offset, int64_t next_offset)
{
    if (w->planned != NULL)
        return w->count < w->planned_count && w->planned[w->count].base_offset == base_offset;
    int64_t size_max = w->segment_bytes < SEGMENT_BYTES_MAX ? w->segment_bytes : SEGMENT_BYTES_MAX;
    return (int64_t)m->size_bytes + (int64_t)size > size_max ||
           next_offset - 1 - m->base_offset > INT32_MAX;
}

static int put_batch(struct compact_writer *w, struct bytes batch)
{
    int64_t base_offset = batch_base_offset(batch.data);
    int64_t next_offset = batch_next_offset(batch.data);
    struct log_segment_meta *m = open_segment(w);
    int err = 0;
    assert(w->count == 0 || base_offset == w->metas[w->count - 1].next_offset);
    if (m != NULL && is_end(w, m, batch.size, base_offset, next_offset)) {
        err = end_segment(w);
        m = NULL;
    }
    if (err == 0 && m == NULL)
        err = begin_segment(w, base_offset);
    m = open_segment(w);
    if (err == 0 && batch.size > LOG_SEGMENT_SIZE_MAX - m->size_bytes)
        err = ERR_TOO_LARGE; /* only where a plan is not that of these batches */
    if (err != 0)
        return err;
    uint32_t size = m->size_bytes;
    err = log_segment_meta_add(m, (uint32_t)batch.size, next_offset,
                               batch_max_timestamp(batch.data), &w->index, &w->time_index);
    m->size_bytes = size; /* counted with the bytes */
    m->crc = crc32c(m->crc, bytes_of(batch.data, BATCH_HEAD_SIZE));
    m->crc = batch_continue_checksum(m->crc, batch);
    return err == 0 ? put_bytes(w, m, batch) : err;
}

static int put_gap(struct compact_writer *w)
{
    uint8_t gap[COMPACT_GAP_SIZE];
    if (w->gap_from == w->gap_until)
        return 0;
    compact_gap_write(gap, w->gap_from, w->gap_until, w->gap_epoch);
    w->gap_from = w->gap_until;
    return put_batch(w, bytes_of(gap, sizeof gap));
}

int compact_writer_batch(struct compact_writer *w, struct bytes batch)
{
    int err = put_gap(w);
    return err == 0 ? put_batch(w, batch) : err;
}

int compact_writer_gap(struct compact_writer *w, int64_t base_offset, int64_t next_offset,
                       int32_t leader_epoch)
{
    bool is_open = w->gap_from < w->gap_until;
    int err = 0;
    assert(!is_open || base_offset == w->gap_until);
    if (is_open && (leader_epoch != w->gap_epoch || next_offset - 1 - w->gap_from > INT32_MAX))
        err = put_gap(w);
    if (w->gap_from == w->gap_until)
        w->gap_from = base_offset;
    w->gap_until = next_offset;
    w->gap_epoch = leader_epoch;
    return err;
}

int compact_writer_finish(struct compact_writer *w)
{
    int err = put_gap(w);
    if (err == 0 && open_segment(w) != NULL)
        err = end_segment(w);
    return err;
}
