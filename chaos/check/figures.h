/* How well it went: recovery, gaps, availability, latency, throughput. */
#ifndef CHECK_FIGURES_H
#define CHECK_FIGURES_H

#include "history.h"
#include "latency.h"

#define SLOT_US       100000 /* of availability */
#define SECOND_US     1000000
#define PROMPT_US_MIN 100000
#define SITES_MAX     16

/* Over the partitions, or over the clients, that one fault may have disturbed. */
struct spread {
    uint64_t samples;   /* that had sends waiting or sent after the fault */
    uint64_t disturbed; /* of these: with a send that failed or was late */
    uint64_t never;     /* of these: not recovered before the next fault; counted up to there */
    int64_t p50_us, p99_us, max_us;             /* over all samples; -1 of none */
    int64_t disturbed_p50_us, disturbed_p99_us; /* over the disturbed ones */
    int64_t gap_p50_us, gap_max_us;             /* longest gaps between acknowledgements */
};

struct slots {
    uint64_t asked;    /* in which an acknowledgement came, or a send waited all through */
    uint64_t progress; /* in which an acknowledgement came */
};

/* What was acknowledged in a stretch of time. */
struct stretch {
    int64_t from_at, until_at;
    uint64_t records, bytes;
    struct latency latency;
};

struct fault_figures {
    const struct fault *fault;
    int64_t until_at; /* the next fault's inject, or the end of the load */
    struct spread partitions, clients;
    struct spread partitions_elsewhere, clients_elsewhere; /* sends from other sites only */
    int64_t gap_us;                                        /* over all acknowledgements */
    struct stretch before, during, after;
    struct slots slots, site_slots[SITES_MAX];
    uint64_t elections; /* epochs of partitions that were seen first while it lasted */
};

struct figures {
    int64_t prompt_us;         /* a later acknowledgement counts as a disturbance */
    int64_t from_at, until_at; /* first send, behind the last completion */
    uint64_t ok, failed, unknown;
    struct latency latency;
    struct stretch all;
    int64_t gap_us, partition_gap_us, client_gap_us;
    struct slots slots, site_slots[SITES_MAX];
    uint32_t sites[SITES_MAX]; /* names */
    unsigned site_count;
    uint64_t group_reads, group_rereads;
    VECTOR(struct fault_figures) faults; /* by inject_at */
};

/* h: settled. prompt_us: 0 to derive it from the latencies before the first fault. */
void figures_make(struct figures *f, const struct history *h, int64_t prompt_us);
void figures_close(struct figures *f);

/* ---- parts ---- */

/* Sends of one partition or one client, or all. */
struct sends {
    const struct history *history;
    uint32_t *records; /* indices, by invoked_at */
    size_t count;
};

/* recovery.c */
struct recovery {
    bool is_sample, is_disturbed, has_recovered;
    int64_t after_us;
};
/* without_site: leaves out sends of clients there; NAME_NONE: leaves out none */
struct recovery recovery_of(const struct sends *sends, int64_t inject_at, int64_t until_at,
                            int64_t prompt_us, uint32_t without_site);
/* Calls back for each gap between acknowledgements while sends were waiting. */
typedef void (*recovery_gap_cb)(void *data, int64_t from_at, int64_t until_at);
void recovery_each_gap(const struct sends *sends, uint32_t without_site, recovery_gap_cb cb,
                       void *data);

/* availability.c: fills the slots of the figures and of each fault. */
void availability_make(struct figures *f, const struct history *h);

#endif
