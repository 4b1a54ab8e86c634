/* Reading a partition: from the tail at once, from segments on a worker.
 *
 * A tail read links what is there: per batch a 16-byte head of ours and the rest from the buffer
 * the producer's bytes arrived in. A cold read stays within one segment and one leader epoch; it
 * works on a copy of the segment's description and a reference, so that retention may drop the
 * segment meanwhile (the reader then has UV_ENOENT, or finishes on a file that is already open).
 * Files are opened for each cold read and closed again: an open costs a few microseconds, reading
 * and checking what is read hundreds, and no descriptor ever stays behind. */
#include <assert.h>
#include <stdlib.h>

#include "batch.h"
#include "partition_internal.h"

#define COLD_READ_BYTES_MAX (4 << 20) /* of one read, unless one batch is larger */

struct cold_read {
    struct log_segment *segment; /* referenced */
    struct log_segment_view view;
    struct log_segment_range range;
    unsigned mended_count; /* the segment's when the read began */
    bool is_index_flawed;  /* it was not used */
};

/* How many batches from `first` on a read takes. */
static unsigned count_batches(const struct log_partition *p, const struct log_read *req,
                              unsigned first)
{
    size_t size = 0;
    unsigned count = 0;
    while (first + count < p->tail.count && count < LOG_READ_SLICES_MAX / 2) {
        const struct log_tail_batch *b = log_tail_at(&p->tail, first + count);
        size += b->data.bytes.size;
        if (b->base_offset >= req->offset_max || (count > 0 && size > req->size_bytes_max))
            break;
        count++;
    }
    return count;
}

static void add_slice(struct log_read *req, struct buffer *owner, const uint8_t *data, size_t size)
{
    assert(req->slice_count < LOG_READ_SLICES_MAX);
    req->slices[req->slice_count++] = (struct slice){.owner = buffer_ref(owner),
                                                     .bytes = bytes_of(data, size)};
    req->size_bytes += size;
}

static int read_from_tail(struct log_partition *p, struct log_read *req)
{
    unsigned first = log_tail_find(&p->tail, req->offset);
    unsigned count = count_batches(p, req, first);
    if (count == 0)
        return 1;
    struct buffer *heads = buffer_create((size_t)count * BATCH_HEAD_SIZE);
    if (heads == NULL)
        return UV_ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        const struct log_tail_batch *b = log_tail_at(&p->tail, first + i);
        uint8_t *head = heads->data + (size_t)i * BATCH_HEAD_SIZE;
        batch_put_head(head, b->base_offset, b->data.bytes.size, b->leader_epoch);
        add_slice(req, heads, head, BATCH_HEAD_SIZE);
        add_slice(req, b->data.owner, b->data.bytes.data + BATCH_HEAD_SIZE,
                  b->data.bytes.size - BATCH_HEAD_SIZE);
    }
    buffer_unref(heads);
    return 1;
}

/* Has a compaction put another segment in its place meanwhile, whose file was gone? */
static bool is_replaced(const struct log_partition *p, const struct log_read *req,
                        const struct log_segment *segment)
{
    return req->status == UV_ENOENT && req->offset >= p->start_offset &&
           log_partition_segment_of(p, req->offset) != segment;
}

static int queue_cold(struct log_partition *p, struct log_read *req);

/* Back on the shard. */
static void finish_cold(struct work_item *item)
{
    struct log_read *req = item->data;
    struct cold_read *cold = req->cold;
    struct log_partition *p = req->partition;
    bool goes_on = is_replaced(p, req, cold->segment);
    assert(p->pending_reads > 0);
    p->pending_reads--;
    req->cold = NULL;
    req->status = log_partition_note_read(p, cold->segment, cold->mended_count, req->status);
    if (cold->is_index_flawed)
        log_partition_note_read(p, cold->segment, cold->mended_count, ERR_CORRUPT);
    log_segment_unref(cold->segment);
    free(cold);
    if (goes_on && !p->is_being_replaced)
        req->status = queue_cold(p, req);
    if (req->cold == NULL)
        req->cb(req, req->status);
}

/* On a worker. */
static void run_cold(struct work_item *item)
{
    struct log_read *req = item->data;
    struct cold_read *cold = req->cold;
    struct log_segment_reader reader;
    struct slice batches = {0};
    req->status = log_segment_reader_open(&reader, &cold->view);
    if (req->status == 0) {
        req->status = log_segment_read(&reader, &cold->range, &batches);
        cold->is_index_flawed = reader.is_index_flawed;
        log_segment_reader_close(&reader);
    }
    if (batches.bytes.size > 0) {
        req->slices[0] = batches;
        req->slice_count = 1;
        req->size_bytes = batches.bytes.size;
    }
    work_submit(req->home, item, finish_cold);
}

static struct log_segment_range range_of(const struct log_partition *p, const struct log_read *req)
{
    int64_t epoch_end;
    struct log_segment_range range = {.offset = req->offset,
                                      .offset_max = req->offset_max,
                                      .size_bytes_max = req->size_bytes_max};
    range.leader_epoch = log_epoch_table_at(&p->epochs, req->offset, &epoch_end);
    if (range.offset_max > epoch_end)
        range.offset_max = epoch_end;
    if (range.size_bytes_max > COLD_READ_BYTES_MAX)
        range.size_bytes_max = COLD_READ_BYTES_MAX;
    return range;
}

static int queue_cold(struct log_partition *p, struct log_read *req)
{
    struct cold_read *cold = malloc(sizeof *cold);
    if (cold == NULL)
        return UV_ENOMEM;
    cold->segment = log_segment_ref(log_partition_segment_of(p, req->offset));
    cold->view = (struct log_segment_view){
        .disk = p->disk, .id = p->id, .meta = cold->segment->written};
    cold->range = range_of(p, req);
    cold->mended_count = cold->segment->mended_count;
    cold->is_index_flawed = false;
    assert(req->offset < cold->view.meta.next_offset); /* else it would be in the tail */
    req->cold = cold;
    req->item.data = req;
    p->pending_reads++;
    work_submit(req->readers, &req->item, run_cold);
    return 0;
}

int log_partition_read(struct log_partition *p, struct log_read *req, log_read_cb cb)
{
    req->cb = cb;
    req->partition = p;
    req->slice_count = 0;
    req->size_bytes = 0;
    req->status = 0;
    if (req->offset < p->start_offset || req->offset >= p->next_offset)
        return ERR_OUT_OF_RANGE;
#ifdef TRILOG_BREAK_GAP_OUT_OF_RANGE
    if (log_partition_behind_gap(p, req->offset) != req->offset)
        return ERR_OUT_OF_RANGE; /* on purpose wrong, for the simulation to find */
#endif
    req->offset = log_partition_behind_gap(p, req->offset);
    if (req->offset >= log_tail_first_offset(&p->tail, p->next_offset))
        return read_from_tail(p, req);
    if (req->offset >= req->offset_max)
        return 1;
    if (p->pending_reads >= LOG_PENDING_READS_MAX || p->is_being_replaced || p->is_awaiting)
        return ERR_BUSY;
    return queue_cold(p, req);
}

unsigned log_partition_pending_reads(const struct log_partition *p)
{
    return p->pending_reads;
}
