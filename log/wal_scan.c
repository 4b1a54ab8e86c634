/* Reading a WAL file from its start, in large pieces, at opening. */
#include <assert.h>
#include <stdlib.h>

#include "wal_private.h"

void log_wal_scan_begin(struct wal_scan *s, const struct disk *disk, const struct wal_file *file)
{
    s->disk = disk;
    s->file = file;
    s->start = 0;
    s->size = 0; /* what the window holds is another file's */
}

void log_wal_scan_close(struct wal_scan *s)
{
    free(s->window);
    *s = (struct wal_scan){0};
}

static int reserve(struct wal_scan *s, size_t size)
{
    if (size <= s->capacity)
        return 0;
    uint8_t *window = realloc(s->window, size);
    if (window == NULL)
        return UV_ENOMEM;
    s->window = window;
    s->capacity = size;
    return 0;
}

int log_wal_scan_read(struct wal_scan *s, uint32_t position, size_t size, const uint8_t **bytes)
{
    assert(position <= s->file->size && size <= s->file->size - position);
    if (position < s->start || position + size > s->start + s->size) {
        size_t left = s->file->size - position;
        size_t wanted = size > WAL_CHUNK_SIZE ? size : WAL_CHUNK_SIZE;
        wanted = wanted < left ? wanted : left;
        int err = reserve(s, wanted);
        if (err != 0)
            return err;
        s->size = 0;
        int64_t got = disk_read_at(s->disk, s->file->disk_file, position, s->window, wanted);
        if (got < 0)
            return (int)got;
        if ((size_t)got < size)
            return ERR_CORRUPT; /* shorter than it was a moment ago */
        s->start = position;
        s->size = (size_t)got;
    }
    *bytes = s->window + (position - s->start);
    return 0;
}

int log_wal_scan_header(struct wal_scan *s, uint32_t position, struct wal_write_header *h)
{
    const uint8_t *bytes;
    if (s->file->size - position < WAL_BLOCK_SIZE)
        return 0;
    int err = log_wal_scan_read(s, position, WAL_WRITE_HEADER_SIZE, &bytes);
    if (err != 0)
        return err;
    return log_wal_write_header_decode(bytes, h) && h->file_id == s->file->header.file_id &&
           h->salt == s->file->header.salt &&
           wal_write_size(h->payload_size) <= s->file->size - position;
}
