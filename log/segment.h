/* One segment of a partition: what it holds, how it grows, its files' names. */
#ifndef LOG_SEGMENT_H
#define LOG_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "log/partition.h"

#define LOG_SEGMENT_SIZE_MAX INT32_MAX /* positions in the index are signed 32 bits */
#define LOG_PATH_SIZE        160       /* longest path below the disk's root that we make */

enum log_file_kind { LOG_FILE_DATA, LOG_FILE_INDEX, LOG_FILE_TIME_INDEX };
#define LOG_FILE_KIND_COUNT 3

/* What is in a segment's files: everything needed to go on writing them. Stored in the manifest. */
struct log_segment_meta {
    int64_t base_offset, next_offset;
    int64_t first_wall_ms;        /* clock of the entry that brought the first batch */
    int64_t max_timestamp;        /* of its records; -1 when none has one */
    int64_t max_timestamp_offset; /* last offset of the batch that has it */
    int64_t time_indexed;         /* timestamp of the newest time index entry; -1 for none */
    uint32_t size_bytes, crc;     /* of .log; CRC-32C over all its bytes */
    uint32_t index_size_bytes, index_crc;           /* of .index */
    uint32_t time_index_size_bytes, time_index_crc; /* of .timeindex */
    uint32_t index_position;       /* of the batch of the newest index entry; 0 before the first */
    uint32_t index_interval_bytes; /* fixed when the segment begins, so that it can be rebuilt */
    bool is_sealed;                /* nothing is added any more */
    uint32_t version;              /* number of the compaction that made it; 0: none did */
};
#define LOG_SEGMENT_META_SIZE 88

/* Counted: the partition, a flush and cold reads hold it; the files may go before the last of
 * them (a reader then gets UV_ENOENT). All but the count belongs to the shard. */
struct log_segment {
    atomic_uint references;
    struct log_partition_id id;      /* whose */
    struct log_segment_meta written; /* what is in the files */
    bool has_files;                  /* a flush has made them */
    /* What has been appended, flushed or not. */
    int64_t next_offset;
    int64_t max_timestamp, max_timestamp_offset;
    uint32_t size_bytes;
    bool is_sealed;
    /* What is known of the files' soundness: see log/repair.h. */
    bool is_suspect;            /* to be looked into */
    bool is_not_repairable;     /* no replica had it, and that was told */
    unsigned damaged;           /* LOG_DAMAGE_* of its files */
    unsigned mended_count;      /* times that its files were replaced */
    uint64_t defer_ms;          /* not to be looked into before */
    unsigned defer_count;       /* in a row */
    struct log_compaction *due; /* the step that is still to make its files, or NULL */
};

/* Index entries on their way to a file. */
struct log_index_entries {
    uint8_t *data;
    size_t size, capacity;
};

/* Returns owned (log_segment_unref), or NULL without memory. */
struct log_segment *log_segment_create(const struct log_partition_id *id, int64_t base_offset,
                                       int64_t wall_ms, int64_t index_interval_bytes);
/* From what the manifest says; files exist. */
struct log_segment *log_segment_of_meta(const struct log_partition_id *id,
                                        const struct log_segment_meta *meta);
struct log_segment *log_segment_ref(struct log_segment *s);
void log_segment_unref(struct log_segment *s);

/* Must a batch of `size` bytes, ending before `next_offset`, go to a new segment? A function of
 * applied entries only. */
bool log_segment_is_full_for(const struct log_segment *s, size_t size, int64_t next_offset,
                             int64_t wall_ms, const struct log_partition_settings *settings);

/* Counts an appended batch; nothing is written yet. */
void log_segment_append(struct log_segment *s, const struct log_batch *batch);

/* One batch into the files' description: index entries that Kafka would write are added to
 * `index` and `time_index`. 0 or UV_ENOMEM. Does not touch the checksum of the data. */
int log_segment_meta_add(struct log_segment_meta *m, uint32_t size, int64_t next_offset,
                         int64_t max_timestamp, struct log_index_entries *index,
                         struct log_index_entries *time_index);
/* The last time index entry, as Kafka writes it when it rolls. */
int log_segment_meta_seal(struct log_segment_meta *m, struct log_index_entries *time_index);
/* An empty segment at its base. */
struct log_segment_meta log_segment_meta_empty(int64_t base_offset, int64_t wall_ms,
                                               uint32_t index_interval_bytes);

uint8_t *log_segment_meta_encode(const struct log_segment_meta *m, uint8_t *into);
/* Checked; ERR_MALFORMED. */
int log_segment_meta_decode(struct log_segment_meta *m, struct bytes_reader *r);

uint32_t log_segment_file_size(const struct log_segment_meta *m, enum log_file_kind kind);
uint32_t log_segment_file_crc(const struct log_segment_meta *m, enum log_file_kind kind);

/* Could it be the file's fault that this came of reading it, not the program's or the machine's? */
bool log_is_damage(int err);

/* "topics/<id>-<partition>" and the files in it; `path` has LOG_PATH_SIZE bytes. A compacted
 * segment's files carry its version, so that they stand beside what they were made of. */
void log_folder_path(char *path, const struct log_partition_id *id);
void log_segment_path(char *path, const struct log_partition_id *id, int64_t base_offset,
                      uint32_t version, enum log_file_kind kind);
/* The same with ".repair" behind it: made beside the file that it will replace. */
void log_segment_repair_path(char *path, const struct log_partition_id *id,
                             const struct log_segment_meta *meta, enum log_file_kind kind);
bool log_segment_name_is_repair(const char *name);
/* The reverse, for a name found in a folder. */
bool log_segment_name_parse(const char *name, int64_t *base_offset, uint32_t *version,
                            enum log_file_kind *kind);

#endif
