/* What failed, on disk, tried again later and later: up to a cap, and then kept for the operator.
 * Private to libtrilog.
 *
 * A retry log is a spool whose records know how often they failed. One is WAITING until it is due,
 * IN HAND from retry_log_take() on, GIVEN UP when it failed so often as the cap says; a given-up
 * one counts against the bounds until somebody renews it or is done with it. Everything is durable
 * once a call returned 0. Not safe for threads; it blocks for the disk. Format:
 * docs/spool_format.md.
 *
 * `now_ms` is of any clock that does not jump; waits begin anew when the log is opened. */
#ifndef CLIENT_RETRY_LOG_H
#define CLIENT_RETRY_LOG_H

#include "spool.h"

#define RETRY_REASON_SIZE 256

struct retry_log; /* opaque */

struct retry_log_options {
    const struct disk *disk; /* borrowed as long as the log is open */
    const char *folder;      /* its own, made if missing; borrowed */
    uint64_t bytes_max;      /* of all its files */
    uint64_t file_bytes_max;
    uint32_t record_count_max;
    uint32_t failure_count_max; /* so many failures, and it is given up; at least 1 */
    uint64_t wait_ms;           /* after the first failure; doubled with each */
    uint64_t wait_ms_max;
    uint64_t seed; /* different each time it is opened */
};

struct retry_log_report {
    struct spool_report spool; /* record_count: all of them */
    uint64_t given_up_count;
    uint64_t lost_count; /* what was stored fails its checksum, or is of another release */
};

struct retry_entry {
    uint64_t order; /* its name in this log until it fails again, which gives it another one */
    uint64_t key_hash;
    uint32_t failure_count; /* at least 1, but 0 once it was renewed */
    bool is_given_up;
    int64_t failed_at_ms; /* first; since 1970 */
    char reason[RETRY_REASON_SIZE];
    struct bytes content; /* within `memory` */
    uint8_t *memory;      /* free() */
};

/* Returned owned: retry_log_close(). Errors: the disk's; ERR_INVALID for bounds that can't be. */
int retry_log_open(struct retry_log **opened, const struct retry_log_options *options,
                   uint64_t now_ms, struct retry_log_report *report, struct err_note *note);
void retry_log_close(struct retry_log *log); /* NULL is allowed */

/* Stores what has failed for the first time. Errors as of spool_append(): nothing is stored, and it
 * is the caller's still. `failed_at_ms` is since 1970; `reason` is cut to its size. */
int retry_log_add(struct retry_log *log, uint64_t key_hash, struct bytes content,
                  const char *reason, int64_t failed_at_ms, uint64_t now_ms);

/* The same for what nobody is to try again by himself: it is given up at once. */
int retry_log_add_given_up(struct retry_log *log, uint64_t key_hash, struct bytes content,
                           const char *reason, int64_t failed_at_ms);

/* Takes the one that is due longest, if any is: it is in hand. On 0 entry->memory is owned.
 * ERR_NOT_FOUND: none is due. ERR_CORRUPT: entry->order is lost. Another error: it waits again. */
int retry_log_take(struct retry_log *log, uint64_t now_ms, struct retry_entry *entry);

/* When the next one is due; false when none waits. */
bool retry_log_next_due(const struct retry_log *log, uint64_t *at_ms);

/* Not needed any more: as of spool_done(). */
int retry_log_done(struct retry_log *log, uint64_t order);

/* It has failed once more, and waits longer or is given up (*is_given_up, which may be NULL). On an
 * error but ERR_NOT_FOUND that is so in memory only: after a restart it is as it was before. */
int retry_log_again(struct retry_log *log, uint64_t order, const char *reason, uint64_t now_ms,
                    bool *is_given_up);

/* Nobody has tried it: due at once, as often failed as it was. */
int retry_log_give_back(struct retry_log *log, uint64_t order, uint64_t now_ms);

/* As if it had never failed, and due at once; also when it was given up. Not what is in hand:
 * ERR_BUSY. */
int retry_log_renew(struct retry_log *log, uint64_t order, uint64_t now_ms);

/* All of them, by order; an entry's memory is the log's, and `content` empty where it can't be read
 * (`err`). The callback may call done or renew for this one. */
typedef void (*retry_log_list_cb)(void *data, const struct retry_entry *entry, int err);
int retry_log_list(struct retry_log *log, retry_log_list_cb cb, void *data);

uint64_t retry_log_count(const struct retry_log *log);          /* all of them */
uint64_t retry_log_given_up_count(const struct retry_log *log); /* of these */
uint64_t retry_log_bytes(const struct retry_log *log);

#endif
