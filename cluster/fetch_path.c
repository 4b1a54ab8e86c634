/* Fetch on the side of a raft group: leaders, followers, epochs, nearer replicas.
 *
 * Everything applied is committed, so a partition's next offset is its high watermark, here and
 * on followers. A follower serves clients that asked by client.rack (KIP-392) while its lag is
 * within the limits; without the offset it lets them wait and then answers a high watermark not
 * below what they asked for, so that no client starts over. OFFSET_OUT_OF_RANGE is said only
 * below the log start, or by the leader, beyond what no replica has.
 *
 * Who stands in the gap that a forced recovery has left at the log's end waits like anybody at the
 * end, and is then handed a control batch behind which the end is (log_partition_gap_batch). */
#include "fetch_path.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "error_code.h"

static bool refuse(struct fetch_part *part, int16_t error_code)
{
    part->error_code = error_code;
    return false;
}

/* A level replica in the client's own site, when this node is in another one. */
static int32_t nearer_replica(const struct fetch_part *part, const struct repl_group_status *status)
{
    const struct broker *b = part->group->broker;
    if (part->rack[0] == '\0' || strcmp(part->rack, b->conf.site) == 0)
        return -1;
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_replica_status *replica = &status->replicas[i];
        if (strcmp(replica->member.site, part->rack) == 0 && replica->is_level &&
            (int64_t)replica->lag_entries <= b->conf.follower_fetch_lag_records_max &&
            (int64_t)replica->lag_ms <= b->conf.follower_fetch_lag_ms_max)
            return (int32_t)repl_raft_id_node(replica->member.raft_id);
    }
    return -1;
}

static bool check_epoch(struct fetch_part *part, int32_t epoch_here)
{
    if (part->leader_epoch < 0 || part->leader_epoch == epoch_here)
        return true;
    return refuse(part, part->leader_epoch < epoch_here ? KAFKA_ERROR_FENCED_LEADER_EPOCH
                                                        : KAFKA_ERROR_UNKNOWN_LEADER_EPOCH);
}

static bool check_on_leader(struct fetch_part *part, const struct partition *p,
                            const struct repl_group_status *status)
{
    if (!check_epoch(part, p->epoch_base + (int32_t)status->term))
        return false;
    if (part->offset < part->log_start_offset || part->offset > part->high_watermark)
        return refuse(part, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    if (part->may_follow)
        part->preferred_replica = nearer_replica(part, status);
    return part->preferred_replica < 0 && part->offset < part->high_watermark;
}

static bool is_lagging(const struct fetch_part *part, const struct repl_group_status *status)
{
    const struct broker *b = part->group->broker;
    uint64_t silent_ms = (clock_now_ns(&b->clock) - status->heard_ns) / 1000000;
    uint64_t lag_entries = status->heard_commit_index > status->applied_index
                               ? status->heard_commit_index - status->applied_index
                               : 0;
    return status->leader_node_id == 0 ||
           (int64_t)lag_entries > b->conf.follower_fetch_lag_records_max ||
           (int64_t)silent_ms > b->conf.follower_fetch_lag_ms_max + b->conf.gone_ms;
}

static bool check_on_follower(struct fetch_part *part, const struct partition *p,
                              const struct repl_group_status *status)
{
    if (!part->may_follow || part->rack[0] == '\0')
        return refuse(part, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    if (is_lagging(part, status) || repl_group_is_held(part->group->raft))
        return refuse(part, KAFKA_ERROR_OFFSET_NOT_AVAILABLE);
    if (!check_epoch(part, p->epoch_base + (int32_t)status->term))
        return false;
    if (part->offset < part->log_start_offset)
        return refuse(part, KAFKA_ERROR_OFFSET_OUT_OF_RANGE);
    if (part->offset > part->high_watermark) {
        part->high_watermark = part->offset; /* not here yet: wait, never a reset */
        return false;
    }
    return part->offset < part->high_watermark;
}

bool fetch_part_check(struct fetch_part *part)
{
    assert(shard_is_here(part->group->shard));
    const struct partition *p = machine_partition(part->group->machine, part->place.number);
    struct repl_group_status status;
    part->error_code = KAFKA_ERROR_NONE;
    part->high_watermark = part->log_start_offset = -1;
    part->preferred_replica = -1;
    if (p == NULL) /* not open yet, or just deleted: metadata tells */
        return refuse(part, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    if (p->is_shown_elsewhere) /* it moved: clients may look for it where it is now */
        return refuse(part, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    part->high_watermark = log_partition_next_offset(p->log);
    part->log_start_offset = log_partition_start_offset(p->log);
    repl_group_status(part->group->raft, &status);
    if (status.role == REPL_LEADER && !status.is_ready)
        return refuse(part, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    return status.role == REPL_LEADER ? check_on_leader(part, p, &status)
                                      : check_on_follower(part, p, &status);
}

int fetch_part_take(struct fetch_part *part, struct log_read *read)
{
    part->slices = malloc(read->slice_count * sizeof *part->slices);
    if (part->slices == NULL) {
        for (unsigned i = 0; i < read->slice_count; i++)
            slice_unref(&read->slices[i]);
        return UV_ENOMEM;
    }
    memcpy(part->slices, read->slices, read->slice_count * sizeof *part->slices);
    part->slice_count = read->slice_count;
    part->size_bytes = read->size_bytes;
    return 0;
}

/* Nothing to be answered for at once: who did not go on would ask for it again and again. */
int fetch_part_pass_gap(struct fetch_part *part)
{
    const struct partition *p = machine_partition(part->group->machine, part->place.number);
    struct slice batch;
    int status = p == NULL ? 0 : log_partition_gap_batch(p->log, part->offset, &batch);
    if (status != 1)
        return status;
    part->slices = malloc(sizeof batch);
    if (part->slices == NULL) {
        slice_unref(&batch);
        return UV_ENOMEM;
    }
    part->slices[0] = batch;
    part->slice_count = 1;
    return 0;
}

void fetch_part_drop(struct fetch_part *part)
{
    for (unsigned i = 0; i < part->slice_count; i++)
        slice_unref(&part->slices[i]);
    free(part->slices);
    part->slices = NULL;
    part->slice_count = 0;
    part->size_bytes = 0;
}
