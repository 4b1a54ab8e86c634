/* Reading entries back from the WAL's files, on a reader's thread.
 *
 * The index says where each entry is. Entries that stand close together are read at once into one
 * buffer, which their slices share; where other groups' data lies between, each gets a buffer of
 * its own. A file that is being read is not recycled meanwhile. What does not match its checksum
 * or its place in the index is never handed out. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/event.h"
#include "wal_private.h"

#define GAP_MAX 8192u /* bytes between entries that are cheaper to read than another call */

/* Consecutive entries of one file that are read at once. */
struct span {
    struct wal_file *file; /* held: its reader count is raised */
    uint32_t start, end;   /* bytes in the file */
    unsigned count;        /* entries, the first ones of `entries` */
    struct wal_entry entries[LOG_WAL_READ_ENTRIES_MAX];
};

static uint32_t end_of(const struct wal_entry *e)
{
    return e->place.position + WAL_RECORD_HEADER_SIZE + e->size;
}

/* Under the lock: collects the span that begins with entry `index`. 0, or why there is none. */
static int find_span(struct log_wal *wal, const struct wal_group *g, uint64_t index,
                     unsigned count_max, size_t size_max, struct span *span)
{
    if (g == NULL || index >= g->next_index)
        return ERR_OUT_OF_RANGE;
    const struct wal_entry *e = log_wal_index_entry(g, index);
    if (e == NULL)
        return ERR_COMPACTED;
    span->start = e->place.position;
    span->end = end_of(e);
    span->count = 0;
    uint32_t file_id = e->place.file_id;
    size_t size = 0;
    do {
        span->entries[span->count++] = *e;
        span->end = end_of(e);
        size += e->size;
        e = log_wal_index_entry(g, index + span->count);
    } while (e != NULL && span->count < count_max && e->place.file_id == file_id &&
             e->place.position - span->end <= GAP_MAX && size + e->size <= size_max);
    span->file = log_wal_file_find(wal, file_id);
    assert(span->file != NULL); /* a file is forgotten after its entries */
    span->file->readers++;
    return 0;
}

static int hold_span(struct log_wal_read *req, uint64_t index, size_t size_max, struct span *span)
{
    struct log_wal *wal = req->wal;
    pthread_mutex_lock(&wal->lock);
    int err = find_span(wal, log_wal_index_find(&wal->index, req->group_id), index,
                        LOG_WAL_READ_ENTRIES_MAX - req->entry_count, size_max, span);
    pthread_mutex_unlock(&wal->lock);
    return err;
}

static void let_go(struct log_wal *wal, struct span *span)
{
    pthread_mutex_lock(&wal->lock);
    span->file->readers--;
    log_wal_upkeep_if_due(wal);
    pthread_mutex_unlock(&wal->lock);
}

static bool is_as_indexed(const struct wal_record *r, const struct wal_entry *e, uint32_t group_id,
                          uint64_t index)
{
    return r->kind == WAL_ENTRY && r->group.group_id == group_id && r->index == index &&
           r->term == e->term && r->data_size == e->size && r->head_size == e->head_size;
}

/* Checks one entry in the buffer and adds it to the answer. */
static int add_entry(struct log_wal_read *req, struct buffer *buffer, size_t at,
                     const struct wal_entry *e)
{
    struct wal_record r;
    uint64_t index = req->index + req->entry_count;
    const uint8_t *data = buffer->data + at + WAL_RECORD_HEADER_SIZE;
    if (log_wal_record_decode(buffer->data + at, &r) != 0 ||
        !is_as_indexed(&r, e, req->group_id, index) ||
        crc32c(0, bytes_of(data, e->size)) != r.data_crc)
        return ERR_CORRUPT;
    struct log_entry *out = &req->entries[req->entry_count++];
    *out = (struct log_entry){.term = e->term, .index = index, .type = r.type, .crc = r.data_crc};
    out->head.bytes = bytes_of(data, e->head_size);
    out->body.bytes = bytes_of(data + e->head_size, e->size - e->head_size);
    if (e->head_size > 0)
        out->head.owner = buffer_ref(buffer);
    if (e->size > e->head_size)
        out->body.owner = buffer_ref(buffer);
    return 0;
}

