/* Two logs of one partition: of a replica that a forced recovery left behind, and of those that
 * went on.
 *
 *   old    epoch 3 [0 … 700)  [700 … 1000)  epoch 4 [1000 … 1200)
 *   live   epoch 3 [0 … 700)  gap           epoch 1048580 [2^40 …)
 *                             '-- they part here
 *
 * One epoch is one leader's (Raft: one leader a term), so what two logs have of it is the same, as
 * far as both have it. The live table says that the epoch reaches to the end of the gap
 * (partition_stride.c), so where the gap begins is asked of the segments. */
#include "log/salvage.h"

#include <string.h>

#include "base/err.h"
#include "batch.h"
#include "compact_unpack.h"
#include "partition_internal.h"

/* How far the log goes on from that offset without a gap. */
static int64_t unbroken_end(const struct log_partition *p, int64_t from)
{
    int64_t end = from;
    for (unsigned i = 0; i < p->segments.count; i++) {
        const struct log_segment *s = p->segments.items[i];
        if (s->written.base_offset > end)
            break;
        if (s->next_offset > end)
            end = s->next_offset;
    }
    return end;
}

static int64_t epoch_end(const struct log_partition *p, unsigned place)
{
    return place + 1 < p->epochs.count ? p->epochs.entries[place + 1].start_offset : p->next_offset;
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Where the two part within an epoch that both have. */
static int64_t part_within(const struct log_partition *old, unsigned old_place,
                           const struct log_partition *live, unsigned live_place)
{
    int64_t from = greater(live->epochs.entries[live_place].start_offset, live->start_offset);
    bool begins_in_gap = from == live->start_offset && log_partition_behind_gap(live, from) != from;
    if (begins_in_gap && from > live->epochs.entries[live_place].start_offset)
        return old->epochs.entries[old_place].start_offset;
    int64_t live_end = lesser(epoch_end(live, live_place), unbroken_end(live, from));
    return lesser(epoch_end(old, old_place), live_end);
}

int64_t log_partition_parting(const struct log_partition *old, const struct log_partition *live)
{
    unsigned i = old->epochs.count, j = live->epochs.count;
    while (i > 0 && j > 0 && old->epochs.entries[i - 1].epoch != live->epochs.entries[j - 1].epoch)
        if (old->epochs.entries[i - 1].epoch > live->epochs.entries[j - 1].epoch)
            i--;
        else
            j--;
    if (i == 0 || j == 0)
        return old->start_offset;
    int64_t parting = greater(part_within(old, i - 1, live, j - 1), old->start_offset);
    return log_partition_behind_gap(old, parting);
}

int64_t log_partition_behind(const struct log_partition *p, int32_t leader_epoch, int64_t offset)
{
    for (unsigned i = 0; i < p->epochs.count; i++) {
        const struct log_epoch *e = &p->epochs.entries[i];
        if (e->epoch > leader_epoch)
            return e->start_offset;
        if (e->epoch == leader_epoch)
            return lesser(greater(e->start_offset, offset + 1), epoch_end(p, i));
    }
    return p->next_offset;
}

int log_batch_unpack(struct bytes batch, struct slice *plain)
{
    struct compact_room room = {0};
    if (batch.size < BATCH_RECORDS_FROM)
        return ERR_MALFORMED;
    unsigned attributes = batch_attributes(batch.data);
    struct bytes packed = bytes_of(batch.data + BATCH_RECORDS_FROM,
                                   batch.size - BATCH_RECORDS_FROM);
    int err = compact_unpack(attributes & BATCH_COMPRESSION_MASK, packed, &room);
    struct buffer *owner = err == 0 ? buffer_create(BATCH_RECORDS_FROM + room.size) : NULL;
    if (err == 0 && owner == NULL)
        err = UV_ENOMEM;
    if (err == 0) {
        size_t size = BATCH_RECORDS_FROM + room.size;
        memcpy(owner->data, batch.data, BATCH_RECORDS_FROM);
        memcpy(owner->data + BATCH_RECORDS_FROM, room.data, room.size);
        bytes_put_be32(owner->data + 8, (uint32_t)(size - BATCH_LENGTH_FROM));
        bytes_put_be16(owner->data + 21,
                       (uint16_t)(attributes & ~(unsigned)BATCH_COMPRESSION_MASK));
        *plain = (struct slice){.owner = owner, .bytes = bytes_of(owner->data, size)};
    }
    compact_room_close(&room);
    return err;
}
