/* A batch whose sequence does not follow, after a forced recovery.
 *
 * What comes before it may be lost, acknowledged or not: then nobody sends that again, and the
 * batch is right. Or its client has that still, and sends it a moment later: librdkafka, whose
 * requests to the lost leader have just timed out, may send what stands behind them first, for it
 * relies on being told that there is a gap. Taken, the gap would be closed for ever, and librdkafka
 * takes the success of a later batch for that of all before it: a record would be acknowledged that
 * is nowhere.
 *
 * So the first such batch is told to look for the leader. A client sends all that it has again
 * then, in its order: the lowest sequence comes first, and is let through.
 *
 * Only this leader knows of it: another one asks again. */
#include "produce_jump.h"

#include "log/producer_state.h"

#define PROBES_MAX  8
#define FORGET_MS   60000 /* somebody else's that is older gives its place */
#define HALF_CIRCLE (UINT32_C(1) << 30)

static bool is_of(const struct produce_jump *jump, uint32_t partition,
                  const struct log_producer_batch *batch)
{
    return jump->is_used && jump->producer_id == batch->producer_id &&
           jump->partition == partition && jump->producer_epoch == batch->producer_epoch;
}

/* NULL: there is no room. */
static struct produce_jump *place_of(struct produce_jumps *jumps, uint32_t partition,
                                     const struct log_producer_batch *batch, uint64_t now_ms)
{
    uint64_t mixed = ((uint64_t)batch->producer_id << 20 ^ partition) * 0x9e3779b97f4a7c15u;
    struct produce_jump *room = NULL;
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        struct produce_jump *jump = &jumps->items[((mixed >> 32) + i) % PRODUCE_JUMPS_MAX];
        if (is_of(jump, partition, batch))
            return jump;
        if (room == NULL && (!jump->is_used || now_ms - jump->at_ms > FORGET_MS))
            room = jump;
    }
    if (room != NULL)
        room->is_used = false;
    return room;
}

static bool is_not_behind(int32_t sequence, int32_t other)
{
    return (((uint32_t)other - (uint32_t)sequence) & INT32_MAX) < HALF_CIRCLE;
}

bool produce_jump_is_refused(struct produce_jumps *jumps, uint32_t partition,
                             const struct log_producer_batch *batch, uint64_t now_ms)
{
    struct produce_jump *jump = place_of(jumps, partition, batch, now_ms);
    if (jump == NULL)
        return false;
    if (!jump->is_used) {
        *jump = (struct produce_jump){.producer_id = batch->producer_id,
                                      .partition = partition,
                                      .producer_epoch = batch->producer_epoch,
                                      .is_used = true,
                                      .lowest_sequence = batch->base_sequence,
                                      .at_ms = now_ms};
        return true;
    }
    jump->is_let_through |= is_not_behind(batch->base_sequence, jump->lowest_sequence);
    return !jump->is_let_through;
}
