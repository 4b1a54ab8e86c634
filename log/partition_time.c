/* Looking a record up by its timestamp (ListOffsets by time).
 *
 * The first segment whose largest timestamp reaches the wanted one has the answer, or the first
 * after it. The part of it that is in files is looked through on a worker, from where the time
 * index points; what is only in the tail is looked through on the shard. Both end at one batch,
 * whose records are then walked: an uncompressed batch gives the exact record, a compressed one
 * its first offset (we never decompress on the broker's way). */
#include <assert.h>
#include <stdlib.h>

#include "batch.h"
#include "partition_internal.h"
#include "time_index.h"

struct cold_lookup {
    struct log_segment *segment; /* referenced */
    struct log_segment_view view;
    int64_t from_offset;   /* records below don't count */
    unsigned mended_count; /* the segment's when the lookup began */
    bool is_found;
    bool is_index_flawed; /* one was not used */
};

struct record_time {
    int64_t offset, timestamp;
};

/* A zigzag varint of at most 10 bytes; false when it does not end in time. */
static bool read_varint(struct bytes_reader *r, int64_t *value)
{
    uint64_t raw = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = bytes_read_u8(r);
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
            return !r->is_bad;
        }
    }
    return false;
}

static bool next_record(struct bytes_reader *r, int64_t *timestamp_delta, int64_t *offset_delta)
{
    int64_t length;
    if (!read_varint(r, &length) || length < 0)
        return false;
    struct bytes_reader record = bytes_reader_of(bytes_read(r, (size_t)length));
    bytes_read_u8(&record); /* attributes, unused */
    return !r->is_bad && read_varint(&record, timestamp_delta) &&
           read_varint(&record, offset_delta);
}

/* The first record of the batch at or after both; false when there is none. `base_offset` is the
 * log's: in the tail the batch's own field has not been written. */
static bool find_record(struct bytes batch, int64_t base_offset, int64_t timestamp,
                        int64_t from_offset, struct record_time *found)
{
    uint16_t attributes = batch_attributes(batch.data);
    int64_t max_timestamp = batch_max_timestamp(batch.data);
    if (max_timestamp < timestamp)
        return false;
    if (attributes & (BATCH_LOG_APPEND_TIME | BATCH_COMPRESSION_MASK)) {
        found->offset = base_offset > from_offset ? base_offset : from_offset;
        found->timestamp = max_timestamp;
        return true;
    }
    struct bytes_reader r = bytes_reader_of(
        bytes_of(batch.data + BATCH_RECORDS_FROM, batch.size - BATCH_RECORDS_FROM));
    int64_t timestamp_delta, offset_delta;
    while (next_record(&r, &timestamp_delta, &offset_delta)) {
        found->offset = base_offset + offset_delta;
        found->timestamp = (int64_t)((uint64_t)batch_base_timestamp(batch.data) +
                                     (uint64_t)timestamp_delta);
        if (found->timestamp >= timestamp && found->offset >= from_offset)
            return true;
    }
    return false;
}

/* Walks the view's batches from `place` on, checking each that may answer. */
static int walk_view(struct log_segment_reader *r, struct log_batch_place place,
                     struct log_time_lookup *req, struct cold_lookup *cold)
{
    for (;;) {
        if (place.max_timestamp >= req->timestamp_ms && place.next_offset > cold->from_offset) {
            struct log_segment_range one = {
                .offset = place.base_offset, .offset_max = INT64_MAX, .leader_epoch = -1};
            struct record_time found;
            struct slice batch;
            int err = log_segment_read(r, &one, &batch);
            if (err != 0)
                return err;
            cold->is_found = find_record(batch.bytes, place.base_offset, req->timestamp_ms,
                                         cold->from_offset, &found);
            slice_unref(&batch);
            if (cold->is_found) {
                req->offset = found.offset;
                req->found_timestamp_ms = found.timestamp;
                return 0;
            }
        }
        uint32_t position = place.position + place.size;
        if (position >= r->view.meta.size_bytes)
            return 0;
        int err = log_segment_place_at(r, position, place.next_offset, &place);
        if (err != 0)
            return err;
    }
}

