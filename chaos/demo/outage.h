/* The site's death and return, while records flow. */
#ifndef DEMO_OUTAGE_H
#define DEMO_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster.h"

enum outage_phase { OUTAGE_AHEAD, OUTAGE_SITE_DOWN, OUTAGE_SITE_RETURNING, OUTAGE_OVER };

struct outage {
    struct cluster *cluster; /* borrowed */
    const char *topic;       /* borrowed */
    int partition_count;
    uint64_t kill_at_count;  /* acknowledgements after which the site is killed */
    uint64_t start_at_count; /* and after which it is started again, but not sooner than */
    int64_t down_ms_min;     /* this long after its death */
    enum outage_phase phase;
    int victim;    /* the site; valid once it is killed */
    int led_count; /* partitions it led */
    int64_t killed_at_ms, started_at_ms;
    int64_t down_ms;     /* from its death to the start of its process */
    int64_t catch_up_ms; /* from the start of its process until it is level */
};

/* Does what is due now. Returns 1 when the phase has changed, 0 when not, -1 after a sentence. */
int outage_step(struct outage *outage, uint64_t acknowledged_count);

/* A site other than the killed one. */
int outage_witness(const struct outage *outage);

#endif
