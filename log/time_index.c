/* The sparse index from timestamps to offsets.
 *
 * An entry <T, o> says that the largest timestamp up to o is T (Kafka's TimeIndex): any later
 * timestamp comes after o. A wrong entry would hide records without being noticed, so the index is
 * read whole and its checksum compared; lookups by time are rare. */
#include "time_index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"

int log_time_index_add(struct log_index_entries *entries, int64_t timestamp,
                       int64_t relative_offset)
{
    assert(relative_offset >= 0 && relative_offset <= INT32_MAX);
    uint8_t *at = log_index_entries_grow(entries, LOG_TIME_INDEX_ENTRY_SIZE);
    if (at == NULL)
        return UV_ENOMEM;
    bytes_put_be32(bytes_put_be64(at, (uint64_t)timestamp), (uint32_t)relative_offset);
    return 0;
}

static int64_t search(struct bytes index, int64_t timestamp)
{
    int64_t relative_offset = 0;
    size_t low = 0, high = index.size / LOG_TIME_INDEX_ENTRY_SIZE;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const uint8_t *entry = index.data + middle * LOG_TIME_INDEX_ENTRY_SIZE;
        if ((int64_t)bytes_get_be64(entry) <= timestamp) {
            relative_offset = (int32_t)bytes_get_be32(entry + 8);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return relative_offset;
}

int log_time_index_lookup(const struct disk *disk, const struct log_partition_id *id,
                          const struct log_segment_meta *meta, int64_t timestamp, int64_t *offset)
{
    *offset = meta->base_offset;
    size_t size = meta->time_index_size_bytes;
    if (size == 0)
        return 0;
    char path[LOG_PATH_SIZE];
    log_segment_path(path, id, meta->base_offset, meta->version, LOG_FILE_TIME_INDEX);
    struct disk_file *file;
    int err = disk_open(disk, path, DISK_READ, &file);
    if (err != 0)
        return err == UV_ENOENT ? ERR_CORRUPT : err;
    uint8_t *bytes = malloc(size);
    int64_t got = bytes == NULL ? UV_ENOMEM : disk_read_at(disk, file, 0, bytes, size);
    disk_close(disk, file);
    if (got >= 0 &&
        (got != (int64_t)size || crc32c(0, bytes_of(bytes, size)) != meta->time_index_crc))
        got = ERR_CORRUPT;
    if (got >= 0)
        *offset = meta->base_offset + search(bytes_of(bytes, size), timestamp);
    if (*offset < meta->base_offset || *offset >= meta->next_offset)
        *offset = meta->base_offset; /* nothing that we wrote */
    free(bytes);
    return got < 0 ? (int)got : 0;
}
