/* The rules of log compaction (Kafka's Cleaner, KIP-534), on one batch after the other.
 *
 * A record goes when a later one of its key lies in the mapped range, when it has no key, or when
 * it is a tombstone whose time has come. It stays at or beyond the end of the mapped range,
 * whatever it is. The first compaction that keeps a tombstone marks its batch with the time from
 * which it may go (a delete horizon): by then everything older of its key is gone.
 *
 * Control batches stay. So does a batch whose records can't be known (damaged inside its checksum,
 * an unknown codec, more than COMPACT_UNPACKED_MAX): every replica judges alike, and nothing is
 * thrown away that nobody has read. */
#include "compact_rewrite.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

#define READ_CHUNK_SIZE (1u << 20)

/* ---- reading one batch after the other ---- */

struct scan {
    struct log_segment_reader reader;
    uint32_t position;   /* of the next batch */
    int64_t next_offset; /* where it must begin */
    uint32_t crc;        /* of the file up to there */
    uint8_t *chunk;      /* bytes of the file from chunk_at on */
    size_t chunk_size, capacity;
    uint32_t chunk_at;
};

/* A file that is gone or can't be read is damaged like one that reads wrong. */
static int judge_read(int err)
{
    return log_is_damage(err) ? ERR_CORRUPT : err;
}

static int scan_begin(struct scan *s, const struct log_segment_view *view)
{
    s->position = s->chunk_at = s->crc = 0;
    s->chunk_size = 0;
    s->next_offset = view->meta.base_offset;
    return judge_read(log_segment_reader_open(&s->reader, view));
}

/* Makes `size` bytes from the position on present in the chunk. */
static int scan_need(struct scan *s, size_t size)
{
    size_t left = s->reader.view.meta.size_bytes - s->position;
    if (size > left)
        return ERR_CORRUPT;
    if (s->position >= s->chunk_at && s->position - s->chunk_at + size <= s->chunk_size)
        return 0;
    size_t wanted = size > READ_CHUNK_SIZE ? size : READ_CHUNK_SIZE;
    if (wanted > left)
        wanted = left;
    if (wanted > s->capacity) {
        uint8_t *chunk = realloc(s->chunk, wanted);
        if (chunk == NULL)
            return UV_ENOMEM;
        s->chunk = chunk;
        s->capacity = wanted;
    }
    int64_t got = disk_read_at(s->reader.view.disk, s->reader.file, s->position, s->chunk, wanted);
    if (got < 0)
        return judge_read((int)got);
    s->chunk_at = s->position;
    s->chunk_size = (size_t)got;
    return s->chunk_size < size ? ERR_CORRUPT : 0;
}

/* A batch's epoch lies outside its own checksum. What comes out of damaged ones would be logged as
 * the truth; so the whole file must be what was written, where that is known. */
static int scan_end(const struct scan *s)
{
    const struct log_segment_meta *meta = &s->reader.view.meta;
    bool is_same = s->next_offset == meta->next_offset && (!meta->is_sealed || s->crc == meta->crc);
    return is_same ? 0 : ERR_CORRUPT;
}

/* 1 with a checked batch, borrowed until the next call; 0 at the segment's end. */
static int scan_next(struct scan *s, struct bytes *batch)
{
    if (s->position == s->reader.view.meta.size_bytes)
        return scan_end(s);
    int err = scan_need(s, BATCH_RECORDS_FROM);
    if (err != 0)
        return err;
    const uint8_t *header = s->chunk + (s->position - s->chunk_at);
    if (!batch_header_is_plausible(header, s->next_offset) ||
        batch_next_offset(header) > s->reader.view.meta.next_offset)
        return ERR_CORRUPT;
    size_t size = (size_t)batch_size(header);
    err = scan_need(s, size);
    if (err != 0)
        return err;
    *batch = bytes_of(s->chunk + (s->position - s->chunk_at), size);
    if (!batch_checksum_holds(*batch))
        return ERR_CORRUPT;
    s->crc = crc32c(s->crc, bytes_of(batch->data, BATCH_HEAD_SIZE));
    s->crc = batch_continue_checksum(s->crc, *batch);
    s->position += (uint32_t)size;
    s->next_offset = batch_next_offset(batch->data);
    return 1;
}

