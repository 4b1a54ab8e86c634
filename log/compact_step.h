/* A COMPACTION_STEP entry's body: what is read, by which rule, what comes out. */
#ifndef LOG_COMPACT_STEP_H
#define LOG_COMPACT_STEP_H

#include "compact_rewrite.h"
#include "partition_internal.h"

#define COMPACT_OUTPUTS_MAX 100000

struct compact_step {
    uint32_t version;                  /* number of this step: one above the partition's */
    int64_t target_from, target_until; /* segments that are replaced; empty: none, only the state */
    uint32_t
        segments_crc; /* over the segments that are replaced and mapped: compact_segments_crc */
    struct compact_parameters parameters;
    struct log_compact_state after;   /* the partition's state when it is applied */
    struct log_segment_meta *outputs; /* freed by compact_step_close */
    uint32_t output_count;
};

/* Returns owned bytes, or an empty slice without memory. */
struct slice compact_step_encode(const struct compact_step *step);
/* Checked, also that the outputs follow each other from target_from to target_until. ERR_VERSION,
 * ERR_MALFORMED, UV_ENOMEM. */
int compact_step_decode(struct bytes from, struct compact_step *step);
void compact_step_close(struct compact_step *step);

/* Segments [first, first + count) of a partition. */
struct compact_span {
    unsigned first, count;
};
/* The sealed segments over [from, until). Exactly: they begin and end there. False when there are
 * none that fit; an empty range is an empty span. */
bool compact_span_of(const struct log_partition *p, int64_t from, int64_t until, bool is_exact,
                     struct compact_span *span);

/* Continues `crc` over what is known of a segment on every replica alike, flushed or not. */
uint32_t compact_meta_crc(uint32_t crc, const struct log_segment_meta *meta);
uint32_t compact_segments_crc(uint32_t crc, const struct log_partition *p,
                              struct compact_span span);

#endif
