/* Steps that have been applied and whose segments are not made yet. */
#ifndef LOG_COMPACT_DUE_H
#define LOG_COMPACT_DUE_H

#include "compact_step.h"

/* A step on its partition's list, oldest first; a later one may read what an earlier one makes. */
struct log_compaction {
    struct log_compaction *next;
    struct compact_step step;
    struct log_segment **inputs;    /* referenced: the replaced ones, then the mapped ones */
    struct log_segment_view *views; /* of the same, as they are when they are flushed */
    unsigned target_count, input_count;
    struct log_segment **outputs; /* referenced, step.output_count */
    bool is_different; /* after it was run: they did not come out as the step says, and are not
                          there */
};

/* Frees steps that nobody carries out any more. NULL is allowed. */
void compact_due_destroy(struct log_compaction *list);

/* The replaced segment that holds `offset`, whose own step may be due as well. */
struct log_segment *compact_due_input(const struct log_compaction *c, int64_t offset);

/* The lowest offset that a due step reads and that is not in files yet; `otherwise` if none. */
int64_t compact_due_unflushed(const struct log_partition *p, int64_t otherwise);

/* On a worker, after everything before is in files: makes the step's segments, or finds that they
 * come out otherwise here (what they are made of is damaged, say) and leaves them out. 0,
 * UV_ENOMEM, a disk error; without room what was made is taken away again. */
int compact_due_run(const struct disk *disk, const struct log_partition_id *id,
                    struct log_compaction *c);

/* On the shard: the oldest `count` steps have been carried out. Segments that were left out are
 * suspected: the repair fetches them from a replica that has them, the leader first; so are those
 * that were read and stay. */
void compact_due_finish(struct log_partition *p, unsigned count);

#endif
