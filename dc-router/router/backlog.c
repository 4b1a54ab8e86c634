/* A round: coordinator? --> what is committed --> ends, at each leader --> what is so old, at each
 * leader --> the view. Each step waits for all its answers; one that fails ends the round, and so
 * does one in which a partition was left out: nothing said of it is not "nobody is behind". */
#include "router/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "protocol/error.h"
#include "router/own_request.h"
#include "router/router.h"

#define FIND_VERSION   3
#define FETCH_VERSION  5
#define LIST_VERSION   5
#define PARTITIONS_MAX 10000
#define LATEST         (-1)
#define RETRY_MS       500 /* the topic is not known yet */
#define NOT_TOLD       INT64_MIN

struct backlog_part {
    struct backlog_round *round;
    struct upstream_call call;
};

enum backlog_step { STEP_COMMITTED, STEP_ENDS, STEP_AGES };

struct backlog_round {
    struct router_shard *shard;
    struct conf_backlog limit;
    bool is_open; /* when it began */
    bool has_failed;
    enum backlog_step step;
    int32_t count;
    struct backlog_partition *partitions;
    unsigned pending;
    unsigned part_count;
    struct backlog_part parts[NODES_MAX];
};

/* ---- the view ---- */

static struct view_backlog *seen_of(struct router_shard *s, const struct conf_backlog *limit)
{
    for (unsigned i = 0; i < s->view.backlog_count; i++) {
        struct view_backlog *seen = &s->view.backlogs[i];
        if (strcmp(seen->topic, limit->topic) == 0 && strcmp(seen->group, limit->group) == 0)
            return seen;
    }
    return NULL;
}

static void count_open(struct view *v)
{
    v->open_count = 0;
    for (unsigned i = 0; i < v->backlog_count; i++)
        v->open_count += v->backlogs[i].is_open;
}

static void tell_change(const struct view_backlog *seen)
{
    if (seen->is_open)
        event_warn("backlog_open",
                   "topic=%s group=%s records=%lld reason=\"the group is too far behind: the topic "
                   "takes no records here\"",
                   seen->topic, seen->group, (long long)seen->records);
    else
        event_info("backlog_closed", "topic=%s group=%s records=%lld", seen->topic, seen->group,
                   (long long)seen->records);
}

static void take_result(struct backlog_round *round)
{
    struct view_backlog *seen = seen_of(round->shard, &round->limit);
    if (seen == NULL || seen->is_open != round->is_open)
        return; /* other settings meanwhile */
    int64_t records = backlog_records(round->partitions, round->count);
    bool is_open = backlog_is_too_much(&round->limit, round->is_open, round->partitions,
                                       round->count);
    bool has_changed = seen->is_open != is_open || seen->records != records || !seen->is_known;
    seen->records = records;
    seen->is_known = true;
    seen->is_open = is_open;
    count_open(&round->shard->view);
    if (is_open != round->is_open)
        tell_change(seen);
    if (has_changed)
        view_publish(round->shard);
}

/* ---- a round ---- */

static void end_round(struct backlog_round *round)
{
    if (!round->has_failed)
        take_result(round);
    round->shard->backlogs.round = NULL;
    free(round->partitions);
    free(round);
}

static void fail(struct backlog_round *round)
{
    round->has_failed = true;
    cluster_map_want(round->shard, kafka_string_of(round->limit.topic));
}

static void ask_offsets(struct backlog_round *round, enum backlog_step step);

/* What is told of the partition in this step. */
static int64_t *told_in(const struct backlog_round *round, int32_t partition)
{
    struct backlog_partition *p = &round->partitions[partition];
    return round->step == STEP_COMMITTED ? &p->committed
           : round->step == STEP_ENDS    ? &p->end
                                         : &p->young;
}

static void begin_step(struct backlog_round *round, enum backlog_step step)
{
    round->step = step;
    for (int32_t i = 0; i < round->count; i++)
        *told_in(round, i) = NOT_TOLD;
}

