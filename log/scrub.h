/* The scrubber's inside: between its pace (scrubber.c) and its reading (scrub.c). */
#ifndef LOG_SCRUB_INTERNAL_H
#define LOG_SCRUB_INTERNAL_H

#include "log/scrub.h"
#include "segment.h"

_Static_assert(sizeof((struct log_scrub_status *)NULL)->position == LOG_PATH_SIZE,
               "a path fits into the status");

/* What a piece that was read adds. */
struct scrub_progress {
    uint64_t bytes;
    bool is_segment_done, is_suspect;
    char path[LOG_PATH_SIZE];
};

void scrubber_join(struct log_scrubber *s);
/* `pass` as the store last began, `is_done`: and ended. */
void scrubber_leave(struct log_scrubber *s, uint64_t pass, bool is_done);
uint64_t scrubber_now_ns(const struct log_scrubber *s);
/* Number of the pass that runs or ran last; begins one that is due. */
uint64_t scrubber_pass(struct log_scrubber *s);
void scrubber_store_begins(struct log_scrubber *s, uint64_t bytes_done, uint64_t bytes_total);
/* True: so many bytes may be read now. */
bool scrubber_may_read(struct log_scrubber *s, uint64_t bytes);
void scrubber_has_read(struct log_scrubber *s, const struct scrub_progress *progress);
void scrubber_store_ends(struct log_scrubber *s);

/* A store's part in the present pass; made by log_store_set_scrubber, freed with the store. */
struct scrub;
void scrub_destroy(struct scrub *s);

#endif
