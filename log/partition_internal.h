/* A partition's insides, shared by the files that own its phases: partition.c (append, start,
 * retention), partition_read.c, partition_time.c, partition_flush.c, partition_record.c. */
#ifndef LOG_PARTITION_INTERNAL_H
#define LOG_PARTITION_INTERNAL_H

#include <limits.h>

#include "epoch_table.h"
#include "log/compact.h"
#include "log/partition.h"
#include "segment.h"
#include "segment_read.h"
#include "tail.h"

#define LOG_PENDING_READS_MAX 1024 /* of a partition, cold reads and time lookups together */

struct log_segment_list {
    struct log_segment **items; /* oldest first, one reference each */
    unsigned count, capacity;
};

typedef void (*log_partition_changed_cb)(void *data);

struct log_partition {
    const struct disk *disk;
    struct log_partition_id id;
    struct log_partition_settings settings;
    int64_t start_offset, next_offset; /* the log is [start_offset, next_offset) */
    int64_t flushed_offset;            /* everything below is in segments */
    struct log_tail tail;              /* newest batches; at least all unflushed ones */
    struct log_epoch_table epochs;
    struct log_segment_list segments; /* contiguous; all but the last are sealed */
    struct log_segment_list dead;     /* out of the log, files may still be there */
    struct log_compact_state compact;
    struct log_compaction *compactions; /* steps whose segments are to be made, oldest first */
    struct log_producer_state *producers;
    unsigned pending_reads;             /* on workers now */
    bool is_flushing;                   /* between prepare and finish */
    bool is_being_replaced;             /* a snapshot is swapped in: no read may begin */
    bool has_folder;                    /* a flush has made it */
    bool has_flaws;                     /* a segment is suspected or damaged; may be out of date */
    bool is_frozen;                     /* moved away: nothing is appended any more */
    bool is_awaiting;                   /* moved here: its folder is another store's still */
    struct log_partition_source source; /* moved here, and not settled: from where */
    log_partition_changed_cb on_change; /* the store's; may be NULL */
    log_partition_changed_cb on_flaw;   /* likewise: `has_flaws` became true */
    void *on_change_data;
};

/* Tells the store that the manifest's record is no longer true. */
void log_partition_changed(struct log_partition *p);

/* Reading a file of this segment gave `status`. When it may be damaged, it is looked into soon, and
 * the status is the one that readers get: ERR_CORRUPT. `mended_count` is the segment's when the
 * read began: what was read before a repair says nothing of what is there now. */
int log_partition_note_read(struct log_partition *p, struct log_segment *s, unsigned mended_count,
                            int status);
void log_partition_suspect(struct log_partition *p, struct log_segment *s);
/* False of a partition on its way to another group: its files may be another store's any moment. */
bool log_partition_is_ours_to_mend(const struct log_partition *p);
/* Is it part of the log, and in files? */
bool log_partition_has_segment(const struct log_partition *p, const struct log_segment *s);

int log_segment_list_add(struct log_segment_list *list, struct log_segment *taken);
/* Room for so many more. 0 or UV_ENOMEM. */
int log_segment_list_reserve(struct log_segment_list *list, unsigned count);
void log_segment_list_close(struct log_segment_list *list);

/* The segment whose files have `offset` (start_offset <= offset < next_offset): of one that a step
 * is still to make, the old one. */
struct log_segment *log_partition_segment_of(const struct log_partition *p, int64_t offset);

/* ---- flush and record, for the checkpoint ---- */

/* A partition's manifest record, made on the shard when a flush is prepared; the flush then puts
 * in what it wrote. */
struct log_partition_record {
    struct buffer *bytes; /* the encoded record; owned */
    size_t segments_at;   /* where the table of segments begins */
};
/* 0 or UV_ENOMEM. */
int log_partition_record_make(const struct log_partition *p, struct log_partition_record *record);
/* After log_flush_run: segment descriptions as written. */
void log_partition_record_fill(struct log_partition_record *record, const struct log_flush *flush);

