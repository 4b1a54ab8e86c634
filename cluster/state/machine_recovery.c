/* What a forced recovery does to a group's state: every number that clients see moves on.
 *
 * Partitions that are on their way to another group are moved on like all others: there is no
 * telling how far the lost side had come with that. A CLOSE that this group had from metadata which
 * did not survive must not stand against what the surviving metadata wants from now on: who leads
 * from here on has heard of the recovery. */
#include <stdlib.h>

#include "base/err.h"
#include "cluster/recovery_entry.h"
#include "state/machine_parts.h"

/* 2,000 recoveries away: then the number stays. */
static int32_t raised(int32_t number, int32_t stride)
{
    return number <= INT32_MAX - stride ? number + stride : number;
}

static int stride_partition(struct partition *p, int64_t producer_id_end, int64_t wall_ms)
{
    int err = log_partition_stride(p->log, p->epoch_base, producer_id_end);
    if (err == UV_ENOMEM)
        return err;
    p->epoch_base = raised(p->epoch_base, RECOVERY_EPOCH_STRIDE);
    if (p->moved_index != 0)
        p->moved_epoch = raised(p->moved_epoch, RECOVERY_EPOCH_STRIDE);
#ifdef TRILOG_BREAK_RECOVER_WITH_MEMBERS
    return 0; /* on purpose wrong, for the simulation to find */
#endif
    if (p->consumers != NULL)
        consumer_table_stride(p->consumers, RECOVERY_GENERATION_STRIDE, wall_ms);
    return 0;
}

/* It begins as if it had been open, and empty, at each recovery: producer ids of before are below
 * as many strides as its offsets are behind. */
int machine_stride_to(struct partition *p, int64_t first_offset)
{
    int64_t strides = first_offset / LOG_OFFSET_STRIDE;
    int err = 0;
    while (err == 0 && log_partition_next_offset(p->log) < first_offset) {
        err = log_partition_stride(p->log, 0, strides * RECOVERY_PRODUCER_STRIDE);
        if (err == 0 && p->consumers != NULL)
            consumer_table_stride(p->consumers, RECOVERY_GENERATION_STRIDE, 0); /* without groups */
    }
    return err == UV_ENOMEM ? err : 0;
}

int machine_apply_recovery(struct machine *m, const struct log_entry *raft_entry,
                           struct machine_result *result)
{
    struct recovery_entry recovery;
    result->error = recovery_entry_decode(raft_entry->body.bytes, &recovery);
    if (result->error != 0)
        return 0;
    struct partition_entry *entry, *next;
    HASH_ITER(hh, m->partitions, entry, next)
    {
        int err = stride_partition(&entry->partition, recovery.producer_id_end, m->wall_ms);
        if (err != 0)
            return err;
    }
    m->closed_version = 0;
    if (m->options.metadata == NULL)
        return 0;
    m->has_metadata_changed = true;
    return metadata_apply_recovery(m->options.metadata, raft_entry->index, m->wall_ms, &recovery,
                                   &result->metadata);
}
