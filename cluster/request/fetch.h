/* A fetch between its request (fetch.c) and its rounds (fetch_rounds.c). */
#ifndef CLUSTER_REQUEST_FETCH_H
#define CLUSTER_REQUEST_FETCH_H

#include "fetch_path.h"
#include "request.h"

enum fetch_phase { FETCH_READING, FETCH_READ, FETCH_PARKING, FETCH_PARKED };

struct fetch_item {
    struct fetch_part part;
    struct fetch *fetch;
    struct kafka_fetch_response_partition *answer;
    bool is_refused; /* the answer stands already: unknown topic … */
};

struct fetch {
    struct request *request;
    struct broker *broker;
    struct kafka_fetch_response response;
    char rack[256];     /* client.rack */
    int64_t bytes_left; /* of the whole answer */
    size_t bytes_min;
    size_t bytes_read;    /* this round */
    size_t counted_bytes; /* in broker.fetched_bytes: claimed for this round, then what it read */
    bool is_short;        /* this round found no room for what it would read */
    unsigned short_ms;    /* until the next try then */
    uint64_t late_at_ms;  /* the deadline */
    bool has_error;       /* an error is answered at once */
    bool is_late;         /* the deadline has passed: the next round is the last */
    atomic_bool is_woken; /* a waiter fired since parking began */
    enum fetch_phase phase;
    unsigned shard_index; /* of the visit */
    unsigned cursor;      /* item being read on that shard */
    struct request_deadline deadline;
    struct work_item visit;  /* to a shard and back */
    struct work_item wake;   /* from whoever wakes first */
    atomic_int wakes_posted; /* `wake` is queued: the fetch must stay */
    struct log_read *read;   /* while a round reads; a parked fetch has none */
    unsigned item_count;
    struct fetch_item items[];
};

/* fetch_rounds.c: begins the next round, which ends in fetch_answer or parks. On the connection's
 * shard. */
void fetch_begin_round(struct fetch *f);
/* The next round is the last, whatever it reads: it also takes the waiters back. */
void fetch_end_soon(struct fetch *f);
void fetch_free_read(struct fetch *f);
/* The deadline is here, or the time to look for room again. */
void fetch_on_time(struct request_deadline *deadline);

/* fetch.c: answers with what the last round read, and frees the fetch. */
void fetch_answer(struct fetch *f);

#endif
