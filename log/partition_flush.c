/* Flush: from the tail to segment files.
 *
 * Prepared on the shard (references are taken, nothing is copied), run on a worker, finished on
 * the shard. The run continues each segment from what its files hold, so that the bytes are the
 * same whether a segment was written in one flush or in a hundred. Data goes out in writes of a
 * MiB and more where there is so much, uncached where the kernel can: it was hot in the tail and
 * should not push other pages out. Order: data and indexes, sync, then the folders that name new
 * files; only a manifest that comes after makes them part of the log. */
#include <assert.h>
#include <stdlib.h>

#include "batch.h"
#include "compact_due.h"
#include "offset_index.h"
#include "partition_internal.h"

#define WRITE_BYTES_MIN (1 << 20) /* gather at least so much before a write */
#define WRITE_PARTS_MAX 512       /* pieces of one write: two a batch */

static bool needs_writing(const struct log_segment *s)
{
    return s->written.size_bytes < s->size_bytes || s->written.is_sealed != s->is_sealed;
}

/* A segment to write and its place in the partition's list. */
struct target {
    struct log_segment *segment;
    unsigned number;
};

struct targets {
    struct target *items; /* in offset order */
    unsigned count;
};

static int by_offset(const void *a, const void *b)
{
    int64_t one = ((const struct target *)a)->segment->written.base_offset;
    int64_t other = ((const struct target *)b)->segment->written.base_offset;
    return (one > other) - (one < other);
}

static bool has_target(const struct targets *t, const struct log_segment *s)
{
    for (unsigned i = 0; i < t->count; i++)
        if (t->items[i].segment == s)
            return true;
    return false;
}

/* What due compactions have replaced, or read, is written like all else. */
static void add_replaced(const struct log_partition *p, struct targets *t)
{
    for (const struct log_compaction *c = p->compactions; c != NULL; c = c->next)
        for (unsigned i = 0; i < c->input_count; i++)
            if (needs_writing(c->inputs[i]) && !has_target(t, c->inputs[i]))
                t->items[t->count++] = (struct target){c->inputs[i], LOG_FLUSH_NOT_LISTED};
}

static unsigned count_inputs(const struct log_partition *p)
{
    unsigned count = 0;
    for (const struct log_compaction *c = p->compactions; c != NULL; c = c->next)
        count += c->input_count;
    return count;
}

static int find_targets(const struct log_partition *p, struct targets *t)
{
    unsigned first = p->segments.count;
    *t = (struct targets){0};
    if (p->compactions != NULL)
        first = 0;
    while (first > 0 && needs_writing(p->segments.items[first - 1]))
        first--;
    unsigned most = p->segments.count - first + count_inputs(p);
    if (most == 0)
        return 0;
    t->items = calloc(most, sizeof *t->items);
    if (t->items == NULL)
        return UV_ENOMEM;
    for (unsigned i = first; i < p->segments.count; i++)
        if (needs_writing(p->segments.items[i]))
            t->items[t->count++] = (struct target){p->segments.items[i], i};
    add_replaced(p, t);
    qsort(t->items, t->count, sizeof *t->items, by_offset);
    return 0;
}

static void free_flush(struct log_flush *f)
{
    for (unsigned i = 0; i < f->segment_count; i++)
        log_segment_unref(f->segments[i].segment);
    for (unsigned i = 0; i < f->batch_count; i++)
        slice_unref(&f->batches[i].data);
    free(f->segments);
    free(f->batches);
    free(f->compactions);
    free(f);
}

static void capture_batches(struct log_partition *p, struct log_flush *f)
{
    for (unsigned i = p->tail.flushed_count; i < p->tail.count; i++) {
        struct log_tail_batch *captured = &f->batches[f->batch_count++];
        *captured = *log_tail_at(&p->tail, i);
        slice_ref(captured->data);
    }
}

static void capture_segments(struct log_flush *f, const struct targets *t)
{
    unsigned batch = 0;
    for (unsigned i = 0; i < t->count; i++) {
        struct log_segment *s = t->items[i].segment;
        struct log_flush_segment *w = &f->segments[f->segment_count++];
        while (batch < f->batch_count && f->batches[batch].base_offset < s->written.base_offset)
            batch++; /* of a segment that left the log, kept for one before it */
        *w = (struct log_flush_segment){.segment = log_segment_ref(s),
                                        .number = t->items[i].number,
                                        .meta = s->written,
                                        .batch_first = batch,
                                        .is_new = !s->has_files,
                                        .seals = s->is_sealed};
        while (batch < f->batch_count && f->batches[batch].base_offset < s->next_offset)
            batch++;
        w->batch_count = batch - w->batch_first;
    }
    assert(batch == f->batch_count); /* each unflushed batch has its segment */
}

