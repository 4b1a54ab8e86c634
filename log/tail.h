/* A partition's newest batches, in memory, linked by reference. */
#ifndef LOG_TAIL_H
#define LOG_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

struct log_tail_batch {
    int64_t base_offset, next_offset;
    int64_t max_timestamp; /* of its records */
    struct slice data; /* the whole batch as received; the first 16 bytes are not the stored ones */
    int32_t leader_epoch;
};

/* A ring of batches in offset order. The first `flushed_count` are in segments already. */
struct log_tail {
    struct log_tail_batch *ring;
    unsigned capacity;      /* 0 or a power of two */
    unsigned first, count;  /* ring position of the oldest; batches held */
    unsigned flushed_count; /* of the oldest ones */
    size_t owner_bytes;     /* whole buffers held, each counted once per run of batches in it */
    size_t unflushed_bytes; /* batch bytes that are not in segments */
};

void log_tail_close(struct log_tail *t);

/* Takes a reference on batch->data. 0 or UV_ENOMEM. */
int log_tail_push(struct log_tail *t, const struct log_tail_batch *batch);

/* index < count; valid until the next push or drop. */
const struct log_tail_batch *log_tail_at(const struct log_tail *t, unsigned index);

/* The batch that contains `offset`, or the first after it; `count` when there is none. */
unsigned log_tail_find(const struct log_tail *t, int64_t offset);

/* First offset held; `otherwise` when the tail is empty. */
int64_t log_tail_first_offset(const struct log_tail *t, int64_t otherwise);

/* All batches that begin below `offset` are in segments now. */
void log_tail_mark_flushed(struct log_tail *t, int64_t offset);

/* Forgets the oldest batch, flushed or not. */
void log_tail_drop_first(struct log_tail *t);

#endif
