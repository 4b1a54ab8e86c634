/* What the shards of this node say about their raft groups, gathered for one call.
 *
 * One post to each shard and one back. A shard that does not answer in time is left out, and said
 * to be silent: its memory is given back when it does answer, or never; so there are never more
 * than SURVEYS_MAX under way. */
#ifndef CLUSTER_ADMIN_SURVEY_H
#define CLUSTER_ADMIN_SURVEY_H

#include "admin/admin_parts.h"
#include "admin/lost_members.h"
#include "admin/survey_detail.h"
#include "log/repair.h"

#define SURVEYS_MAX   HTTP_CONNECTIONS_MAX
#define SURVEY_MS_MAX 2000

/* One raft group as its shard sees it. */
struct survey_group {
    bool is_known;   /* its shard answered, and this node has a replica of it */
    bool is_serving; /* this replica leads and may serve */
    struct repl_group_status raft;
    struct repl_counters counters;
    struct machine_counters machine;
    unsigned partition_count;  /* open here */
    uint64_t tail_bytes;       /* newest batches in memory */
    uint64_t unflushed_bytes;  /* of them, not in segments yet */
    bool is_tail_full;         /* batches wait until tails are in segments */
    bool is_holding_producers; /* batches wait for room in the group's log */
    struct log_damage_status damage;
    struct survey_share *shares; /* owned: only where they were asked for, and the group is led */
    unsigned share_count;
    struct lost_members *lost; /* owned: only where it was asked for */
};

/* What a replica lacks of a partition. */
struct survey_share {
    uint32_t node_id;
    struct repl_lag_share share;
};
#define SURVEY_SHARES_MAX 16384 /* of a group; the rest is not told apart */

struct survey;
/* More than the survey has, looked at on the shard of each group; `data` is the survey's own. */
struct survey_look {
    void (*look)(void *data, unsigned shard, struct broker_group *g);
    void (*free)(void *data); /* when no shard needs it any more */
    void *data;               /* what shards write is apart by their index */
};
/* Once, on the port's thread. The survey is valid during the call. */
typedef void (*survey_cb)(struct admin_call *call, const struct survey *survey);

struct survey_shard {
    struct survey *survey;
    unsigned index;
    bool has_answered;
    struct survey_detail detail; /* where it was asked for; not to be read unless it has answered */
    struct work_item item;
};

struct survey {
    bool wants_shares;            /* what replicas lack, by partition */
    struct lost_sites lost_sites; /* whose members are counted */
    struct admin *admin;
    struct admin_call *call;  /* NULL once it was answered */
    struct shard *call_shard; /* the port's thread */
    struct broker *broker;
    survey_cb cb;
    bool has_detail;         /* it is asked for */
    struct survey_look look; /* or zeros */
    unsigned waiting_count;  /* shards that have not answered */
    uv_timer_t timer;
    bool is_timer_closed;
    unsigned shard_count;
    struct survey_shard shards[REPL_SHARDS_MAX];
    unsigned group_count;
    struct survey_group groups[]; /* by group id; of silent shards: not to be read */
};

/* Asks all shards; refuses the call when too many surveys are under way. */
void survey_start(struct admin_call *call, survey_cb cb);
/* The same, and what replicas lack by partition. */
void survey_start_with_shares(struct admin_call *call, survey_cb cb);
/* The same, and which consumer groups would have no member left. */
void survey_start_with_lost(struct admin_call *call, const struct lost_sites *sites, survey_cb cb);

/* The same with what is of partitions and consumer groups; of the latter at most so many, with at
 * most so many offsets, from each shard. */
void survey_start_detailed(struct admin_call *call, size_t commits_max, survey_cb cb);
/* All of it, and more to look at: takes look.data whatever comes of it. */
void survey_start_whole(struct admin_call *call, size_t commits_max, const struct survey_look *look,
                        survey_cb cb);
/* The same with more to look at; takes look.data whatever comes of it. In `cb` only what shards
 * that have answered wrote is to be read. */
void survey_start_with(struct admin_call *call, survey_cb cb, const struct survey_look *look);
bool survey_has_all(const struct survey *survey);

/* NULL when it is not known: its shard is silent, or there is no replica here. */
const struct survey_group *survey_group(const struct survey *survey, uint32_t group_id);

/* Over all groups that are known. */
void survey_damage(const struct survey *survey, struct log_damage_status *sum);

#endif