static void capture_compactions(struct log_partition *p, struct log_flush *f)
{
    for (struct log_compaction *c = p->compactions; c != NULL; c = c->next)
        f->compactions[f->compaction_count++] = c;
}

static unsigned count_compactions(const struct log_partition *p)
{
    unsigned count = 0;
    for (const struct log_compaction *c = p->compactions; c != NULL; c = c->next)
        count++;
    return count;
}

static int make_flush(struct log_partition *p, const struct targets *t, struct log_flush **flush)
{
    struct log_flush *f = calloc(1, sizeof *f);
    if (f == NULL)
        return UV_ENOMEM;
    f->segments = calloc(t->count + 1, sizeof *f->segments);
    f->batches = calloc(p->tail.count - p->tail.flushed_count + 1, sizeof *f->batches);
    f->compactions = calloc(count_compactions(p) + 1, sizeof(struct log_compaction *));
    if (f->segments == NULL || f->batches == NULL || f->compactions == NULL) {
        free_flush(f);
        return UV_ENOMEM;
    }
    f->disk = p->disk;
    f->id = p->id;
    f->end_offset = p->next_offset;
    f->makes_folder = !p->has_folder;
    capture_batches(p, f);
    capture_segments(f, t);
    capture_compactions(p, f);
    p->is_flushing = true;
    *flush = f;
    return 0;
}

int log_partition_flush_prepare(struct log_partition *p, struct log_flush **flush)
{
    struct targets t;
    *flush = NULL;
    if (p->is_flushing)
        return ERR_BUSY;
    int err = find_targets(p, &t);
    if (err == 0 && (t.count > 0 || p->compactions != NULL))
        err = make_flush(p, &t, flush);
    free(t.items);
    return err;
}

/* A segment's files while they are written. */
struct segment_files {
    struct disk_file *data;
    struct log_index_entries index, time_index; /* entries to append */
};

/* Pieces gathered for one write, and room for the heads among them. */
struct gathered {
    struct iovec parts[WRITE_PARTS_MAX];
    uint8_t heads[WRITE_PARTS_MAX / 2][BATCH_HEAD_SIZE];
    int part_count;
    size_t size;
    uint64_t position; /* in the file, of the first piece */
};

static int write_gathered(const struct log_flush *f, struct disk_file *file, struct gathered *g)
{
    int err = 0;
    if (g->part_count > 0)
        err = disk_write_at(f->disk, file, g->position, g->parts, g->part_count,
                            DISK_WRITE_UNCACHED);
    g->position += g->size;
    g->part_count = 0;
    g->size = 0;
    return err;
}

static void gather(struct gathered *g, struct log_segment_meta *meta,
                   const struct log_tail_batch *b)
{
    uint8_t *head = g->heads[g->part_count / 2];
    struct bytes body = bytes_of(b->data.bytes.data + BATCH_HEAD_SIZE,
                                 b->data.bytes.size - BATCH_HEAD_SIZE);
    batch_put_head(head, b->base_offset, b->data.bytes.size, b->leader_epoch);
    meta->crc = crc32c(meta->crc, bytes_of(head, BATCH_HEAD_SIZE));
    meta->crc = batch_continue_checksum(meta->crc, b->data.bytes);
    g->parts[g->part_count++] = (struct iovec){.iov_base = head, .iov_len = BATCH_HEAD_SIZE};
    g->parts[g->part_count++] = (struct iovec){.iov_base = (void *)(uintptr_t)body.data,
                                               .iov_len = body.size};
    g->size += b->data.bytes.size;
}

static int write_batches(struct log_flush *f, struct log_flush_segment *w, struct gathered *g,
                         struct segment_files *files)
{
    int err = 0;
    g->part_count = 0;
    g->size = 0;
    g->position = w->meta.size_bytes;
    for (unsigned i = 0; i < w->batch_count && err == 0; i++) {
        const struct log_tail_batch *b = &f->batches[w->batch_first + i];
        err = log_segment_meta_add(&w->meta, (uint32_t)b->data.bytes.size, b->next_offset,
                                   b->max_timestamp, &files->index, &files->time_index);
        if (err != 0)
            break;
        gather(g, &w->meta, b);
        if (g->size >= WRITE_BYTES_MIN || g->part_count == WRITE_PARTS_MAX)
            err = write_gathered(f, files->data, g);
    }
    if (err == 0)
        err = write_gathered(f, files->data, g);
    if (err == 0 && w->seals && !w->meta.is_sealed)
        err = log_segment_meta_seal(&w->meta, &files->time_index);
    return err;
}

/* A file that was written before is gone, or its folder is: what it held is damage, what comes now
 * is not. */
static int make_again(struct log_flush *f, struct log_flush_segment *w, const char *path,
                      struct disk_file **file)
{
    char folder[LOG_PATH_SIZE];
    log_folder_path(folder, &f->id);
    w->is_suspect = !w->is_new;
    f->makes_folder = true;
    int err = disk_make_directory(f->disk, folder);
    return err == 0 ? disk_open(f->disk, path, DISK_WRITE | DISK_CREATE, file) : err;
}

