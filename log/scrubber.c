/* The scrubber's pace and progress, shared by all stores of a disk.
 *
 * A pass has a number. A store that sees a higher one than its own adds what it has to the total
 * and begins; who is last to finish ends the pass. The pace is the total over nine tenths of the
 * set time, so that what grows meanwhile fits; permission to read is given one piece at a time. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "scrub.h"

#define RATE_MIN     (1u << 20)         /* bytes a second: a small disk need not take days */
#define SAVED_NS_MAX UINT64_C(20000000) /* not used in time, and not lost */

struct log_scrubber {
    pthread_mutex_t lock; /* of everything */
    struct log_scrubber_options options;
    uint64_t pass;                    /* number of the one that runs, or ran last; 0: none yet */
    unsigned store_count, done_count; /* done: with this pass */
    uint64_t started_ns;
    uint64_t next_ns; /* when the next piece may be read */
    bool is_partial;  /* the pass goes on where an earlier process was: a whole one follows */
    struct log_scrub_status status;
};

struct log_scrubber *log_scrubber_create(const struct log_scrubber_options *options)
{
    struct log_scrubber *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->options = *options;
    return s;
}

void log_scrubber_destroy(struct log_scrubber *s)
{
    if (s == NULL)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void begin_pass(struct log_scrubber *s, bool is_hurried)
{
    s->pass++;
    s->done_count = 0;
    s->started_ns = s->next_ns = clock_now_ns(s->options.clock);
    s->is_partial = false;
    s->status.is_running = true;
    s->status.is_hurried = is_hurried;
    s->status.bytes_done = s->status.bytes_total = 0;
    s->status.segments_done = s->status.suspected = 0;
    s->status.started_wall_ms = clock_wall_ms(s->options.clock);
    event_info("scrub_begun", "pass=%llu hurried=%d", (unsigned long long)s->pass, is_hurried);
}

static void end_pass(struct log_scrubber *s)
{
    uint64_t took_ms = (clock_now_ns(s->options.clock) - s->started_ns) / 1000000;
    s->status.is_running = s->status.is_hurried = false;
    s->status.passes_finished++;
    s->status.finished_wall_ms = clock_wall_ms(s->options.clock);
    s->status.position[0] = '\0';
    event_info("scrub_finished", "pass=%llu segments=%llu bytes=%llu suspected=%llu ms=%llu",
               (unsigned long long)s->pass, (unsigned long long)s->status.segments_done,
               (unsigned long long)s->status.bytes_done, (unsigned long long)s->status.suspected,
               (unsigned long long)took_ms);
}

void log_scrubber_start_now(struct log_scrubber *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->status.is_running) {
        s->status.is_hurried = true;
        s->next_ns = clock_now_ns(s->options.clock);
    } else {
        begin_pass(s, true);
    }
    pthread_mutex_unlock(&s->lock);
}

void log_scrubber_status(struct log_scrubber *s, struct log_scrub_status *status)
{
    pthread_mutex_lock(&s->lock);
    *status = s->status;
    pthread_mutex_unlock(&s->lock);
}

/* ---- for stores ---- */

void scrubber_join(struct log_scrubber *s)
{
    pthread_mutex_lock(&s->lock);
    s->store_count++;
    pthread_mutex_unlock(&s->lock);
}

void scrubber_leave(struct log_scrubber *s, uint64_t pass, bool is_done)
{
    pthread_mutex_lock(&s->lock);
    s->store_count--;
    if (pass == s->pass && s->pass > 0)
        s->done_count -= is_done;
    pthread_mutex_unlock(&s->lock);
}

static bool is_pass_due(const struct log_scrubber *s)
{
    if (s->status.is_running || s->options.interval_ms == 0)
        return false;
    uint64_t age_ms = (clock_now_ns(s->options.clock) - s->started_ns) / 1000000;
    return s->pass == 0 || s->is_partial || age_ms >= s->options.interval_ms;
}

uint64_t scrubber_now_ns(const struct log_scrubber *s)
{
    return clock_now_ns(s->options.clock);
}

uint64_t scrubber_pass(struct log_scrubber *s)
{
    pthread_mutex_lock(&s->lock);
    if (is_pass_due(s))
        begin_pass(s, false);
    uint64_t pass = s->pass;
    pthread_mutex_unlock(&s->lock);
    return pass;
}

void scrubber_store_begins(struct log_scrubber *s, uint64_t bytes_done, uint64_t bytes_total)
{
    pthread_mutex_lock(&s->lock);
    s->is_partial |= bytes_done > 0;
    s->status.bytes_done += bytes_done;
    s->status.bytes_total += bytes_total;
    pthread_mutex_unlock(&s->lock);
}

static uint64_t rate_of(const struct log_scrubber *s)
{
    uint64_t rate = s->options.bytes_per_second;
    if (!s->status.is_hurried && s->options.interval_ms > 0) {
        uint64_t wanted = s->status.bytes_total / (s->options.interval_ms * 9 / 10000 + 1);
        if (wanted < RATE_MIN)
            wanted = RATE_MIN;
        if (wanted < rate)
            rate = wanted;
    }
    return rate > 0 ? rate : 1;
}

bool scrubber_may_read(struct log_scrubber *s, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    uint64_t now_ns = clock_now_ns(s->options.clock);
    bool may_read = s->next_ns <= now_ns;
    if (may_read) {
        uint64_t least_ns = now_ns > SAVED_NS_MAX ? now_ns - SAVED_NS_MAX : 0;
        if (s->next_ns < least_ns)
            s->next_ns = least_ns;
        s->next_ns += bytes * UINT64_C(1000000000) / rate_of(s);
    }
    pthread_mutex_unlock(&s->lock);
    return may_read;
}

void scrubber_has_read(struct log_scrubber *s, const struct scrub_progress *progress)
{
    pthread_mutex_lock(&s->lock);
    s->status.bytes_done += progress->bytes;
    if (s->status.bytes_total < s->status.bytes_done)
        s->status.bytes_total = s->status.bytes_done; /* the log has grown meanwhile */
    s->status.segments_done += progress->is_segment_done;
    s->status.suspected += progress->is_suspect;
    if (s->status.is_running)
        memcpy(s->status.position, progress->path, sizeof s->status.position);
    pthread_mutex_unlock(&s->lock);
}

void scrubber_store_ends(struct log_scrubber *s)
{
    pthread_mutex_lock(&s->lock);
    s->done_count++;
    if (s->done_count == s->store_count && s->status.is_running)
        end_pass(s);
    pthread_mutex_unlock(&s->lock);
}
