/* After a forced recovery a producer may leave out sequences: those that are lost. Whether it left
 * out one that it will send again is asked by having it send once more. */
#ifndef CLUSTER_PRODUCE_JUMP_H
#define CLUSTER_PRODUCE_JUMP_H

#include <stdbool.h>
#include <stdint.h>

#define PRODUCE_JUMPS_MAX 256

struct log_producer_batch;

/* A producer in a partition that was told to send again. */
struct produce_jump {
    int64_t producer_id;
    uint32_t partition;
    int16_t producer_epoch;
    bool is_used;
    bool is_let_through;     /* from here on apply alone judges */
    int32_t lowest_sequence; /* that was refused */
    uint64_t at_ms;          /* when it was first */
};

/* All zero: none. */
struct produce_jumps {
    struct produce_jump items[PRODUCE_JUMPS_MAX];
};

/* Is a batch that leaves out sequences to be refused, for its client to send it again behind what
 * it still has? The lowest one is let through when it comes again, or one below it. Where there is
 * no room to remember it, it is let through too. */
bool produce_jump_is_refused(struct produce_jumps *jumps, uint32_t partition,
                             const struct log_producer_batch *batch, uint64_t now_ms);

#endif