typedef int (*batch_cb)(void *data, struct bytes batch);
typedef void (*segment_cb)(void *data, const struct log_segment_view *view);

static int scan_segment(struct scan *s, batch_cb on_batch, void *data)
{
    struct bytes batch = {0};
    int got = 1, err = 0;
    while (err == 0 && (got = scan_next(s, &batch)) == 1) {
        assert(batch.data != NULL);
        err = on_batch(data, batch);
    }
    return err != 0 ? err : got;
}

static int scan_all(struct compact_sources *sources, segment_cb on_segment, batch_cb on_batch,
                    void *data)
{
    struct scan s = {0};
    int err = 0;
    for (unsigned i = 0; i < sources->count && err == 0; i++) {
        sources->failed = i;
        err = scan_begin(&s, &sources->views[i]);
        if (err != 0)
            break;
        if (on_segment != NULL)
            on_segment(data, &sources->views[i]);
        err = scan_segment(&s, on_batch, data);
        log_segment_reader_close(&s.reader);
    }
    free(s.chunk);
    return err;
}

static bool is_control(struct bytes batch)
{
    return (batch_attributes(batch.data) & BATCH_CONTROL) != 0;
}

static bool is_empty(struct bytes batch)
{
    return bytes_get_be32(batch.data + 57) == 0;
}

/* ---- the map ---- */

struct filling {
    struct compact_map *map;
    struct compact_room room;
    int64_t from, until;
};

/* Without memory nothing can be said; any other error says that the records can't be known. */
static int map_batch(void *data, struct bytes batch)
{
    struct filling *f = data;
    struct compact_batch b;
    int64_t base_offset = batch_base_offset(batch.data);
    if (base_offset >= f->until || batch_next_offset(batch.data) <= f->from || is_control(batch) ||
        is_empty(batch))
        return 0;
    int err = compact_batch_open(&b, batch, &f->room);
    if (err != 0)
        return err == UV_ENOMEM ? err : 0;
    struct bytes_reader r = bytes_reader_of(b.records);
    for (uint32_t i = 0; i < b.record_count; i++) {
        struct compact_record record = compact_record_next(&r);
        int64_t offset = base_offset + record.offset_delta;
        if (!record.has_key || offset < f->from || offset >= f->until)
            continue;
        if (!compact_map_put(f->map, record.key, offset))
            f->until = offset; /* what comes behind is for another pass */
    }
    return 0;
}

int compact_fill_map(struct compact_map *map, struct compact_sources *sources, int64_t map_from,
                     int64_t map_until, int64_t *until)
{
    struct filling f = {.map = map, .from = map_from, .until = map_until};
    int err = scan_all(sources, NULL, map_batch, &f);
    compact_room_close(&f.room);
    *until = f.until;
    return err;
}

/* ---- records that stay ---- */

struct rewriting {
    const struct compact_map *map;
    const struct compact_parameters *parameters;
    struct compact_writer *writer;
    struct log_compact_counts *counts;
    struct compact_room records, rewritten;
    uint8_t *keeps; /* per record of the batch */
    size_t keeps_capacity;
};

/* What became of a batch's records. */
struct verdict {
    uint32_t kept_count;
    bool has_kept_tombstone;
};

static bool has_tombstone_expired(const struct rewriting *w, struct bytes batch)
{
    return batch_has_delete_horizon(batch.data) &&
           w->parameters->now_ms >= batch_base_timestamp(batch.data);
}

static bool keeps_record(struct rewriting *w, struct bytes batch,
                         const struct compact_record *record)
{
    int64_t offset = batch_base_offset(batch.data) + record->offset_delta;
    if (offset >= w->parameters->map_until)
        return true;
    if (!record->has_key || compact_map_get(w->map, record->key) > offset)
        return false;
    return record->has_value || !has_tombstone_expired(w, batch);
}

