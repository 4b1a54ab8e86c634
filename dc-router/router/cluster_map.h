/* What this shard knows of the cluster: who leads what, and where a consumer group's coordinator
 * is.
 *
 * It learns by asking a node for the topics that clients use here, now and then; and soon for those
 * for which a client's request waits, or found that it was wrong; for those alone, and for so many
 * at a time. What is not used any more is forgotten. Topics that the cluster does not have, which
 * any client can make up, have a share of their own and a short life: they push out each other, and
 * no real one. */
#ifndef ROUTER_CLUSTER_MAP_H
#define ROUTER_CLUSTER_MAP_H

#include <uthash.h>

#include "protocol/messages.h"
#include "router/upstream.h"

#define MAP_TOPICS_MAX    20000
#define MAP_GROUPS_MAX    50000
#define MAP_UNUSED_MS_MAX 600000
#define MAP_UNKNOWN_MAX   1000 /* topics that the cluster has not told of; the oldest goes first */
#define MAP_UNKNOWN_MS    30000
#define MAP_WANTED_MAX    1000 /* of the topics that are there, in one question; the others follow */
#define MAP_NAME_SIZE_MAX 249  /* of a topic in Kafka */

struct router_shard;

/* A replica of this site that the leader names for reading (KIP-392). */
struct map_near {
    int32_t node_id; /* -1: none */
    uint64_t since_ms;
};

struct map_topic {
    int32_t *leaders;      /* node id of each partition, -1 while nobody leads; owned */
    int32_t count;         /* partitions */
    struct map_near *near; /* of each partition; owned, NULL until one is known */
    bool is_known;         /* the cluster has told it … */
    uint64_t told_ms;      /* … this time last */
    bool is_there;         /* it has told its partitions: stands in `topics`, else in `unknown` */
    bool is_missed;        /* the last node that was asked did not know it any more */
    bool is_wanted;        /* somebody waits for its leaders */
    uint64_t used_ms, wanted_ms;
    UT_hash_handle hh;
    int32_t name_size;
    char name[];
};

struct map_group {
    int32_t node_id;
    uint64_t used_ms;
    UT_hash_handle hh;
    int32_t name_size;
    char name[];
};

/* Told when a question was answered, and now and then while none is: what it waits for may be known
 * by then. */
struct map_waiter;
typedef void (*map_waiter_cb)(struct map_waiter *w);
struct map_waiter {
    void *data;
    map_waiter_cb cb;                    /* private from here on */
    struct map_waiter *next, **previous; /* previous is NULL while it does not wait */
};

struct cluster_map {
    struct map_topic *topics, *unknown; /* `unknown` in the order of coming */
    struct map_group *groups;
    struct map_waiter *waiters;
    struct upstream_call call; /* Metadata */
    bool is_asking;
    bool should_ask;     /* for what is wanted … */
    bool should_ask_all; /* … or once more for everything: nobody has answered */
    bool asks_all;       /* the question under way */
    bool has_changed;    /* a leader, by the last answer */
    uint64_t pause_ms;   /* between two questions; grows while answers say nothing new */
    uint64_t asked_ms, asked_all_ms;
    uint64_t turn;
    uint64_t told_ms; /* waiters */
};

/* The router ends, its clients and connections are closed: who waits is told, and gives up. */
void cluster_map_stop(struct router_shard *s);
void cluster_map_close(struct router_shard *s);
/* About every 20 ms. */
void cluster_map_tick(struct router_shard *s, uint64_t now_ms);

#define MAP_NOBODY    (-1) /* leads it, as far as is known */
#define MAP_NOT_KNOWN (-2) /* yet: it is asked for */
#define MAP_NO_SUCH   (-3) /* topic or partition, as the cluster has said just now */
/* The partition's leader, or one of these. Where that is nobody who answers, the topic is among
 * those that are asked for next. */
int32_t cluster_map_leader(struct router_shard *s, struct kafka_string topic, int32_t partition);
/* How many partitions the topic has, 0 where there is none of that name; or MAP_NOT_KNOWN. */
int32_t cluster_map_partition_count(struct router_shard *s, struct kafka_string topic);
/* Who of this site serves the partition's reads. MAP_NOT_KNOWN: the leader may name one.
 * MAP_NOBODY: the one that it named has refused. Forgotten after a while, for the leader knows who
 * keeps up. */
int32_t cluster_map_near(struct router_shard *s, struct kafka_string topic, int32_t partition);
void cluster_map_learn_near(struct router_shard *s, struct kafka_string topic, int32_t partition,
                            int32_t node_id);
/* Some answer showed that what is known of the topic is out of date: it is asked for soon. */
void cluster_map_want(struct router_shard *s, struct kafka_string topic);
/* It may be: it is asked for soon unless it was told within the last half second. */
void cluster_map_suspect(struct router_shard *s, struct kafka_string topic);
/* `cb` runs once, later; or not, when it was taken back. */
void cluster_map_wait(struct router_shard *s, struct map_waiter *w, map_waiter_cb cb);
void cluster_map_wait_no_more(struct map_waiter *w);
/* What a node told, to whomever. */
void cluster_map_learn(struct router_shard *s, const struct kafka_metadata_response *response);

/* The coordinator's node id, or -1. */
int32_t cluster_map_coordinator(struct router_shard *s, struct kafka_string group_id);
void cluster_map_learn_coordinator(struct router_shard *s, struct kafka_string group_id,
                                   int32_t node_id);
void cluster_map_forget_coordinator(struct router_shard *s, struct kafka_string group_id);

#endif