static bool is_whole(const struct backlog_round *round)
{
    for (int32_t i = 0; i < round->count; i++)
        if (*told_in(round, i) == NOT_TOLD)
            return false;
    return true;
}

static void one_less(struct backlog_round *round)
{
    if (--round->pending > 0)
        return;
    if (!round->has_failed && !is_whole(round))
        fail(round);
    if (!round->has_failed && round->step == STEP_ENDS && round->limit.ms > 0)
        ask_offsets(round, STEP_AGES);
    else
        end_round(round);
}

/* ---- ends and ages, at the leaders ---- */

static void take_offset(struct backlog_round *round,
                        const struct kafka_list_offsets_response_partition *from)
{
    bool is_told = from->error_code == KAFKA_ERROR_NONE &&
                   (round->step == STEP_AGES || from->offset >= 0);
    if (is_told && from->partition_index >= 0 && from->partition_index < round->count)
        *told_in(round, from->partition_index) = from->offset;
    else
        fail(round);
}

static void on_listed(struct upstream_call *call, int status, struct slice answer)
{
    struct backlog_part *part = call->data;
    struct backlog_round *round = part->round;
    struct own_answer own;
    if (status != 0 || own_answer_read(&own, KAFKA_API_LIST_OFFSETS, LIST_VERSION, answer) != 0) {
        fail(round);
        one_less(round);
        return;
    }
    const struct kafka_list_offsets_response *m = own.message;
    for (int32_t t = 0; t < m->topics_count; t++)
        for (int32_t p = 0; p < m->topics[t].partitions_count; p++)
            if (kafka_string_is_text(m->topics[t].name, round->limit.topic))
                take_offset(round, &m->topics[t].partitions[p]);
    own_answer_close(&own);
    one_less(round);
}

static int64_t timestamp_of(const struct backlog_round *round)
{
    return round->step == STEP_AGES
               ? clock_wall_ms(&round->shard->clock) - backlog_age_ms(&round->limit, round->is_open)
               : LATEST;
}

/* All partitions that this node leads. */
static void ask_node(struct backlog_round *round, struct router_node *n,
                     struct kafka_list_offsets_request_partition *partitions)
{
    struct kafka_list_offsets_request m;
    struct kafka_list_offsets_request_topic topic;
    struct kafka_string name = kafka_string_of(round->limit.topic);
    struct backlog_part *part = &round->parts[round->part_count++];
    kafka_list_offsets_request_init(&m);
    kafka_list_offsets_request_topic_init(&topic);
    topic.name = name;
    topic.partitions = partitions;
    for (int32_t i = 0; i < round->count; i++) {
        if (cluster_map_leader(round->shard, name, i) != n->id)
            continue;
        struct kafka_list_offsets_request_partition *p = &partitions[topic.partitions_count++];
        kafka_list_offsets_request_partition_init(p);
        p->partition_index = i;
        p->timestamp = timestamp_of(round);
    }
    m.replica_id = -1;
    m.topics = &topic;
    m.topics_count = 1;
    part->round = round;
    part->call.data = part;
    round->pending++;
    if (topic.partitions_count == 0 || own_request_send(n, &part->call, KAFKA_API_LIST_OFFSETS,
                                                        LIST_VERSION, &m, on_listed) != 0) {
        round->pending--;
        round->has_failed |= topic.partitions_count > 0;
    }
}

static bool has_leaders(const struct backlog_round *round)
{
    for (int32_t i = 0; i < round->count; i++) {
        int32_t id = cluster_map_leader(round->shard, kafka_string_of(round->limit.topic), i);
        const struct router_node *n = node_pool_find(round->shard, id);
        if (n == NULL || !router_node_is_up(n))
            return false;
    }
    return true;
}

