/* What the shards of this node say about their raft groups, gathered for one call.
 *
 * One post to each shard and one back. A shard that does not answer in time is left out, and said
 * to be silent: its memory is given back when it does answer, or never; so there are never more
 * than SURVEYS_MAX under way. */
#ifndef CLUSTER_ADMIN_SURVEY_H
#define CLUSTER_ADMIN_SURVEY_H

#include "admin/admin_parts.h"
#include "log/repair.h"

#define SURVEYS_MAX   ADMIN_CONNECTIONS_MAX
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
};

struct survey;
/* Once, on the port's thread. The survey is valid during the call. */
typedef void (*survey_cb)(struct admin_call *call, const struct survey *survey);

struct survey_shard {
    struct survey *survey;
    unsigned index;
    bool has_answered;
    struct work_item item;
};

struct survey {
    struct admin *admin;
    struct admin_call *call;  /* NULL once it was answered */
    struct shard *call_shard; /* the port's thread */
    struct broker *broker;
    survey_cb cb;
    unsigned waiting_count; /* shards that have not answered */
    uv_timer_t timer;
    bool is_timer_closed;
    unsigned shard_count;
    struct survey_shard shards[REPL_SHARDS_MAX];
    unsigned group_count;
    struct survey_group groups[]; /* by group id; of silent shards: not to be read */
};

/* Asks all shards; refuses the call when too many surveys are under way. */
void survey_start(struct admin_call *call, survey_cb cb);

/* NULL when it is not known: its shard is silent, or there is no replica here. */
const struct survey_group *survey_group(const struct survey *survey, uint32_t group_id);

/* Over all groups that are known. */
void survey_damage(const struct survey *survey, struct log_damage_status *sum);

#endif
