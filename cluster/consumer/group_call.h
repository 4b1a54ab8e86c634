/* A request about one consumer group on its way to the group's coordinator and back.
 *
 * The call and what it points to are the request's: it stays unanswered meanwhile. `run` is on the
 * coordinator's shard and ends, at once or later, with group_call_done(); `finish` is back on the
 * connection's shard. */
#ifndef CLUSTER_CONSUMER_GROUP_CALL_H
#define CLUSTER_CONSUMER_GROUP_CALL_H

#include "cluster/consumer_table.h"
#include "cluster/live_group.h"
#include "consumer/coordinator.h"
#include "request.h"

struct group_call;
typedef void (*group_call_cb)(struct group_call *call);

struct group_call {
    struct request *request;
    struct broker_group *group; /* where it runs */
    struct broker_place place;  /* of the consumer group's partition */
    int16_t error_code;         /* Kafka's */
    group_call_cb run, finish;  /* private from here on */
    bool is_fresh, is_of_member;
    bool is_opening;           /* its partition is not open there yet */
    uint64_t opening_until_ms; /* clock: so long it is waited for */
    struct request_deadline pause;
    struct repl_read read;
    struct work_item item;
};

/* Finds the coordinator's place and runs there, if it is here and ready; else `finish` comes with
 * the error. Always later. */
void group_call_send(struct group_call *call, struct request *r, struct kafka_string group_id,
                     group_call_cb run, group_call_cb finish);
/* The same for what wants a name: offsets may be committed under none, members need one. */
void group_call_send_member(struct group_call *call, struct request *r,
                            struct kafka_string group_id, group_call_cb run, group_call_cb finish);
/* The same after a read index: what is seen includes all that was ever acknowledged (invariant
 * 15). */
void group_call_send_fresh(struct group_call *call, struct request *r, struct kafka_string group_id,
                           group_call_cb run, group_call_cb finish);
/* To every partition of a raft group at once (ListGroups): there is no place. */
void group_call_send_to(struct group_call *call, struct request *r, struct broker_group *g,
                        group_call_cb run, group_call_cb finish);

/* On the coordinator's shard, once. */
void group_call_done(struct group_call *call, int16_t error_code);

/* The table of the consumer group's partition; never NULL in `run` of a call to a place. */
const struct consumer_table *group_call_table(const struct group_call *call);
/* The groups that are led here. */
struct group_set *group_call_groups(const struct group_call *call);

/* By which way its client speaks. */
struct group_way group_call_way(const struct group_call *call);
/* In `run`: see group_hear(). */
bool group_call_hear(const struct group_call *call, struct kafka_string group_id,
                     struct kafka_string member_id);

/* What a coordinator's client is told for one of our codes. */
int16_t group_error_of(int err);

/* The client's address as Kafka shows it: "/10.0.0.1". In the request's arena. */
struct kafka_string group_client_host(struct request *r);
/* Never null. */
struct kafka_string group_client_id(const struct request *r);
/* Both. On the connection's shard, as these three use the request's arena. */
struct group_actor group_actor_of(struct request *r);

#endif
