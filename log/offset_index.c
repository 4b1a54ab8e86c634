/* The sparse index from offsets to positions.
 *
 * Kafka's entry is <last offset of a batch relative to the segment's base, position where that
 * batch begins> (OffsetIndex, LogSegment.append). A lookup is a binary search by small reads:
 * the page cache holds what is used, and nothing of thousands of indexes stays in our memory. */
#include "offset_index.h"

#include <assert.h>
#include <stdlib.h>

uint8_t *log_index_entries_grow(struct log_index_entries *entries, size_t size)
{
    if (entries->size + size > entries->capacity) {
        size_t capacity = entries->capacity == 0 ? 256 : entries->capacity * 2;
        assert(capacity >= entries->size + size); /* entries are small */
        uint8_t *data = realloc(entries->data, capacity);
        if (data == NULL)
            return NULL;
        entries->data = data;
        entries->capacity = capacity;
    }
    uint8_t *at = entries->data + entries->size;
    entries->size += size;
    return at;
}

void log_index_entries_close(struct log_index_entries *entries)
{
    free(entries->data);
    *entries = (struct log_index_entries){0};
}

int log_offset_index_add(struct log_index_entries *entries, int64_t relative_offset,
                         uint32_t position)
{
    assert(relative_offset >= 0 && relative_offset <= INT32_MAX);
    uint8_t *at = log_index_entries_grow(entries, LOG_OFFSET_INDEX_ENTRY_SIZE);
    if (at == NULL)
        return UV_ENOMEM;
    bytes_put_be32(bytes_put_be32(at, (uint32_t)relative_offset), position);
    return 0;
}

struct entry {
    int64_t relative_offset;
    uint32_t position;
};

/* 1, or ERR_CORRUPT when the file ends before it. */
static int read_entry(const struct disk *disk, struct disk_file *file, uint32_t number,
                      struct entry *entry)
{
    uint8_t bytes[LOG_OFFSET_INDEX_ENTRY_SIZE];
    uint64_t at = (uint64_t)number * sizeof bytes;
    int64_t got = disk_read_at(disk, file, at, bytes, sizeof bytes);
    if (got < 0)
        return (int)got;
    if ((size_t)got < sizeof bytes)
        return ERR_CORRUPT;
    entry->relative_offset = (int32_t)bytes_get_be32(bytes);
    entry->position = bytes_get_be32(bytes + 4);
    return 1;
}

static int search(const struct disk *disk, struct disk_file *file, uint32_t count,
                  int64_t relative_offset, struct entry *found)
{
    uint32_t low = 0, high = count; /* entries before `low` are at or before the offset */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct entry entry;
        int got = read_entry(disk, file, middle, &entry);
        if (got <= 0)
            return got;
        if (entry.relative_offset <= relative_offset) {
            *found = entry;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0;
}

int log_offset_index_lookup(const struct disk *disk, const struct log_partition_id *id,
                            const struct log_segment_meta *meta, int64_t offset,
                            int64_t *last_offset, uint32_t *position)
{
    uint32_t count = meta->index_size_bytes / LOG_OFFSET_INDEX_ENTRY_SIZE;
    if (count == 0)
        return 0;
    char path[LOG_PATH_SIZE];
    log_segment_path(path, id, meta->base_offset, meta->version, LOG_FILE_INDEX);
    struct disk_file *file;
    int err = disk_open(disk, path, DISK_READ, &file);
    if (err != 0)
        return err == UV_ENOENT ? ERR_CORRUPT : err;
    struct entry found = {0};
    int got = search(disk, file, count, offset - meta->base_offset, &found);
    disk_close(disk, file);
    if (got == 1 && found.position >= meta->size_bytes)
        got = ERR_CORRUPT;
    if (got <= 0)
        return got;
    *last_offset = meta->base_offset + found.relative_offset;
    *position = found.position;
    return 1;
}
