/* One direction of a link as a waiting line of packets; no I/O, the caller brings the time. */
#ifndef WAND_DELAY_LINE_H
#define WAND_DELAY_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELAY_LINE_NAME_BYTES 32

struct delay_line_settings {
    int64_t delay_ns;   /* how long a packet waits */
    int64_t jitter_ns;  /* the wait varies evenly by this much up and down, never below 0 */
    uint32_t loss_ppm;  /* of a million packets, so many never arrive */
    bool is_reordering; /* a packet with a shorter wait may overtake others */
};

struct held_packet {
    int64_t release_at_ns;
    uint32_t id; /* the kernel's name for it: rises by one per packet, wraps */
};

struct delay_line {
    char name[DELAY_LINE_NAME_BYTES]; /* what commands call it */
    struct delay_line_settings settings;
    struct held_packet *held; /* a binary heap: the next to be released is held[0] */
    uint32_t held_count;      /* packets in it */
    uint32_t held_max;        /* the most there ever were */
    uint32_t packets_max;     /* its bound */
    int64_t latest_at_ns;     /* the latest release time given to what is held */
    bool is_shuffled;         /* since it was last empty, a packet was put before another */
    uint64_t random;          /* state of the generator for jitter and loss */
    uint64_t passed;          /* packets released */
    uint64_t lost;            /* packets that `loss_ppm` chose */
    uint64_t dropped;         /* packets beyond the bound, and those never heard of in time */
};

enum delay_line_fate {
    DELAY_LINE_HELD, /* it waits */
    DELAY_LINE_LOST, /* to be dropped now */
};

/* Returns 0, or -1 without memory. `name` is cut to DELAY_LINE_NAME_BYTES - 1. */
int delay_line_init(struct delay_line *l, const char *name, uint32_t packets_max, uint64_t seed);
void delay_line_close(struct delay_line *l);

/* A packet came. Ids have to rise from call to call. LOST is counted: as lost when chance chose
 * it, as dropped when the line is full. */
enum delay_line_fate delay_line_push(struct delay_line *l, uint32_t id, int64_t now_ns);

/* When the next packet is due; INT64_MAX when none is held. */
int64_t delay_line_next_at(const struct delay_line *l);

/* Takes up to `ids_max` packets that are due at `now_ns`, earliest first, into `ids`; returns how
 * many. They count as passed. With now_ns = INT64_MAX all are due. */
size_t delay_line_pop_due(struct delay_line *l, int64_t now_ns, uint32_t *ids, size_t ids_max);

/* Are ids and release times in the same order, so that whatever was due is a prefix of ids? */
bool delay_line_is_in_order(const struct delay_line *l);

#endif
