/* What is to be done next for a partition that moves, seen from one replica. */
#include "cluster/move_step.h"

#include <string.h>

#include "base/err.h"
#include "cluster/move_entry.h"

bool move_closes_again(const struct metadata_move *move, uint32_t group_id)
{
    return move->from.group_id == group_id && move->phase == METADATA_MOVE_OPENING &&
           move->index == 0;
}

static unsigned tasks_of_old(const struct metadata_move *move, const struct move_replica *here)
{
    const struct partition *p = machine_partition(here->machine, move->from.number);
    bool is_leader = machine_is_ready(here->machine);
    bool is_closed = p != NULL && p->moved_index != 0;
    bool is_awaited = move->phase == METADATA_MOVE_CLOSING ||
                      move_closes_again(move, here->group_id);
    unsigned tasks = 0;
    if (is_closed && here->checkpoint_index < p->moved_index)
        tasks |= MOVE_CHECKPOINT;
    if (is_leader && is_awaited && p != NULL)
        tasks |= is_closed ? MOVE_REPORT_CLOSED : MOVE_PROPOSE_OUT;
    if (is_leader && move->phase == METADATA_MOVE_SETTLING && !move->is_retired)
        tasks |= p != NULL ? MOVE_PROPOSE_CLOSE : MOVE_REPORT_RETIRED;
    return tasks;
}

static bool is_taken(const struct metadata_move *move, uint32_t node_id)
{
    for (unsigned i = 0; i < move->taken_count; i++)
        if (move->taken_by[i] == node_id)
            return true;
    return false;
}

/* A checkpoint that has the partition has its files: the store makes none before. */
static unsigned tasks_of_new(const struct metadata_move *move, const struct move_replica *here)
{
    const struct partition *p = machine_partition(here->machine, move->to.number);
    bool is_leader = machine_is_ready(here->machine);
    if (p == NULL) {
        bool may_open = is_leader && move->phase == METADATA_MOVE_OPENING && move->index != 0;
        return may_open ? MOVE_OPEN : 0;
    }
    unsigned tasks = 0;
    if (log_partition_has_files(p->log) && here->checkpoint_index < p->opened_index)
        tasks |= MOVE_CHECKPOINT;
    else if (log_partition_has_files(p->log) && !is_taken(move, here->node_id))
        tasks |= MOVE_REPORT_TAKEN;
    if (is_leader && move->phase == METADATA_MOVE_SETTLING && !move->is_settled)
        tasks |= log_partition_source(p->log).group_id != 0 ? MOVE_PROPOSE_SETTLE
                                                            : MOVE_REPORT_SETTLED;
    return tasks;
}

unsigned move_tasks(const struct metadata_move *move, const struct move_replica *here)
{
    if (here->group_id == move->from.group_id)
        return tasks_of_old(move, here);
    return here->group_id == move->to.group_id ? tasks_of_new(move, here) : 0;
}

uint32_t move_entry_body(const struct metadata_move *move, enum move_task task,
                         const struct move_replica *here, uint64_t metadata_version,
                         uint8_t body[PARTITION_STATE_SIZE])
{
    bool is_new = task == MOVE_PROPOSE_SETTLE;
    uint32_t number = is_new ? move->to.number : move->from.number;
    const struct partition *p = machine_partition(here->machine, number);
    struct partition_state state = {.action = task == MOVE_PROPOSE_OUT     ? PARTITION_MOVE_OUT
                                              : task == MOVE_PROPOSE_CLOSE ? PARTITION_CLOSE
                                                                           : PARTITION_MOVE_SETTLE,
                                    .id = p->id,
                                    .settings = p->settings,
                                    .metadata_version = metadata_version};
    partition_state_encode(&state, body);
    return number;
}

struct metadata_change move_report(const struct metadata_move *move, enum move_task task,
                                   const struct move_replica *here)
{
    struct metadata_change change = {.kind = METADATA_MOVE};
    struct metadata_move_change *c = &change.move;
    memcpy(change.id, move->topic_id, sizeof change.id);
    c->partition = move->partition;
    c->number = move->to.number;
    if (task == MOVE_REPORT_TAKEN) {
        c->step = METADATA_MOVE_TAKEN;
        c->node_id = here->node_id;
    } else if (task == MOVE_REPORT_SETTLED) {
        c->step = METADATA_MOVE_SETTLED;
    } else {
        c->step = task == MOVE_REPORT_CLOSED ? METADATA_MOVE_CLOSED : METADATA_MOVE_RETIRED;
        c->number = move->from.number;
    }
    if (task == MOVE_REPORT_CLOSED) {
        const struct partition *p = machine_partition(here->machine, move->from.number);
        c->epoch = p->moved_epoch;
        c->index = p->moved_index;
        c->offset = log_partition_next_offset(p->log);
    }
    return change;
}

int64_t move_opening_piece(const struct move_opening *opening, uint32_t position,
                           struct slice *body)
{
    const struct metadata_move *move = opening->move;
    size_t left = opening->state.size - position;
    struct move_in in = {.state = {.action = PARTITION_MOVE_IN,
                                   .flags = opening->flags,
                                   .start_offset = move->offset > opening->first_offset
                                                       ? move->offset
                                                       : opening->first_offset,
                                   .epoch_base = move->to.epoch_base,
                                   .settings = opening->settings,
                                   .metadata_version = opening->metadata_version},
                         .from_group = move->from.group_id,
                         .from_index = move->index,
                         .total_size = (uint32_t)opening->state.size,
                         .position = position};
    memcpy(in.state.id.topic_id, move->topic_id, sizeof in.state.id.topic_id);
    in.state.id.partition = move->partition;
    in.piece = bytes_of(opening->state.data + position,
                        left < MOVE_IN_PIECE_MAX ? left : MOVE_IN_PIECE_MAX);
    struct buffer *buffer = buffer_create(MOVE_IN_HEAD_SIZE + in.piece.size);
    if (buffer == NULL)
        return UV_ENOMEM;
    size_t size = move_in_encode(&in, buffer->data);
    *body = (struct slice){.owner = buffer, .bytes = bytes_of(buffer->data, size)};
    return (int64_t)(position + in.piece.size);
}
