/* Produce on the side of a raft group: what one partition's batch goes through there. */
#ifndef CLUSTER_PRODUCE_PATH_H
#define CLUSTER_PRODUCE_PATH_H

#include "broker.h"
#include "cluster/machine.h"

/* One partition's batch of a produce request. Filled by the request, worked on by the group's
 * shard, then `done` runs there, exactly once. */
struct produce_part {
    void *data; /* the request's own */
    struct broker_group *group;
    struct broker_place place;
    struct slice batch;    /* a reference of its own */
    uint32_t batch_crc;    /* the batch's own checksum, which was found to hold */
    uint32_t record_count; /* of the batch, and its size: for the metrics */
    size_t batch_size;
    bool wants_sites;        /* acks=all: min.insync.replicas counts */
    atomic_bool is_given_up; /* its request was answered: what only waits here ends */
    void (*done)(struct produce_part *part); /* with error_code and what follows set */
    int16_t error_code;                      /* Kafka's */
    int64_t base_offset;
    int64_t log_append_time_ms;
    int64_t log_start_offset;
    struct machine_request machine; /* private */
    struct work_item item;          /* private */
    struct produce_part *next;      /* private: stalled, or waiting for sites */
};

/* Proposes the batch, in the order of calls. On the group's shard. */
void produce_part_begin(struct produce_part *part);
/* Nobody waits for the part any more; it still ends by `done`. Any shard, between begin and done.
 */
void produce_part_give_up(struct produce_part *part);

/* At the end of each turn of the group: stalled batches, and batches that wait for sites. */
void produce_group_turn(struct broker_group *g);
/* The group's role changed: those that wait are answered. */
void produce_group_lost(struct broker_group *g);

#endif
