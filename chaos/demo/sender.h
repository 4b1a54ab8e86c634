/* The producer: each record once, in order, as fast as the cluster takes them. */
#ifndef DEMO_SENDER_H
#define DEMO_SENDER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"

struct sender {
    struct ledger *ledger; /* borrowed; the sender's thread writes it until sender_join() */
    const char *topic;     /* borrowed */
    uint64_t count_min;    /* records that are sent in any case; up to the ledger's room after */
    void *client;          /* the producer's handle */
    pthread_t thread;

    /* Read by others while the thread runs. */
    _Atomic uint64_t sent_count;
    _Atomic uint64_t acknowledged_count;
    _Atomic uint64_t failed_count;
    _Atomic int64_t last_acknowledged_at_ms; /* or start; the clock is now_ms() */
    atomic_bool is_done;                     /* every record has its answer, or it gave up */
    atomic_bool is_enough;                   /* set: no more than `count_min` */
    atomic_bool is_stop_wanted;              /* set: end at once */

    /* Valid after sender_join(). */
    char fatal[256];                    /* why it gave up; "" when it did not */
    int64_t started_at_ms, ended_at_ms; /* first record handed over, last answer */
    int64_t gap_ms;                     /* longest time without any acknowledgement */
    int64_t partition_gap_ended_at_ms;
    int64_t partition_gap_ms; /* longest such time of one partition */
    uint64_t bytes;           /* of the records' values */
    int64_t partition_last_at_ms[LEDGER_PARTITIONS_MAX];
};

/* Milliseconds since some moment; never goes back. */
int64_t now_ms(void);

/* Starts sending from a thread of its own: `count_min` records, then more until `is_enough` is
 * set or the ledger has no room. Returns 0, or -1 after a sentence. */
int sender_start(struct sender *sender, struct ledger *ledger, uint64_t count_min,
                 const char *addresses, const char *topic);

/* Waits for the thread, frees the producer, and seals the ledger. */
void sender_join(struct sender *sender);

#endif