static void ask_offsets(struct backlog_round *round, enum backlog_step step)
{
    struct kafka_list_offsets_request_partition *partitions = calloc((size_t)round->count + 1,
                                                                     sizeof *partitions);
    begin_step(round, step);
    round->part_count = 0;
    round->pending = 1;
    bool can_ask = partitions != NULL && has_leaders(round);
    if (!can_ask)
        fail(round);
    for (struct router_node *n = can_ask ? round->shard->pool.nodes : NULL;
         n != NULL && !round->has_failed; n = n->next)
        if (n->id >= 0)
            ask_node(round, n, partitions);
    free(partitions);
    one_less(round);
}

/* ---- what is committed, at the coordinator ---- */

static bool take_committed(struct backlog_round *round, const struct kafka_offset_fetch_response *m)
{
    if (m->error_code != KAFKA_ERROR_NONE || m->topics_count != 1 ||
        !kafka_string_is_text(m->topics[0].name, round->limit.topic))
        return false;
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++) {
        const struct kafka_offset_fetch_response_partition *from = &m->topics[0].partitions[i];
        if (from->error_code != KAFKA_ERROR_NONE || from->partition_index < 0 ||
            from->partition_index >= round->count)
            return false;
        *told_in(round, from->partition_index) = from->committed_offset;
    }
    return is_whole(round);
}

static void on_committed(struct upstream_call *call, int status, struct slice answer)
{
    struct backlog_round *round = ((struct backlog_part *)call->data)->round;
    struct own_answer own;
    bool is_told = false;
    if (status == 0 && own_answer_read(&own, KAFKA_API_OFFSET_FETCH, FETCH_VERSION, answer) == 0) {
        is_told = take_committed(round, own.message);
        own_answer_close(&own);
    }
    if (is_told) {
        ask_offsets(round, STEP_ENDS);
        return;
    }
    cluster_map_forget_coordinator(round->shard, kafka_string_of(round->limit.group));
    fail(round);
    end_round(round);
}

static int ask_committed(struct backlog_round *round, struct router_node *coordinator)
{
    struct kafka_offset_fetch_request m;
    struct kafka_offset_fetch_request_topic topic;
    int32_t *indexes = calloc((size_t)round->count + 1, sizeof *indexes);
    if (indexes == NULL)
        return UV_ENOMEM;
    for (int32_t i = 0; i < round->count; i++)
        indexes[i] = i;
    kafka_offset_fetch_request_init(&m);
    kafka_offset_fetch_request_topic_init(&topic);
    topic.name = kafka_string_of(round->limit.topic);
    topic.partition_indexes = indexes;
    topic.partition_indexes_count = round->count;
    m.group_id = kafka_string_of(round->limit.group);
    m.topics = &topic;
    m.topics_count = 1;
    int err = own_request_send(coordinator, &round->parts[0].call, KAFKA_API_OFFSET_FETCH,
                               FETCH_VERSION, &m, on_committed);
    free(indexes);
    return err;
}

static void ask_known(struct backlog_round *round)
{
    struct router_shard *s = round->shard;
    int32_t id = cluster_map_coordinator(s, kafka_string_of(round->limit.group));
    struct router_node *n = node_pool_find(s, id);
    if (n != NULL && router_node_is_up(n) && ask_committed(round, n) == 0)
        return;
    fail(round);
    end_round(round);
}

static void on_found(struct upstream_call *call, int status, struct slice answer)
{
    struct backlog_round *round = ((struct backlog_part *)call->data)->round;
    struct own_answer own;
    if (status == 0 &&
        own_answer_read(&own, KAFKA_API_FIND_COORDINATOR, FIND_VERSION, answer) == 0) {
        const struct kafka_find_coordinator_response *found = own.message;
        if (found->error_code == KAFKA_ERROR_NONE)
            cluster_map_learn_coordinator(round->shard, kafka_string_of(round->limit.group),
                                          found->node_id);
        own_answer_close(&own);
    }
    ask_known(round);
}