static int read_span(struct log_wal_read *req, const struct span *span)
{
    size_t size = span->end - span->start;
    struct buffer *buffer = buffer_create(size);
    if (buffer == NULL)
        return UV_ENOMEM;
    int64_t got = disk_read_at(req->wal->disk, span->file->disk_file, span->start, buffer->data,
                               size);
    int err = got < 0 ? (int)got : (size_t)got < size ? ERR_CORRUPT : 0;
    for (unsigned i = 0; i < span->count && err == 0; i++)
        err = add_entry(req, buffer, span->entries[i].place.position - span->start,
                        &span->entries[i]);
    buffer_unref(buffer);
    return err;
}

static void tell_damage(struct log_wal_read *req, const struct span *span, unsigned entry)
{
    char path[WAL_PATH_SIZE], text[WAL_PATH_SIZE + 128];
    uint32_t position = span->entries[entry].place.position;
    uint64_t index = req->index + req->entry_count;
    log_wal_file_path(req->wal, span->file->slot, path);
    event_error("wal_entry_corrupt", "file=%s position=%u group=%u index=%llu", path, position,
                req->group_id, (unsigned long long)index);
    snprintf(text, sizeof text,
             "%s: an entry read back is damaged at byte %u (group %u, index %llu)", path, position,
             req->group_id, (unsigned long long)index);
    log_wal_note_damage(req->wal, text);
}

/* Spans one after the other until the request has enough. What was read before a failure is
 * answered as it is; the failure meets the next read. */
static int read_entries(struct log_wal_read *req, struct span *span)
{
    size_t size = 0;
    int err = 0;
    while (req->entry_count < LOG_WAL_READ_ENTRIES_MAX &&
           (req->entry_count == 0 || size < req->size_bytes_max)) {
        unsigned before = req->entry_count;
        err = hold_span(req, req->index + before, req->size_bytes_max - size, span);
        if (err != 0)
            break;
        if (before > 0 && span->entries[0].size > req->size_bytes_max - size) {
            let_go(req->wal, span);
            break;
        }
        err = read_span(req, span);
        if (err == ERR_CORRUPT)
            tell_damage(req, span, req->entry_count - before);
        let_go(req->wal, span);
        if (err != 0)
            break;
        for (unsigned i = before; i < req->entry_count; i++)
            size += log_entry_size(&req->entries[i]);
    }
    return req->entry_count > 0 ? 0 : err;
}

static void run_callback(struct work_item *item)
{
    struct log_wal_read *req = item->data;
    req->cb(req, req->status);
}

static void run_read(struct work_item *item)
{
    struct log_wal_read *req = item->data;
    struct span *span = malloc(sizeof *span);
    req->status = span == NULL ? UV_ENOMEM : read_entries(req, span);
    free(span);
    work_submit(req->home, &req->item, run_callback);
}

void log_wal_read(struct log_wal *wal, struct log_wal_read *req, log_wal_read_cb cb)
{
    assert(req->home != NULL);
    req->wal = wal;
    req->cb = cb;
    req->entry_count = 0;
    req->item.data = req;
    work_submit(wal->readers, &req->item, run_read);
}

int log_wal_read_one(struct log_wal *wal, uint32_t group_id, uint64_t index,
                     struct log_entry *entry)
{
    struct log_wal_read *req = calloc(1, sizeof *req);
    struct span *span = malloc(sizeof *span);
    int err = req == NULL || span == NULL ? UV_ENOMEM : 0;
    if (err == 0) {
        req->wal = wal;
        req->group_id = group_id;
        req->index = index;
        req->size_bytes_max = 1; /* one entry, whatever its size */
        err = read_entries(req, span);
    }
    if (err == 0)
        *entry = req->entries[0];
    free(span);
    free(req);
    return err;
}
