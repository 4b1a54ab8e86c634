/* One segment of a partition's log.
 *
 * A segment is OPEN while batches arrive at its tail and SEALED from then on. Where it ends is
 * decided when a batch is appended, from entries and settings alone, so that every replica cuts
 * at the same batch whatever its memory or its flushes did. Two descriptions go side by side:
 * what was appended (size, last offset, largest timestamp) and what its files hold (`written`),
 * which the flush moves forward.
 *
 * Files are Kafka's, entry for entry (LogSegment.append, OffsetIndex, TimeIndex): an index entry
 * when more than index_interval_bytes lie since the batch of the last one, a last time index entry
 * when the segment is sealed. Byte tables: docs/segment_format.md. */
#include "segment.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "offset_index.h"
#include "time_index.h"

#define FLAG_SEALED   1u
#define REPAIR_SUFFIX ".repair"

static const char *const file_suffixes[LOG_FILE_KIND_COUNT] = {".log", ".index", ".timeindex"};

struct log_segment_meta log_segment_meta_empty(int64_t base_offset, int64_t wall_ms,
                                               uint32_t index_interval_bytes)
{
    return (struct log_segment_meta){.base_offset = base_offset,
                                     .next_offset = base_offset,
                                     .first_wall_ms = wall_ms,
                                     .max_timestamp = -1,
                                     .max_timestamp_offset = base_offset,
                                     .time_indexed = -1,
                                     .index_interval_bytes = index_interval_bytes};
}

struct log_segment *log_segment_of_meta(const struct log_partition_id *id,
                                        const struct log_segment_meta *meta)
{
    struct log_segment *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    atomic_init(&s->references, 1);
    s->id = *id;
    s->written = *meta;
    s->has_files = true;
    s->next_offset = meta->next_offset;
    s->max_timestamp = meta->max_timestamp;
    s->max_timestamp_offset = meta->max_timestamp_offset;
    s->size_bytes = meta->size_bytes;
    s->is_sealed = meta->is_sealed;
    return s;
}

struct log_segment *log_segment_create(const struct log_partition_id *id, int64_t base_offset,
                                       int64_t wall_ms, int64_t index_interval_bytes)
{
    uint32_t interval = (uint32_t)index_interval_bytes;
    if (index_interval_bytes < 0 || index_interval_bytes > LOG_SEGMENT_SIZE_MAX)
        interval = LOG_SEGMENT_SIZE_MAX;
    struct log_segment_meta empty = log_segment_meta_empty(base_offset, wall_ms, interval);
    struct log_segment *s = log_segment_of_meta(id, &empty);
    if (s != NULL)
        s->has_files = false;
    return s;
}