static void find_coordinator(struct backlog_round *round)
{
    struct router_shard *s = round->shard;
    struct kafka_find_coordinator_request m;
    struct router_node *n = node_pool_any(s, round->shard->map.turn);
    kafka_find_coordinator_request_init(&m);
    m.key = kafka_string_of(round->limit.group);
    if (n == NULL || own_request_send(n, &round->parts[0].call, KAFKA_API_FIND_COORDINATOR,
                                      FIND_VERSION, &m, on_found) != 0)
        end_round(round);
}

/* ---- beginning ---- */

/* False: it could not. */
static bool begin_round(struct router_shard *s, const struct conf_backlog *limit)
{
    const struct view_backlog *seen = seen_of(s, limit);
    int32_t count = cluster_map_partition_count(s, kafka_string_of(limit->topic));
    bool can_begin = count >= 0 && count <= PARTITIONS_MAX && seen != NULL;
    struct backlog_round *round = can_begin ? calloc(1, sizeof *round) : NULL;
    if (round == NULL)
        return false;
    round->partitions = calloc((size_t)count + 1, sizeof *round->partitions);
    if (round->partitions == NULL) {
        free(round);
        return false;
    }
    round->shard = s;
    round->limit = *limit;
    round->is_open = seen->is_open;
    round->count = count;
    begin_step(round, STEP_COMMITTED);
    round->parts[0].round = round;
    round->parts[0].call.data = &round->parts[0];
    s->backlogs.round = round;
    int32_t id = cluster_map_coordinator(s, kafka_string_of(limit->group));
    const struct router_node *n = node_pool_find(s, id);
    if (count == 0)
        end_round(round); /* there is no such topic: nobody is behind */
    else if (n == NULL || !router_node_is_up(n))
        find_coordinator(round);
    else
        ask_known(round);
    return true;
}

void backlogs_tick(struct router_shard *s, uint64_t now_ms)
{
    struct backlogs *b = &s->backlogs;
    if (b->limits.count == 0 || b->round != NULL)
        return;
    unsigned i = b->next++ % b->limits.count;
    uint64_t every_ms = b->was_asked[i] ? (uint64_t)s->settings->backlog_check_ms : RETRY_MS;
    if (b->looked_ms[i] != 0 && now_ms - b->looked_ms[i] < every_ms)
        return;
    b->looked_ms[i] = now_ms;
    b->was_asked[i] = begin_round(s, &b->limits.entries[i]);
}

/* ---- settings ---- */

void backlogs_take_settings(struct router_shard *s)
{
    struct view *v = &s->view;
    struct view_backlog *next = calloc(CONF_RULES_MAX, sizeof *next);
    if (next == NULL)
        return; /* as it was, until settings are read again */
    s->backlogs.limits = s->settings->backlog_limits;
    memset(s->backlogs.looked_ms, 0, sizeof s->backlogs.looked_ms);
    memset(s->backlogs.was_asked, 0, sizeof s->backlogs.was_asked);
    for (unsigned i = 0; i < s->backlogs.limits.count; i++) {
        const struct conf_backlog *limit = &s->backlogs.limits.entries[i];
        const struct view_backlog *seen = seen_of(s, limit);
        if (seen != NULL)
            next[i] = *seen;
        memcpy(next[i].topic, limit->topic, sizeof next[i].topic);
        memcpy(next[i].group, limit->group, sizeof next[i].group);
        next[i].answer = limit->answer;
    }
    memcpy(v->backlogs, next, sizeof v->backlogs);
    free(next);
    v->backlog_count = s->backlogs.limits.count;
    count_open(v);
    view_publish(s);
}

void backlogs_close(struct router_shard *s)
{
    if (s->backlogs.round != NULL) { /* its answers came as failures, or never will */
        free(s->backlogs.round->partitions);
        free(s->backlogs.round);
    }
    s->backlogs.round = NULL;
}
