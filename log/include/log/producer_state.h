/* What a partition remembers of its idempotent producers (KIP-98): per producer id its epoch and
 * a window of the last 5 batches, so that a repeated batch is answered with the offset it got the
 * first time. Pure: changed by apply only, the same on every replica; bounded by a count, evicted
 * in entry order (least recently applied first). Part of the checkpoint. */
#ifndef LOG_PRODUCER_STATE_H
#define LOG_PRODUCER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define LOG_PRODUCER_WINDOW 5

enum log_producer_verdict {
    LOG_PRODUCER_NEW,       /* in order, or behind what a forced recovery has lost: append it, then
                               log_producer_record() */
    LOG_PRODUCER_DUPLICATE, /* seen: answer with the offset given */
    LOG_PRODUCER_OUT_OF_ORDER, /* a gap: OUT_OF_ORDER_SEQUENCE_NUMBER */
    LOG_PRODUCER_FENCED,       /* an older epoch: INVALID_PRODUCER_EPOCH */
    LOG_PRODUCER_UNKNOWN,      /* not its first batch and nothing known: UNKNOWN_PRODUCER_ID */
    LOG_PRODUCER_OLD_DUPLICATE /* repeated, older than the window: DUPLICATE_SEQUENCE_NUMBER */
};

/* The part of a record batch's header that matters here. */
struct log_producer_batch {
    int64_t producer_id; /* -1: not idempotent, always NEW */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t last_sequence; /* wraps to 0 after INT32_MAX */
    int64_t max_timestamp;
};

struct log_producer_state;

/* Returns owned (log_producer_state_destroy) or NULL. */
struct log_producer_state *log_producer_state_create(unsigned producer_count_max);
void log_producer_state_destroy(struct log_producer_state *s);

/* The verdict on a batch; *base_offset and *timestamp are set for a DUPLICATE. Changes nothing. */
enum log_producer_verdict log_producer_check(const struct log_producer_state *s,
                                             const struct log_producer_batch *batch,
                                             int64_t *base_offset, int64_t *timestamp);

/* The offset that its newest batch was given; -1: it is not known here. */
int64_t log_producer_last_offset(const struct log_producer_state *s, int64_t producer_id);

/* Is a batch NEW only because a forced recovery may have lost what came before it? */
bool log_producer_is_jump(const struct log_producer_state *s,
                          const struct log_producer_batch *batch);

/* Has a forced recovery met it? Where not, nothing is a jump. */
bool log_producer_is_stridden(const struct log_producer_state *s);

/* Remembers a NEW batch that was given `base_offset`. `wall_ms` is its entry's clock. Returns 0
 * or UV_ENOMEM, which must end the process: apply can't be left half done. */
int log_producer_record(struct log_producer_state *s, const struct log_producer_batch *batch,
                        int64_t base_offset, int64_t wall_ms);

/* Forgets producers whose last batch is older than `before_ms` (an entry says so). */
void log_producer_expire(struct log_producer_state *s, int64_t before_ms);

/* A forced recovery has lost what came last: each known producer may leave out sequences once, and
 * unknown ones with ids below `producer_id_end` may begin with any. */
void log_producer_stride(struct log_producer_state *s, int64_t producer_id_end);

unsigned log_producer_count(const struct log_producer_state *s);

/* Stored form, deterministic (in eviction order). size() bytes are written by encode(). */
size_t log_producer_state_encoded_size(const struct log_producer_state *s);
void log_producer_state_encode(const struct log_producer_state *s, uint8_t *into);
/* Replaces the contents; ERR_MALFORMED or UV_ENOMEM leave them empty. */
int log_producer_state_decode(struct log_producer_state *s, struct bytes from);

#endif