static int look_through_view(struct log_time_lookup *req, struct cold_lookup *cold)
{
    int64_t offset;
    struct log_batch_place place;
    struct log_segment_reader reader;
    int err = log_time_index_lookup(cold->view.disk, &cold->view.id, &cold->view.meta,
                                    req->timestamp_ms, &offset);
    cold->is_index_flawed = log_is_damage(err);
    if (err == 0 || cold->is_index_flawed)
        err = log_segment_reader_open(&reader, &cold->view);
    if (err != 0)
        return err;
    if (offset < cold->from_offset)
        offset = cold->from_offset;
    err = log_segment_find(&reader, offset, &place);
    if (err == 0)
        err = walk_view(&reader, place, req, cold);
    cold->is_index_flawed |= reader.is_index_flawed;
    log_segment_reader_close(&reader);
    return err;
}

/* On a worker. */
static void finish_cold(struct work_item *item);
static void run_cold(struct work_item *item)
{
    struct log_time_lookup *req = item->data;
    req->status = look_through_view(req, req->cold);
    work_submit(req->home, item, finish_cold);
}

static int queue_cold(struct log_partition *p, struct log_time_lookup *req, struct log_segment *s,
                      int64_t from_offset)
{
    struct cold_lookup *cold = malloc(sizeof *cold);
    if (cold == NULL)
        return UV_ENOMEM;
    *cold = (struct cold_lookup){.segment = log_segment_ref(s),
                                 .view = {.disk = p->disk, .id = p->id, .meta = s->written},
                                 .from_offset = from_offset,
                                 .mended_count = s->mended_count};
    req->cold = cold;
    req->item.data = req;
    p->pending_reads++;
    work_submit(req->readers, &req->item, run_cold);
    return 0;
}

static int look_through_tail(const struct log_partition *p, struct log_time_lookup *req,
                             int64_t from_offset)
{
    for (unsigned i = log_tail_find(&p->tail, from_offset); i < p->tail.count; i++) {
        const struct log_tail_batch *b = log_tail_at(&p->tail, i);
        struct record_time found;
        if (b->max_timestamp >= req->timestamp_ms &&
            find_record(b->data.bytes, b->base_offset, req->timestamp_ms, from_offset, &found)) {
            req->offset = found.offset;
            req->found_timestamp_ms = found.timestamp;
            break;
        }
    }
    return 1;
}

/* Goes on from `from_offset`: 1 when answered, 0 when queued, or an error. */
static int step(struct log_partition *p, struct log_time_lookup *req, int64_t from_offset)
{
    if (from_offset < p->start_offset)
        from_offset = p->start_offset;
    int64_t tail_offset = log_tail_first_offset(&p->tail, p->next_offset);
    for (unsigned i = 0; i < p->segments.count; i++) {
        struct log_segment *s = p->segments.items[i];
        if (s->max_timestamp < req->timestamp_ms || s->next_offset <= from_offset)
            continue;
        int64_t from = from_offset;
        if (from < s->written.base_offset)
            from = s->written.base_offset;
        if (from >= tail_offset)
            return look_through_tail(p, req, from);
        if (from < s->written.next_offset)
            return queue_cold(p, req, log_partition_segment_of(p, from), from);
    }
    return 1;
}

static void finish_cold(struct work_item *item)
{
    struct log_time_lookup *req = item->data;
    struct log_partition *p = req->partition;
    struct cold_lookup *cold = req->cold;
    bool is_done = req->status != 0 || cold->is_found;
    int64_t next_offset = cold->view.meta.next_offset;
    if (req->status == UV_ENOENT && cold->from_offset >= p->start_offset &&
        log_partition_segment_of(p, cold->from_offset) != cold->segment) {
        is_done = false; /* a compaction has put another one in its place meanwhile */
        next_offset = cold->from_offset;
        req->status = 0;
    }
    assert(p->pending_reads > 0);
    req->status = log_partition_note_read(p, cold->segment, cold->mended_count, req->status);
    if (cold->is_index_flawed)
        log_partition_note_read(p, cold->segment, cold->mended_count, ERR_CORRUPT);
    p->pending_reads--;
    req->cold = NULL;
    log_segment_unref(cold->segment);
    free(cold);
    int stepped = is_done ? 1 : step(p, req, next_offset);
    if (stepped == 0)
        return; /* queued again: another segment, or what was flushed meanwhile */
    req->cb(req, stepped < 0 ? stepped : req->status);
}

int log_partition_find_time(struct log_partition *p, struct log_time_lookup *req,
                            log_time_lookup_cb cb)
{
    req->cb = cb;
    req->partition = p;
    req->status = 0;
    req->offset = -1;
    req->found_timestamp_ms = -1;
    if (p->pending_reads >= LOG_PENDING_READS_MAX || p->is_being_replaced || p->is_awaiting)
        return ERR_BUSY;
    return step(p, req, p->start_offset);
}