static int open_file(struct log_flush *f, struct log_flush_segment *w, enum log_file_kind kind,
                     struct disk_file **file)
{
    char path[LOG_PATH_SIZE];
    log_segment_path(path, &f->id, w->meta.base_offset, w->meta.version, kind);
    int err = disk_open(f->disk, path, DISK_WRITE | (w->is_new ? DISK_CREATE : 0), file);
    if (err == UV_ENOENT)
        err = make_again(f, w, path, file);
    if (err == 0 && w->is_new)
        err = disk_truncate(f->disk, *file, 0); /* a crash may have left one of the same name */
    return err;
}

/* What comes next goes to its place also when the file has become shorter than that. */
static void notice_cut(const struct log_flush *f, struct log_flush_segment *w,
                       struct disk_file *file, uint64_t position)
{
    int64_t size = disk_size(f->disk, file);
    w->is_suspect |= size < 0 || (uint64_t)size < position;
}

/* Appends entries to an index file; a new segment gets the file in any case. */
static int write_index(struct log_flush *f, struct log_flush_segment *w, enum log_file_kind kind,
                       const struct log_index_entries *entries)
{
    if (entries->size == 0 && !w->is_new)
        return 0;
    struct disk_file *file = NULL;
    uint64_t position = log_segment_file_size(&w->meta, kind) - entries->size;
    int err = open_file(f, w, kind, &file);
    if (err == 0)
        notice_cut(f, w, file, position);
    if (err == 0 && entries->size > 0)
        err = disk_write_bytes_at(f->disk, file, position, bytes_of(entries->data, entries->size));
    if (err == 0)
        err = disk_sync(f->disk, file);
    disk_close(f->disk, file);
    return err;
}

static int write_segment(struct log_flush *f, struct log_flush_segment *w, struct gathered *g)
{
    struct segment_files files = {0};
    int err = open_file(f, w, LOG_FILE_DATA, &files.data);
    if (err == 0)
        notice_cut(f, w, files.data, w->meta.size_bytes);
    if (err == 0)
        err = write_batches(f, w, g, &files);
    if (err == 0)
        err = disk_sync(f->disk, files.data);
    if (err == 0)
        err = write_index(f, w, LOG_FILE_INDEX, &files.index);
    if (err == 0)
        err = write_index(f, w, LOG_FILE_TIME_INDEX, &files.time_index);
    disk_close(f->disk, files.data);
    log_index_entries_close(&files.index);
    log_index_entries_close(&files.time_index);
    return err;
}

static int sync_folders(const struct log_flush *f, bool has_new_files)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, &f->id);
    int err = has_new_files ? disk_sync_directory(f->disk, path) : 0;
    if (err == 0 && f->makes_folder)
        err = disk_sync_directory(f->disk, "topics");
    if (err == 0 && f->makes_folder)
        err = disk_sync_directory(f->disk, "");
    return err;
}

int log_flush_run(struct log_flush *f)
{
    char path[LOG_PATH_SIZE];
    log_folder_path(path, &f->id);
    struct gathered *g = malloc(sizeof *g);
    int err = g == NULL ? UV_ENOMEM : 0;
    if (err == 0 && f->makes_folder)
        err = disk_make_directory(f->disk, path);
    bool has_new_files = false;
    for (unsigned i = 0; i < f->segment_count && err == 0; i++) {
        err = write_segment(f, &f->segments[i], g);
        has_new_files |= f->segments[i].is_new || f->segments[i].is_suspect;
    }
    if (err == 0)
        err = sync_folders(f, has_new_files);
    for (unsigned i = 0; i < f->compaction_count && err == 0; i++)
        err = compact_due_run(f->disk, &f->id, f->compactions[i]);
    free(g);
    return err;
}

void log_partition_flush_finish(struct log_partition *p, struct log_flush *f, int status)
{
    assert(p->is_flushing);
    p->is_flushing = false;
    for (unsigned i = 0; i < f->segment_count && status == 0; i++) {
        struct log_flush_segment *w = &f->segments[i];
        w->segment->written = w->meta;
        w->segment->has_files = true;
        if (w->is_suspect)
            log_partition_suspect(p, w->segment);
    }
    if (status == 0) {
        p->has_folder = true;
        if (p->flushed_offset < f->end_offset)
            p->flushed_offset = f->end_offset;
        log_tail_mark_flushed(&p->tail, p->flushed_offset);
        if (p->tail.flushed_count == p->tail.count)
            p->flushed_offset = p->next_offset; /* it may have left a gap meanwhile */
        compact_due_finish(p, f->compaction_count);
    }
    free_flush(f);
}