/* Nothing may be appended from here on, and the last segment is sealed. A function of applied
 * entries, as all that makes segments. */
void log_partition_freeze(struct log_partition *p);

/* From the record of a frozen partition of another group: memory only, its files are not its own
 * yet. As log_store_partition_import. */
int log_partition_import(const struct disk *disk, struct bytes record,
                         const struct log_partition_source *source,
                         struct log_partition **imported);
bool log_partition_record_is_frozen(struct bytes record);
bool log_partition_record_is_awaiting(struct bytes record);
/* Into the record's bytes; it is a sound one, and not frozen. */
void log_partition_record_set_awaiting(uint8_t *record, bool is_awaiting);
int log_partition_record_source(struct bytes record, struct log_partition_id *id,
                                struct log_partition_source *source);

/* Looking whether the files of a partition that moved here are on this disk. */
struct log_look {
    const struct disk *disk;
    struct log_partition_id id;
    struct {
        struct log_segment_meta meta;
        bool is_missing; /* its data is not there, or shorter than it should be */
    } * segments;        /* owned (free) */
    unsigned count, missing_count;
};
/* On the shard: 0 or UV_ENOMEM. */
int log_partition_look_prepare(const struct log_partition *p, struct log_look *look);
/* On a worker: 0, or the disk's error. The folder is made when something is missing. */
int log_partition_look_run(struct log_look *look);
/* On the shard. The files are this partition's now; what is missing is fetched as if damaged. */
void log_partition_take_over(struct log_partition *p, const struct log_look *look);
/* The old group's store knew of damage: all are looked into. */
void log_partition_suspect_all(struct log_partition *p);

/* May a segment begin, or the log end, at `offset` when what is before it ends at `end`? */
bool log_offset_may_follow(int64_t offset, int64_t end);

/* The first half of log_partition_decode: from the record alone, no file is looked at. */
int log_partition_decode_memory(const struct disk *disk, struct bytes record,
                                struct log_partition **p);
/* The second half: files are cut to the record, indexes rebuilt, strays noted as dead. Blocking. */
int log_partition_check_files(struct log_partition *p, struct err_note *note);

/* The three files of a segment; missing ones are fine. On a worker or at start. */
int log_segment_remove_files(const struct disk *disk, const struct log_partition_id *id,
                             int64_t base_offset, uint32_t version);

/* Segments described by a record, for shipping: calls `cb` for each, oldest first. ERR_MALFORMED
 * when the record is not sound. */
typedef int (*log_record_segment_cb)(void *data, const struct log_partition_id *id,
                                     const struct log_segment_meta *meta);
int log_partition_record_each_segment(struct bytes record, log_record_segment_cb cb, void *data);
int log_partition_record_id(struct bytes record, struct log_partition_id *id);

#define LOG_FLUSH_NOT_LISTED UINT_MAX /* a segment that a compaction has replaced */

/* What a flush wrote of one segment. */
struct log_flush_segment {
    struct log_segment *segment; /* referenced */
    unsigned number; /* in the partition's list when prepared, or LOG_FLUSH_NOT_LISTED */
    struct log_segment_meta meta;      /* before the run: as the files are; after: as written */
    unsigned batch_first, batch_count; /* among the flush's batches */
    bool is_new;                       /* files must be made */
    bool seals;                        /* nothing comes after */
    bool is_suspect;                   /* after the run: a file was shorter than it was left */
};

struct log_flush {
    const struct disk *disk;
    struct log_partition_id id;
    struct log_flush_segment *segments;
    unsigned segment_count;
    struct log_tail_batch *batches; /* referenced, in offset order */
    unsigned batch_count;
    struct log_compaction **compactions; /* then to be carried out, in order; the partition's */
    unsigned compaction_count;
    int64_t end_offset; /* everything below is in segments afterwards */
    bool makes_folder;
};

#endif
