/* The WAL's own parts, shared by its files (wal.c says which does what). */
#ifndef LOG_WAL_PRIVATE_H
#define LOG_WAL_PRIVATE_H

#include <pthread.h>

#include "wal_index.h"

#define WAL_CHUNK_SIZE       (1u << 20) /* files are filled and scanned in pieces of this size */
#define WAL_PATH_SIZE        512
#define WAL_WRITE_STATES_MAX (1u << 20) /* bytes of STATE records in one write */
#define WAL_SPARE_FILES      1          /* recycled files kept beside the prepared one */
#define WAL_PACE_SAMPLES     256        /* times of writes that are remembered */
#define WAL_KEPT_SHARE       16 /* of a file: kept for giving files back, see wal_writer.c */
#define WAL_KEPT_MIN         (3 * WAL_BLOCK_SIZE) /* ... at least, bytes: the two writes, and one more */
#define WAL_KEPT_MAX         (256u << 10)         /* ... at most */

/* A file of the WAL. The writer alone changes `end`; the lists are under the lock. */
struct wal_file {
    struct wal_file_header header; /* as stored */
    uint32_t slot;                 /* number in its name; the name stays when it is recycled */
    uint32_t size;                 /* bytes, fixed */
    uint32_t end;                  /* one past the last write */
    unsigned readers;              /* reads under way: it is not recycled before they end */
    bool is_forgotten;             /* full, and let go by the page cache */
    struct disk_file *disk_file;   /* open while the WAL is */
    struct wal_file *next;         /* in its list */
};

/* The write that is being made. Memory is allocated once. */
struct wal_write {
    uint8_t *staging;               /* headers and small data, gathered so that parts are few */
    size_t staging_used;            /* bytes */
    struct iovec *parts;            /* of the vector write */
    int part_count;                 /* in use */
    struct wal_write_header header; /* of the write */
    struct log_wal_append *first, *last; /* requests in it, in order */
    bool needs_sync;                     /* something in it must be durable now */
    bool is_relief;                      /* it is written even when nothing is in it */
    struct wal_position place;           /* where it goes */
};

/* How long writes take (wal_pace.c). */
struct wal_pace_sample {
    uint64_t ended_ns;
    uint32_t took_us;
};

struct wal_pace {
    struct wal_pace_sample samples[WAL_PACE_SAMPLES]; /* a ring */
    unsigned next;                                    /* samples ever taken */
    uint64_t since_ns; /* there is something to write since; 0: there is nothing */
};

struct log_wal {
    const struct disk *disk;
    const struct work *writer, *readers;
    struct log_wal_options options;
    char directory[WAL_PATH_SIZE / 2]; /* copy of the option */

    pthread_mutex_t lock; /* guards all below but what is marked as the writer's */
    struct wal_index index;
    struct log_wal_append *first, *last; /* queued requests, oldest first */
    uint64_t queued_bytes;               /* of requests not completed */
    bool is_writer_busy;                 /* its item is submitted or runs, or it waits for a file */
    bool has_unforgotten;                /* full files may be in the page cache */
    bool is_waiting_for_file;            /* upkeep submits the writer's item again */
    bool is_upkeep_busy;                 /* its item is submitted or runs */
    bool is_in_service;                  /* something was to be written since it was opened */
    int status;                          /* 0, or the error that ended the WAL */
    int prepare_status;                  /* of the last attempt to prepare a file ... */
    bool was_prepare_needed; /* ... for which the writer waited: then its error is final */

    struct wal_file *files;    /* in use, by rising id; the last one is written to */
    struct wal_file *current;  /* last of `files` */
    struct wal_file *prepared; /* next one to use, its header durable; or NULL */
    struct wal_file *spare;    /* not needed by anything durable: to recycle or remove */
    uint32_t next_file_id, next_slot;
    uint32_t oldest_file_id;         /* files below it are no longer needed ... */
    uint32_t oldest_file_id_durable; /* ... and that is durable: they may be overwritten */

    uint64_t sequence;        /* the writer's: of the next write */
    uint32_t life;            /* of this opening */
    struct wal_position mark; /* the writer's: everything before is durable */
    struct wal_write write;   /* the writer's */
    uint64_t rate_from_ns, rate_requests, requests_per_second; /* the writer's: to gather or not */

    bool is_tight;        /* nothing is kept for catch-up */
    bool is_room_missed;  /* the last file could not be made for want of room: it was told */
    struct wal_pace pace; /* of writes */
    struct log_wal_counters counters;
    struct work_item writer_item, upkeep_item;
};

/* ---- wal_file.c ---- */

