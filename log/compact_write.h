/* Segments that a compaction makes: batches go in in offset order, descriptions come out. */
#ifndef LOG_COMPACT_WRITE_H
#define LOG_COMPACT_WRITE_H

#include "compact_record.h"
#include "segment.h"

struct compact_writer {
    const struct disk *disk; /* NULL: nothing is written, only described */
    struct log_partition_id id;
    uint32_t version;
    int64_t segment_bytes; /* where a segment ends, when that is decided here */
    /* Where segments end when an entry has decided it: their descriptions, else NULL. */
    const struct log_segment_meta *planned;
    unsigned planned_count;
    struct log_segment_meta *metas; /* out: the segments; freed by compact_writer_close */
    unsigned count, capacity;
    int64_t first_wall_ms;         /* for segments that begin from here on */
    uint32_t index_interval_bytes; /* likewise */
    int64_t gap_from, gap_until;   /* removed offsets that no batch covers yet; empty: none */
    int32_t gap_epoch;
    struct disk_file *file;                     /* of the open segment, or NULL */
    struct log_index_entries index, time_index; /* of the open segment */
    uint8_t *chunk;                             /* bytes on their way to the file */
    size_t chunk_size;
};

/* 0 or UV_ENOMEM. The caller has set everything up to planned_count. */
int compact_writer_init(struct compact_writer *w);
/* Also after a failure; what was written stays on the disk. */
void compact_writer_close(struct compact_writer *w);

/* A batch that stays, with its checksum in it. Returns 0, UV_ENOMEM, ERR_TOO_LARGE, a disk error.
 */
int compact_writer_batch(struct compact_writer *w, struct bytes batch);
/* Nothing is left of these offsets. */
int compact_writer_gap(struct compact_writer *w, int64_t base_offset, int64_t next_offset,
                       int32_t leader_epoch);
/* Seals the last segment; files are synced, their folder is the caller's. */
int compact_writer_finish(struct compact_writer *w);

#endif
