/* The gap that a forced recovery leaves in a partition's offsets.
 *
 * Who lost a majority of its replicas can't know which offsets the lost ones have given since. So
 * the next offset moves on to a place that they can't have reached: the next multiple of
 * LOG_OFFSET_STRIDE. Nothing stands between; a segment's offsets are 32 bits relative to its base,
 * so a new segment begins there, and that is all that tells a gap: a segment, or the log's end, at
 * a multiple of the stride and not where the segment before it ends.
 *
 *   segments   [0 … 1200)              [2^40 … 2^40 + 70)
 *   epochs      3 from 0                1048580 from 2^40
 *
 * What is asked for within the gap is what comes behind it. As long as nothing does, readers can be
 * handed a control batch of the gap's last offset, which no client shows to its program: so their
 * position comes to the log's end, and they know that it is the end. It is made when it is asked
 * for, and stands in no file. The log's start may lie in a gap (retention has taken all before it),
 * so that a consumer that waits there is never thrown back. */
#include <assert.h>
#include <string.h>

#include "compact_record.h"
#include "partition_internal.h"
#include "producer_state_hook.h"

bool log_offset_may_follow(int64_t offset, int64_t end)
{
    return offset == end || (offset > end && offset % LOG_OFFSET_STRIDE == 0);
}

/* The table says where the lost side's epochs ended: here. Without an entry it would say that it
 * knows of none, and clients would take all that they have read for undone. */
static int close_epochs(struct log_partition *p, int32_t epoch)
{
    return log_epoch_table_last(&p->epochs) < 0
               ? log_epoch_table_add(&p->epochs, epoch, p->next_offset)
               : 0;
}

int log_partition_stride(struct log_partition *p, int32_t epoch, int64_t producer_id_end)
{
    assert(epoch >= 0);
    int64_t strides = p->next_offset / LOG_OFFSET_STRIDE;
    if (strides >= INT64_MAX / LOG_OFFSET_STRIDE - 1)
        return ERR_INVALID;
    int err = close_epochs(p, epoch);
    if (err != 0)
        return err;
#ifdef TRILOG_BREAK_RECOVER_WITHOUT_STRIDE
    return 0; /* on purpose wrong, for the simulation to find: it goes on where its own log ends */
#endif
    if (p->flushed_offset == p->next_offset)
        p->flushed_offset = (strides + 1) * LOG_OFFSET_STRIDE;
    if (p->segments.count > 0)
        p->segments.items[p->segments.count - 1]->is_sealed = true;
    p->next_offset = (strides + 1) * LOG_OFFSET_STRIDE;
    log_producer_stride(p->producers, producer_id_end);
    log_partition_changed(p);
    return 0;
}

/* The last segment that begins at or before the offset; -1: none. */
static int segment_before(const struct log_partition *p, int64_t offset)
{
    int low = -1, high = (int)p->segments.count;
    while (low + 1 < high) {
        int middle = low + (high - low) / 2;
        if (p->segments.items[middle]->written.base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t log_partition_behind_gap(const struct log_partition *p, int64_t offset)
{
    int at = segment_before(p, offset);
    if (offset >= p->next_offset || (at >= 0 && offset < p->segments.items[at]->next_offset))
        return offset;
    if (at + 1 < (int)p->segments.count)
        return p->segments.items[at + 1]->written.base_offset;
    return p->next_offset;
}

#define MARKER_SIZE (BATCH_RECORDS_FROM + 17)

/* The end of nobody's transaction, as every client since KIP-98 knows it; and an empty batch, as
 * compaction leaves them, is not enough for each of them to go on (kafkajs). */
static void write_marker(uint8_t batch[MARKER_SIZE], int64_t offset, int32_t leader_epoch)
{
    static const uint8_t record[MARKER_SIZE - BATCH_RECORDS_FROM] = {
        32, 0, 0, 0,          /* size, attributes, timestamp, offset */
        8,  0, 0, 0, 1,       /* key: version 0, type 1: commit */
        12, 0, 0, 0, 0, 0, 0, /* value: version 0, coordinator's epoch 0 */
        0};                   /* headers */
    memset(batch, 0, MARKER_SIZE);
    batch_put_head(batch, offset, MARKER_SIZE, leader_epoch);
    batch[16] = BATCH_MAGIC;
    bytes_put_be16(batch + 21, BATCH_CONTROL);
    memset(batch + 27, 0xff, 30); /* no timestamps, no producer, no sequence */
    bytes_put_be32(batch + 57, 1);
    memcpy(batch + BATCH_RECORDS_FROM, record, sizeof record);
    bytes_put_be32(batch + 17,
                   crc32c(0, bytes_of(batch + BATCH_CRC_FROM, MARKER_SIZE - BATCH_CRC_FROM)));
}

int log_partition_gap_batch(const struct log_partition *p, int64_t offset, struct slice *batch)
{
    int64_t end = p->next_offset, epoch_end;
    if (offset >= end || log_partition_behind_gap(p, offset) != end)
        return 0;
    struct buffer *made = buffer_create(MARKER_SIZE);
    if (made == NULL)
        return UV_ENOMEM;
    write_marker(made->data, end - 1, log_epoch_table_at(&p->epochs, end - 1, &epoch_end));
    *batch = (struct slice){.owner = made, .bytes = bytes_of(made->data, MARKER_SIZE)};
    return 1;
}

int64_t log_partition_count_between(const struct log_partition *p, int64_t from, int64_t until)
{
    int64_t count = 0;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        int64_t first = from > s->written.base_offset ? from : s->written.base_offset;
        int64_t end = until < s->next_offset ? until : s->next_offset;
        if (end > first)
            count += end - first;
    }
    return count;
}

bool log_partition_gap(const struct log_partition *p, int64_t offset, int64_t *from, int64_t *until)
{
    *from = p->start_offset;
    if (p->next_offset < LOG_OFFSET_STRIDE)
        return false; /* as of nearly all */
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        *until = s->written.base_offset;
        if (*until > *from && *until > offset)
            return true;
        if (s->next_offset > *from)
            *from = s->next_offset;
    }
    *until = p->next_offset;
    return *until > *from && *until > offset;
}