void log_wal_file_path(const struct log_wal *wal, uint32_t slot, char path[WAL_PATH_SIZE]);
/* A file of `size` zeros that is durable but for its header. */
int log_wal_file_create(struct log_wal *wal, uint32_t slot, struct wal_file **file);
/* The next file's; UINT32_MAX again and again when none is left. */
uint32_t log_wal_file_next_id(struct log_wal *wal);
/* Gives it a new life: a durable header with `file_id` and a salt. ERR_FULL: no ids are left. */
int log_wal_file_start(struct log_wal *wal, struct wal_file *file, uint32_t file_id);
void log_wal_file_close(struct log_wal *wal, struct wal_file *file);
/* In use, under the lock; NULL when there is none. */
struct wal_file *log_wal_file_find(const struct log_wal *wal, uint32_t file_id);
/* Makes the prepared file the current one. Under the lock. */
void log_wal_file_switch(struct log_wal *wal);
/* Bytes of files in use. Under the lock. */
uint64_t log_wal_files_bytes(const struct log_wal *wal);
/* The file id below which budget and releases allow to retire. Under the lock. */
uint32_t log_wal_files_retirable(const struct log_wal *wal);
/* Moves files below `oldest_file_id_durable` to the spares. Under the lock. */
void log_wal_files_free_retired(struct log_wal *wal);
/* Has a file prepared or spares removed where that is due. Under the lock. */
void log_wal_upkeep_if_due(struct log_wal *wal);

/* ---- wal_request.c: which records a request is made of, in which order ---- */

typedef void (*log_wal_record_visit)(void *data, struct wal_record *r, struct bytes head,
                                     struct bytes body);
void log_wal_visit_records(const struct log_wal_append *req, log_wal_record_visit visit,
                           void *data);

/* ---- wal_write.c ---- */

int log_wal_write_init(struct wal_write *w);
void log_wal_write_close(struct wal_write *w);
/* True when so many requests with so many entries in all still fit. */
bool log_wal_write_has_room(const struct wal_write *w, unsigned request_count,
                            unsigned entry_count);
/* Adds a record; its sequence, life and (unless an entry's) checksum are set here. */
void log_wal_write_add(struct wal_write *w, struct wal_record *r, struct bytes head,
                       struct bytes body);
/* An empty one, as the next of the current file. */
void log_wal_write_begin_next(struct log_wal *wal);
/* Adds the header and the padding and writes it. */
int log_wal_write_issue(struct log_wal *wal, struct wal_write *w, struct wal_file *file);

/* ---- wal_writer.c ---- */

void log_wal_writer_run(struct work_item *item);
/* Submits the writer's item unless it is on its way. Under the lock. */
void log_wal_writer_kick(struct log_wal *wal);
/* True when releases and budget give the writer something to do. Under the lock. */
bool log_wal_writer_has_retiring(const struct log_wal *wal);

/* The writer waits for a file: it looks again. Under the lock. */
void log_wal_writer_wake(struct log_wal *wal);

/* ---- wal_pace.c; under the lock ---- */

/* There is something to write from now on. */
void log_wal_pace_begin(struct log_wal *wal);
/* A write has ended; there is more to do, or not. */
void log_wal_pace_end(struct log_wal *wal, bool was_synced, bool goes_on);

/* ---- wal_scan.c: reading files through a window ---- */

struct wal_scan {
    const struct disk *disk;
    const struct wal_file *file;
    uint8_t *window; /* bytes read */
    size_t capacity; /* of the window */
    uint32_t start;  /* position of the window's first byte */
    size_t size;     /* bytes in it */
};

void log_wal_scan_begin(struct wal_scan *s, const struct disk *disk, const struct wal_file *file);
void log_wal_scan_close(struct wal_scan *s);
/* `size` bytes at `position`, which lie inside the file; valid until the next call. */
int log_wal_scan_read(struct wal_scan *s, uint32_t position, size_t size, const uint8_t **bytes);
/* 1 when an intact write header of the file's present use stands there, whose write lies inside
 * the file; 0 when not; or an error. */
int log_wal_scan_header(struct wal_scan *s, uint32_t position, struct wal_write_header *h);

/* ---- wal_survey.c: what the write headers of all files say ---- */

struct wal_found {
    struct wal_file *file; /* with its header, if intact */
    bool has_header;       /* the file header is intact */
    uint32_t write_count;  /* writes from the start whose headers follow on each other */
    uint64_t first_sequence, last_sequence; /* of them */
    uint32_t first_life, last_life;         /* of them */
    bool has_own_header;                    /* any write header of its present use, anywhere */
    uint32_t next_file_id;                  /* where the last of them says the log goes on; or 0 */
    bool is_short;                          /* the file is shorter than its header says */
};

struct wal_survey {
    struct wal_found *found; /* by rising file id; those without a header first */
    size_t count, capacity;
    struct wal_position mark; /* highest in any intact write header: below it all was durable */
    uint32_t oldest_file_id;  /* highest in any of them; 0: there is none */
    uint32_t life;            /* highest in any of them */
    size_t chain_first, chain_last; /* found[] whose writes follow on each other, from the oldest */
    struct wal_position chain_end;  /* where the next write is missing */
};

/* Opens and surveys every file of the folder. The caller closes the survey in any case; files
 * that the caller wants are taken out by setting `file` to NULL. */
int log_wal_survey_make(struct log_wal *wal, struct wal_survey *s, struct err_note *note);
void log_wal_survey_close(struct log_wal *wal, struct wal_survey *s);

/* ---- wal_recover.c ---- */

/* Reads the folder, checks, cuts, rebuilds the index; leaves the WAL ready to append. */
int log_wal_recover(struct log_wal *wal, struct err_note *note);

#endif
