/* One vector write: how requests become bytes.
 *
 * Record headers, entry heads and small bodies are copied into one staging area, where neighbours
 * melt into a single part; large bodies stay where they are. Memory is allocated once, at
 * opening, and bounds a write; a request that would not fit waits for the next one. */
#include "wal_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"

#define COPIED_MAX       512u /* a larger body costs less as a part of its own than to copy */
#define STAGED_PER_ENTRY (WAL_RECORD_HEADER_SIZE + LOG_ENTRY_HEAD_SIZE + COPIED_MAX)
#define OTHER_RECORDS    5u /* vote, snapshot, truncation, heard, drop */
#define STAGED_OTHERWISE (OTHER_RECORDS * WAL_RECORD_HEADER_SIZE + WAL_WRITE_HEADER_SIZE)
#define STAGING_SIZE     (4u << 20)
#define PARTS_MAX        (4 * LOG_WAL_ENTRIES_MAX)

_Static_assert(LOG_WAL_ENTRIES_MAX *STAGED_PER_ENTRY + STAGED_OTHERWISE + WAL_BLOCK_SIZE +
                       WAL_WRITE_STATES_MAX <=
                   STAGING_SIZE,
               "any single request fits into a write, beside restated groups");
_Static_assert(2 * LOG_WAL_ENTRIES_MAX + 8 <= PARTS_MAX, "so do its parts");

int log_wal_write_init(struct wal_write *w)
{
    w->staging = malloc(STAGING_SIZE);
    w->parts = malloc(PARTS_MAX * sizeof *w->parts);
    return w->staging != NULL && w->parts != NULL ? 0 : UV_ENOMEM;
}

void log_wal_write_close(struct wal_write *w)
{
    free(w->staging);
    free(w->parts);
}

static void add_part(struct wal_write *w, const uint8_t *data, size_t size)
{
    struct iovec *last = w->part_count > 0 ? &w->parts[w->part_count - 1] : NULL;
    if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == data) {
        last->iov_len += size;
        return;
    }
    assert(w->parts != NULL && w->part_count < PARTS_MAX);
    w->parts[w->part_count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data,
                                               .iov_len = size};
}

/* Room in the staging area, which becomes the next bytes of the write. */
static uint8_t *stage(struct wal_write *w, size_t size)
{
    assert(size <= STAGING_SIZE - w->staging_used);
    uint8_t *at = w->staging + w->staging_used;
    w->staging_used += size;
    add_part(w, at, size);
    return at;
}

static void add_data(struct wal_write *w, struct bytes data, size_t copied_max)
{
    if (data.size == 0)
        return;
    if (data.size <= copied_max)
        memcpy(stage(w, data.size), data.data, data.size);
    else
        add_part(w, data.data, data.size);
}

/* Begins an empty write. */
static void begin(struct wal_write *w, const struct wal_write_header *header,
                  struct wal_position place)
{
    w->staging_used = 0;
    w->part_count = 0;
    w->header = *header;
    w->place = place;
    w->first = w->last = NULL;
    w->needs_sync = w->is_relief = false;
    stage(w, WAL_WRITE_HEADER_SIZE); /* filled when the payload is known */
}

bool log_wal_write_has_room(const struct wal_write *w, unsigned request_count, unsigned entry_count)
{
    size_t staged = (size_t)request_count * OTHER_RECORDS * WAL_RECORD_HEADER_SIZE +
                    (size_t)entry_count * STAGED_PER_ENTRY + WAL_BLOCK_SIZE;
    size_t parts = (size_t)request_count * 2 + (size_t)entry_count * 2 + 4;
    return staged <= STAGING_SIZE - w->staging_used && parts <= (size_t)(PARTS_MAX - w->part_count);
}

void log_wal_write_add(struct wal_write *w, struct wal_record *r, struct bytes head,
                       struct bytes body)
{
    assert(r->data_size == head.size + body.size);
    r->sequence = w->header.sequence;
    r->life = w->header.life;
    if (r->kind != WAL_ENTRY)
        r->data_crc = crc32c(crc32c(0, head), body);
    log_wal_record_encode(r, stage(w, WAL_RECORD_HEADER_SIZE));
    add_data(w, head, r->kind == WAL_ENTRY ? LOG_ENTRY_HEAD_SIZE : WAL_STATE_SIZE);
    add_data(w, body, r->kind == WAL_ENTRY ? COPIED_MAX : LOG_WAL_HEARD_SIZE_MAX);
    w->header.payload_size += WAL_RECORD_HEADER_SIZE + r->data_size;
    w->header.record_count++;
}

void log_wal_write_begin_next(struct log_wal *wal)
{
    const struct wal_file *file = wal->current;
    struct wal_write_header header = {
        .file_id = file->header.file_id,
        .salt = file->header.salt,
        .sequence = wal->sequence,
        .life = wal->life,
        .mark = wal->mark,
        .oldest_file_id = wal->oldest_file_id,
    };
    begin(&wal->write, &header, (struct wal_position){file->header.file_id, file->end});
}

int log_wal_write_issue(struct log_wal *wal, struct wal_write *w, struct wal_file *file)
{
    size_t used = WAL_WRITE_HEADER_SIZE + w->header.payload_size;
    size_t padding = (size_t)wal_write_size(w->header.payload_size) - used;
    if (padding > 0)
        memset(stage(w, padding), 0, padding);
    log_wal_write_header_encode(&w->header, w->staging);
    assert(used + padding <= file->size - w->place.position);
    return disk_write_at(wal->disk, file->disk_file, w->place.position, w->parts, w->part_count,
                         DISK_WRITE_CACHED);
}
