/* A request that asks several raft groups something, each on its own shard, and answers when all
 * have answered.
 *
 * Items are of the request's own kind and begin with a struct scatter_item. Each is run on its
 * group's shard, ends there (at once or later) with scatter_item_done(), and comes back. The
 * request stays unanswered meanwhile, so its message and arena stay valid. */
#ifndef CLUSTER_REQUEST_SCATTER_H
#define CLUSTER_REQUEST_SCATTER_H

#include "request.h"

struct scatter;
struct scatter_item;
typedef void (*scatter_run_cb)(struct scatter_item *item);
typedef void (*scatter_finish_cb)(struct scatter *s);

struct scatter_item {
    struct scatter *scatter;
    struct broker_group *group; /* where it runs */
    struct broker_place place;  /* of its partition */
    scatter_run_cb run;
    struct work_item work; /* there and back */
};

struct scatter {
    struct request *request;
    void *response;           /* the request's own */
    unsigned pending;         /* items under way, and one while they are handed out */
    scatter_finish_cb finish; /* on the connection's shard: answers */
};

/* Begins; memory is the request's arena. */
void scatter_begin(struct scatter *s, struct request *r, void *response, scatter_finish_cb finish);

/* Finds the partition and runs `item` at its group. Returns 0, or Kafka's error code when there
 * is no such partition: then nothing runs. */
int16_t scatter_send(struct scatter *s, struct scatter_item *item, struct kafka_string topic,
                     int32_t partition, scatter_run_cb run);

/* On the group's shard, once per item. */
void scatter_item_done(struct scatter_item *item);

/* All items are handed out: finish runs when the last is done, perhaps at once. */
void scatter_end(struct scatter *s);

#endif
