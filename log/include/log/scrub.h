/* The scrubber: all segments of a disk read in a set time, and compared with the manifest.
 *
 * A pass reads every segment that there is when its turn comes, store by store at the same time,
 * as slowly as the set time allows and never faster than the rate. What it finds is mended by the
 * group's replica (log/repair.h). Reads leave the page cache as it was, so a file that is in it is
 * read from memory: what the disk has of that is seen when it has left the cache. The WAL is not
 * read: it is short-lived, and read whole at each start. */
#ifndef LOG_SCRUB_H
#define LOG_SCRUB_H

#include "base/clock.h"
#include "log/store.h"

/* Of a whole disk: pace and progress of all its stores. Any thread. */
struct log_scrubber;

struct log_scrubber_options {
    const struct clock *clock;
    uint64_t interval_ms;      /* from the beginning of a pass to that of the next; 0: only when
                                  asked for */
    uint64_t bytes_per_second; /* at most; at least 1 */
};

/* Returns owned (log_scrubber_destroy), or NULL without memory. The first pass begins at once. */
struct log_scrubber *log_scrubber_create(const struct log_scrubber_options *options);
/* No store may use it any more. */
void log_scrubber_destroy(struct log_scrubber *s);

/* Begins a pass, or hurries the one that runs: as fast as the rate allows. */
void log_scrubber_start_now(struct log_scrubber *s);

struct log_scrub_status {
    bool is_running, is_hurried;
    uint64_t bytes_done, bytes_total; /* of the pass that runs, or ran last */
    uint64_t segments_done;           /* of it */
    uint64_t suspected;               /* segments that it found not to be as they should */
    uint64_t passes_finished;         /* since start */
    int64_t started_wall_ms;          /* of the pass that runs, or ran last; 0: none */
    int64_t finished_wall_ms;         /* of the last one that was finished; 0: none since start */
    char position[160];               /* file read last, below the data folder; "" */
};
void log_scrubber_status(struct log_scrubber *s, struct log_scrub_status *status);

/* ---- a store's part, on its shard ---- */

/* From now on the store's segments are read as the scrubber says, which lives as long as the store.
 * The first pass goes on where the last one was, to half a minute, when the process ended.
 * Blocking: right after opening. */
void log_store_set_scrubber(struct log_store *s, struct log_scrubber *scrubber);
/* Every 10 ms or so. */
void log_store_scrub(struct log_store *s);
/* A read of it is under way. */
bool log_store_is_scrubbing(const struct log_store *s);

#endif
