/* What compaction does to bytes: a function of the segments and the step's parameters alone. */
#ifndef LOG_COMPACT_REWRITE_H
#define LOG_COMPACT_REWRITE_H

#include "compact_map.h"
#include "compact_write.h"
#include "log/compact.h"
#include "segment_read.h"

/* Parts of a COMPACTION_STEP that decide which records go. */
struct compact_parameters {
    int64_t map_from, map_until; /* the newest of each key in here makes older ones go */
    int64_t now_ms;              /* the leader's clock */
    int64_t delete_retention_ms;
    uint32_t key_count; /* in that range, at most */
    uint8_t seed[COMPACT_SEED_SIZE];
};

/* Segments to read: of a view's meta place, size and offsets need be known, and where it is sealed
 * the checksum, which is compared. */
struct compact_sources {
    struct log_segment_view *views; /* without a gap between them */
    unsigned count;
    unsigned failed; /* out, after ERR_CORRUPT: which of them */
};

/* Fills the map from [map_from, map_until); *until is where it was full, else map_until. 0;
 * ERR_CORRUPT: stored bytes fail their checksum; a disk error; UV_ENOMEM. */
int compact_fill_map(struct compact_map *map, struct compact_sources *sources, int64_t map_from,
                     int64_t map_until, int64_t *until);

/* Rewrites the sources into the writer. A batch whose records can't be known is kept as it is.
 * Errors as above, and the writer's. */
int compact_rewrite(const struct compact_map *map, struct compact_sources *sources,
                    const struct compact_parameters *parameters, struct compact_writer *writer,
                    struct log_compact_counts *counts);

#endif
