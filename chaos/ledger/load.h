/* The load: clients of one site, each on a thread of its own, and what they share. */
#ifndef LEDGER_LOAD_H
#define LEDGER_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "history.h"
#include "leaders.h"
#include "options.h"
#include "process.h"

struct load {
    const struct options *options;
    struct history *history;
    int32_t partition_count;     /* of the topic, as it is */
    struct leaders leaders;      /* told by observers, followed by probes */
    atomic_bool is_sending_over; /* no new sends; outcomes are awaited */
    atomic_bool is_over;         /* consumers and all others leave */
    atomic_ullong sent_count, acknowledged_count, failed_count, unknown_count, read_count;
    _Atomic int64_t settle_until_us; /* meaningful once sending is over */
};

/* A client's thread. */
struct load_worker {
    struct load *load;
    pthread_t thread;
    struct pen *pen;
    int index;                     /* among its kind */
    unsigned life;                 /* how many clients it has been: restarted ones get new names */
    atomic_bool is_leaving_wanted; /* a member's: leave, and join anew */
    atomic_bool is_done;
};

/* What the threads run; `data` is a struct load_worker. */
void *producer_run(void *data); /* index below --producers: idempotent */
void *member_run(void *data);   /* index modulo --groups is its group */
void *assigned_run(void *data); /* even: from the beginning, odd: from the end */
void *auditor_run(void *data);  /* index of a node */
void *observer_run(void *data); /* index of a node */
void *administrator_run(void *data);

/* Begins the worker's next process, named "<site>-[<tag>-]<what>-<index>[.<life>]". */
void load_process_begin(struct load_worker *worker, struct process *process, const char *what,
                        const struct process_kind *kind);

/* Sleeps until the instant, at most; returns early when the load is over. */
void load_sleep_until(const struct load *load, int64_t at_us);

/* Runs the load until its seconds are up or SIGTERM or SIGINT comes, which all threads must have
 * blocked; closes the history. Returns the exit status. */
int load_run(const struct options *options, struct history *history);

#endif