static int judge(struct rewriting *w, const struct compact_batch *b, struct verdict *verdict)
{
    struct bytes_reader r = bytes_reader_of(b->records);
    if (b->record_count > w->keeps_capacity) {
        uint8_t *keeps = realloc(w->keeps, b->record_count);
        if (keeps == NULL)
            return UV_ENOMEM;
        w->keeps = keeps;
        w->keeps_capacity = b->record_count;
    }
    *verdict = (struct verdict){0};
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct compact_record record = compact_record_next(&r);
        w->keeps[i] = keeps_record(w, b->whole, &record);
        verdict->kept_count += w->keeps[i];
        verdict->has_kept_tombstone |= w->keeps[i] && !record.has_value;
    }
    w->counts->records_removed += b->record_count - verdict->kept_count;
    return 0;
}

/* The time from which the batch's tombstones may go, when it begins now; else -1. */
static int64_t horizon_of(const struct rewriting *w, struct bytes batch,
                          const struct verdict *verdict)
{
    const struct compact_parameters *p = w->parameters;
    if (!verdict->has_kept_tombstone || batch_has_delete_horizon(batch.data) ||
        batch_next_offset(batch.data) > p->map_until)
        return -1;
    return p->delete_retention_ms > INT64_MAX - p->now_ms ? INT64_MAX
                                                          : p->now_ms + p->delete_retention_ms;
}

static int keep_whole(struct rewriting *w, struct bytes batch)
{
    return compact_writer_batch(w->writer, batch);
}

static int keep_unread(struct rewriting *w, struct bytes batch)
{
    if (w->counts->batches_unreadable++ == 0)
        w->counts->unreadable_offset = batch_base_offset(batch.data);
    return keep_whole(w, batch);
}

static int leave_gap(struct rewriting *w, struct bytes batch)
{
    return compact_writer_gap(w->writer, batch_base_offset(batch.data),
                              batch_next_offset(batch.data), batch_leader_epoch(batch.data));
}

static int rewrite_opened(struct rewriting *w, const struct compact_batch *b)
{
    struct verdict verdict;
    int err = judge(w, b, &verdict);
    if (err != 0)
        return err;
    int64_t horizon_ms = horizon_of(w, b->whole, &verdict);
    if (verdict.kept_count == b->record_count && horizon_ms < 0)
        return keep_whole(w, b->whole);
    if (verdict.kept_count > 0)
        err = compact_batch_write(b, w->keeps, horizon_ms, &w->rewritten);
    if (err == ERR_TOO_LARGE)
        return keep_unread(w, b->whole);
    if (err != 0)
        return err;
    w->counts->has_changed = true;
    return verdict.kept_count == 0 ? leave_gap(w, b->whole)
                                   : keep_whole(w, bytes_of(w->rewritten.data, w->rewritten.size));
}

static int rewrite_batch(void *data, struct bytes batch)
{
    struct rewriting *w = data;
    struct compact_batch b;
    if (is_control(batch) || batch_base_offset(batch.data) >= w->parameters->map_until)
        return keep_whole(w, batch);
    if (is_empty(batch))
        return leave_gap(w, batch);
    int err = compact_batch_open(&b, batch, &w->records);
    if (err == UV_ENOMEM)
        return err;
    return err != 0 ? keep_unread(w, batch) : rewrite_opened(w, &b);
}

static void on_segment(void *data, const struct log_segment_view *view)
{
    struct rewriting *w = data;
    w->writer->first_wall_ms = view->meta.first_wall_ms;
    w->writer->index_interval_bytes = view->meta.index_interval_bytes;
}

int compact_rewrite(const struct compact_map *map, struct compact_sources *sources,
                    const struct compact_parameters *parameters, struct compact_writer *writer,
                    struct log_compact_counts *counts)
{
    struct rewriting w = {.map = map, .parameters = parameters, .writer = writer, .counts = counts};
    int err = scan_all(sources, on_segment, rewrite_batch, &w);
    if (err == 0)
        err = compact_writer_finish(writer);
    compact_room_close(&w.records);
    compact_room_close(&w.rewritten);
    free(w.keeps);
    return err;
}