struct log_segment *log_segment_ref(struct log_segment *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void log_segment_unref(struct log_segment *s)
{
    if (s == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        free(s);
}

bool log_segment_is_full_for(const struct log_segment *s, size_t size, int64_t next_offset,
                             int64_t wall_ms, const struct log_partition_settings *settings)
{
    int64_t size_max = settings->segment_bytes;
    if (size_max > LOG_SEGMENT_SIZE_MAX)
        size_max = LOG_SEGMENT_SIZE_MAX;
    if (s->size_bytes == 0)
        return false; /* a batch larger than the setting still needs a place */
    return (int64_t)s->size_bytes + (int64_t)size > size_max ||
           wall_ms - s->written.first_wall_ms > settings->segment_ms ||
           next_offset - 1 - s->written.base_offset > INT32_MAX;
}

void log_segment_append(struct log_segment *s, const struct log_batch *batch)
{
    assert(!s->is_sealed);                        /* rolling is the caller's duty */
    assert(batch->base_offset == s->next_offset); /* a gap would be our bug, not the disk's */
    assert(batch->data.bytes.size <= LOG_SEGMENT_SIZE_MAX - s->size_bytes);
    s->size_bytes += (uint32_t)batch->data.bytes.size;
    s->next_offset += batch->record_count;
    if (batch->max_timestamp > s->max_timestamp) {
        s->max_timestamp = batch->max_timestamp;
        s->max_timestamp_offset = s->next_offset - 1;
    }
}

static int index_max_timestamp(struct log_segment_meta *m, struct log_index_entries *time_index)
{
    if (m->max_timestamp <= m->time_indexed)
        return 0;
    size_t before = time_index->size;
    int err = log_time_index_add(time_index, m->max_timestamp,
                                 m->max_timestamp_offset - m->base_offset);
    if (err != 0)
        return err;
    struct bytes added = bytes_of(time_index->data + before, time_index->size - before);
    m->time_indexed = m->max_timestamp;
    m->time_index_size_bytes += (uint32_t)added.size;
    m->time_index_crc = crc32c(m->time_index_crc, added);
    return 0;
}

static int index_position(struct log_segment_meta *m, int64_t last_offset,
                          struct log_index_entries *index)
{
    size_t before = index->size;
    int err = log_offset_index_add(index, last_offset - m->base_offset, m->size_bytes);
    if (err != 0)
        return err;
    struct bytes added = bytes_of(index->data + before, index->size - before);
    m->index_position = m->size_bytes;
    m->index_size_bytes += (uint32_t)added.size;
    m->index_crc = crc32c(m->index_crc, added);
    return 0;
}

int log_segment_meta_add(struct log_segment_meta *m, uint32_t size, int64_t next_offset,
                         int64_t max_timestamp, struct log_index_entries *index,
                         struct log_index_entries *time_index)
{
    assert(!m->is_sealed && next_offset > m->next_offset);
    if (max_timestamp > m->max_timestamp) {
        m->max_timestamp = max_timestamp;
        m->max_timestamp_offset = next_offset - 1;
    }
    if (m->size_bytes - m->index_position > m->index_interval_bytes) {
        int err = index_position(m, next_offset - 1, index);
        if (err == 0)
            err = index_max_timestamp(m, time_index);
        if (err != 0)
            return err;
    }
    m->size_bytes += size;
    m->next_offset = next_offset;
    return 0;
}

int log_segment_meta_seal(struct log_segment_meta *m, struct log_index_entries *time_index)
{
    assert(!m->is_sealed);
    m->is_sealed = true;
    return index_max_timestamp(m, time_index);
}

uint8_t *log_segment_meta_encode(const struct log_segment_meta *m, uint8_t *into)
{
    const int64_t wide[] = {m->base_offset,   m->next_offset,          m->first_wall_ms,
                            m->max_timestamp, m->max_timestamp_offset, m->time_indexed};
    const uint32_t narrow[] = {m->size_bytes,
                               m->crc,
                               m->index_size_bytes,
                               m->index_crc,
                               m->time_index_size_bytes,
                               m->time_index_crc,
                               m->index_position,
                               m->index_interval_bytes,
                               m->is_sealed ? FLAG_SEALED : 0,
                               m->version};
    _Static_assert(sizeof wide + sizeof narrow == LOG_SEGMENT_META_SIZE, "stored size");
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        into = bytes_put_le64(into, (uint64_t)wide[i]);
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++)
        into = bytes_put_le32(into, narrow[i]);
    return into;
}

static bool is_sound(const struct log_segment_meta *m)
{
    return m->base_offset >= 0 && m->next_offset > m->base_offset &&
           m->next_offset - 1 - m->base_offset <= INT32_MAX &&
           m->size_bytes <= LOG_SEGMENT_SIZE_MAX && m->size_bytes > 0 &&
           m->index_size_bytes % LOG_OFFSET_INDEX_ENTRY_SIZE == 0 &&
           m->time_index_size_bytes % LOG_TIME_INDEX_ENTRY_SIZE == 0 &&
           m->index_size_bytes <= LOG_SEGMENT_SIZE_MAX &&
           m->time_index_size_bytes <= LOG_SEGMENT_SIZE_MAX && m->index_position < m->size_bytes &&
           m->index_interval_bytes <= LOG_SEGMENT_SIZE_MAX &&
           m->max_timestamp_offset >= m->base_offset && m->max_timestamp_offset < m->next_offset;
}

int log_segment_meta_decode(struct log_segment_meta *m, struct bytes_reader *r)
{
    m->base_offset = (int64_t)bytes_read_le64(r);
    m->next_offset = (int64_t)bytes_read_le64(r);
    m->first_wall_ms = (int64_t)bytes_read_le64(r);
    m->max_timestamp = (int64_t)bytes_read_le64(r);
    m->max_timestamp_offset = (int64_t)bytes_read_le64(r);
    m->time_indexed = (int64_t)bytes_read_le64(r);
    m->size_bytes = bytes_read_le32(r);
    m->crc = bytes_read_le32(r);
    m->index_size_bytes = bytes_read_le32(r);
    m->index_crc = bytes_read_le32(r);
    m->time_index_size_bytes = bytes_read_le32(r);
    m->time_index_crc = bytes_read_le32(r);
    m->index_position = bytes_read_le32(r);
    m->index_interval_bytes = bytes_read_le32(r);
    uint32_t flags = bytes_read_le32(r);
    m->version = bytes_read_le32(r);
    m->is_sealed = (flags & FLAG_SEALED) != 0;
    bool is_clean = !r->is_bad && (flags & ~FLAG_SEALED) == 0 && (m->version == 0 || m->is_sealed);
    return is_clean && is_sound(m) ? 0 : ERR_MALFORMED;
}

uint32_t log_segment_file_size(const struct log_segment_meta *m, enum log_file_kind kind)
{
    return kind == LOG_FILE_DATA    ? m->size_bytes
           : kind == LOG_FILE_INDEX ? m->index_size_bytes
                                    : m->time_index_size_bytes;
}

uint32_t log_segment_file_crc(const struct log_segment_meta *m, enum log_file_kind kind)
{
    return kind == LOG_FILE_DATA    ? m->crc
           : kind == LOG_FILE_INDEX ? m->index_crc
                                    : m->time_index_crc;
}

void log_folder_path(char *path, const struct log_partition_id *id)
{
    char hex[33];
    for (unsigned i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", id->topic_id[i]);
    snprintf(path, LOG_PATH_SIZE, "topics/%s-%" PRId32, hex, id->partition);
}

void log_segment_path(char *path, const struct log_partition_id *id, int64_t base_offset,
                      uint32_t version, enum log_file_kind kind)
{
    char made_by[16] = "";
    log_folder_path(path, id);
    size_t length = strlen(path);
    if (version != 0)
        snprintf(made_by, sizeof made_by, ".%" PRIu32, version);
    snprintf(path + length, LOG_PATH_SIZE - length, "/%020" PRId64 "%s%s", base_offset, made_by,
             file_suffixes[kind]);
}

void log_segment_repair_path(char *path, const struct log_partition_id *id,
                             const struct log_segment_meta *meta, enum log_file_kind kind)
{
    log_segment_path(path, id, meta->base_offset, meta->version, kind);
    size_t length = strlen(path);
    assert(length + sizeof REPAIR_SUFFIX <= LOG_PATH_SIZE);
    memcpy(path + length, REPAIR_SUFFIX, sizeof REPAIR_SUFFIX);
}

bool log_segment_name_is_repair(const char *name)
{
    size_t length = strlen(name), suffix = sizeof REPAIR_SUFFIX - 1;
    return length > suffix && strcmp(name + length - suffix, REPAIR_SUFFIX) == 0;
}

/* ".<version>", with neither zeros in front nor a version 0; bytes taken, 0 when there is none. */
static size_t parse_version(const char *text, uint32_t *version)
{
    size_t digits = text[0] == '.' ? strspn(text + 1, "0123456789") : 0;
    *version = 0;
    if (digits == 0 || digits > 10 || text[1] == '0')
        return 0;
    unsigned long long value = strtoull(text + 1, NULL, 10);
    if (value > UINT32_MAX)
        return 0;
    *version = (uint32_t)value;
    return digits + 1;
}

bool log_segment_name_parse(const char *name, int64_t *base_offset, uint32_t *version,
                            enum log_file_kind *kind)
{
    if (strspn(name, "0123456789") != 20)
        return false;
    *base_offset = strtoll(name, NULL, 10);
    const char *suffix = name + 20 + parse_version(name + 20, version);
    for (unsigned i = 0; i < LOG_FILE_KIND_COUNT; i++) {
        *kind = (enum log_file_kind)i;
        if (strcmp(suffix, file_suffixes[i]) == 0)
            return true;
    }
    return false;
}
