/* Live groups on a host that the test plays: time, proposals, leadership. */
#ifndef TEST_CLUSTER_COORDINATOR_STATION_H
#define TEST_CLUSTER_COORDINATOR_STATION_H

#include "cluster/live_group.h"
#include "consumer_bodies.h"
#include "protocol/error.h"

#define STATION_PROPOSALS_MAX 64
#define STATION_PARTITION     3

struct station {
    struct consumer_table *table;
    struct group_set *groups;
    uint64_t now_ms;
    int refuse_with; /* what propose answers; 0: takes it */
    unsigned rebalance_count;
    char cause[64]; /* of the last rebalance: act, client's reason */
    unsigned count, applied_count;
    struct {
        uint8_t *body;
        size_t size;
        group_proposal_cb done;
        void *done_data;
    } proposals[STATION_PROPOSALS_MAX];
};

static inline uint64_t station_now(void *data)
{
    return ((struct station *)data)->now_ms;
}

static inline const struct consumer_table *station_table(void *data, uint32_t partition_number)
{
    cr_assert_eq(partition_number, STATION_PARTITION);
    return ((struct station *)data)->table;
}

static inline int station_propose(void *data, uint32_t partition_number, struct bytes body,
                                  group_proposal_cb done, void *done_data)
{
    struct station *s = data;
    cr_assert_eq(partition_number, STATION_PARTITION);
    if (s->refuse_with != 0)
        return s->refuse_with;
    cr_assert_lt(s->count, STATION_PROPOSALS_MAX);
    s->proposals[s->count].body = malloc(body.size);
    memcpy(s->proposals[s->count].body, body.data, body.size);
    s->proposals[s->count].size = body.size;
    s->proposals[s->count].done = done;
    s->proposals[s->count++].done_data = done_data;
    return 0;
}

static inline void station_on_rebalance(void *data, struct kafka_string group_id,
                                        int32_t generation, const struct group_cause *cause)
{
    struct station *s = data;
    cr_assert(kafka_string_is_text(group_id, "group"));
    cr_assert_geq(generation, 0);
    s->rebalance_count++;
    snprintf(s->cause, sizeof s->cause, "%s: %.*s", cause->act,
             cause->reason.size > 0 ? (int)cause->reason.size : 0, cause->reason.data);
}

static inline struct group_set *station_groups(struct station *s, uint64_t delay_ms,
                                               uint32_t member_count_max)
{
    struct group_host host = {.data = s,
                              .now_ms = station_now,
                              .table = station_table,
                              .propose = station_propose,
                              .on_rebalance = station_on_rebalance};
    struct group_limits limits = {.session_timeout_ms_min = 6000,
                                  .session_timeout_ms_max = 300000,
                                  .initial_rebalance_delay_ms = delay_ms,
                                  .member_count_max = member_count_max};
    struct group_set *groups;
    cr_assert_eq(group_set_create(&host, &limits, 1, &groups), 0);
    return groups;
}

static inline void station_open(struct station *s, uint64_t delay_ms, uint32_t member_count_max)
{
    *s = (struct station){.now_ms = 1000};
    cr_assert_eq(consumer_table_create(&s->table), 0);
    s->groups = station_groups(s, delay_ms, member_count_max);
}

static inline void station_finish(struct station *s, int status)
{
    uint8_t *body = s->proposals[0].body;
    group_proposal_cb done = s->proposals[0].done;
    void *done_data = s->proposals[0].done_data;
    if (status == 0) {
        struct verdict v = apply_bytes(s->table, bytes_of(body, s->proposals[0].size),
                                       (int64_t)s->now_ms);
        verdict_free(&v);
        status = v.error;
        s->applied_count++;
    }
    s->count--;
    memmove(&s->proposals[0], &s->proposals[1], s->count * sizeof s->proposals[0]);
    done(done_data, status);
    free(body);
}

/* Applies all that is proposed, and what follows from it. */
static inline void station_apply(struct station *s)
{
    while (s->count > 0)
        station_finish(s, 0);
}

static inline void station_pass(struct station *s, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 10) {
        s->now_ms += 10;
        group_set_tick(s->groups);
    }
}

/* Another node leads from here on, from what this table says. */
static inline void station_fail_over(struct station *s)
{
    while (s->count > 0)
        station_finish(s, ERR_LEADERSHIP_LOST);
    group_set_clear(s->groups, KAFKA_ERROR_NOT_COORDINATOR);
    group_set_destroy(s->groups);
    s->groups = station_groups(s, 0, 100);
    cr_assert_eq(group_set_restore(s->groups, STATION_PARTITION), 0);
}

static inline void station_close(struct station *s)
{
    while (s->count > 0)
        station_finish(s, ERR_CLOSED);
    group_set_clear(s->groups, KAFKA_ERROR_NOT_COORDINATOR);
    group_set_destroy(s->groups);
    consumer_table_destroy(s->table);
}

/* ---- a client ---- */

#define PENDING (-100)

struct player {
    char id[128];
    const char *instance;
    struct group_protocol protocols[2];
    uint32_t protocol_count;
    struct group_join join;
    struct group_sync sync;
    int join_code, sync_code; /* PENDING while they wait */
    int32_t generation;
    bool is_leader;
    uint32_t member_count; /* told to the leader */
    char leader[128];
    const char *reason;   /* that it gives */
    bool may_skip, skips; /* the leader's work (KIP-814) */
    char assignment[32];
};

static inline struct player player_of(const char *subscription)
{
    return (struct player){.protocols = {{kafka_string_of("range"), bytes_of_text(subscription)}},
                           .protocol_count = 1};
}

static inline void player_on_join(struct group_join *join)
{
    struct player *p = join->data;
    cr_assert_eq(p->join_code, PENDING, "answered once");
    p->join_code = join->error_code;
    snprintf(p->id, sizeof p->id, "%.*s", (int)join->answer_member_id.size,
             join->answer_member_id.data);
    snprintf(p->leader, sizeof p->leader, "%.*s", (int)join->leader.size, join->leader.data);
    if (join->error_code == 0)
        p->generation = join->generation;
    p->is_leader = join->error_code == 0 && strcmp(p->leader, p->id) == 0;
    p->member_count = join->member_count;
    p->skips = join->skip_assignment;
    kafka_arena_close(&join->arena);
}

static inline void player_join_as(struct station *s, struct player *p, bool needs_member_id)
{
    p->join_code = PENDING;
    p->join = (struct group_join){
        .data = p,
        .done = player_on_join,
        .partition_number = STATION_PARTITION,
        .group_id = kafka_string_of("group"),
        .member_id = kafka_string_of(p->id),
        .instance_id = kafka_string_of(p->instance),
        .client_id = kafka_string_of("client"),
        .client_host = kafka_string_of("/127.0.0.1"),
        .protocol_type = kafka_string_of("consumer"),
        .session_timeout_ms = 10000,
        .rebalance_timeout_ms = 30000,
        .needs_member_id = needs_member_id,
        .may_skip_assignment = p->may_skip,
        .reason = kafka_string_of(p->reason),
        .protocols = p->protocols,
        .protocol_count = p->protocol_count,
    };
    kafka_arena_init(&p->join.arena, 65536);
    group_join_begin(s->groups, &p->join);
}

static inline void player_join(struct station *s, struct player *p)
{
    player_join_as(s, p, false);
}

static inline void player_on_sync(struct group_sync *sync)
{
    struct player *p = sync->data;
    cr_assert_eq(p->sync_code, PENDING, "answered once");
    p->sync_code = sync->error_code;
    snprintf(p->assignment, sizeof p->assignment, "%.*s", (int)sync->assignment.size,
             (const char *)sync->assignment.data);
    kafka_arena_close(&sync->arena);
}

/* The leader's assignments, or none. */
static inline void player_sync(struct station *s, struct player *p,
                               const struct group_assignment *assignments, uint32_t count)
{
    p->sync_code = PENDING;
    p->sync = (struct group_sync){
        .data = p,
        .done = player_on_sync,
        .group_id = kafka_string_of("group"),
        .generation = p->generation,
        .member_id = kafka_string_of(p->id),
        .instance_id = kafka_string_of(p->instance),
        .protocol_type = kafka_string_of("consumer"),
        .protocol_name = kafka_string_of("range"),
        .assignments = assignments,
        .assignment_count = count,
    };
    kafka_arena_init(&p->sync.arena, 65536);
    group_sync_begin(s->groups, &p->sync);
}

static inline int player_beat(struct station *s, const struct player *p)
{
    return group_heartbeat(s->groups, kafka_string_of("group"), p->generation,
                           kafka_string_of(p->id), kafka_string_of(p->instance));
}

static inline int player_leave(struct station *s, const struct player *p)
{
    return group_leave(s->groups, kafka_string_of("group"), kafka_string_of(p->id),
                       kafka_string_of(p->instance), kafka_string_of(p->reason));
}

/* One or two players become a stable group: "A" to the first, "B" to the second. */
static inline void players_settle(struct station *s, struct player *a, struct player *b)
{
    struct group_assignment assignments[] = {{{0}, bytes_of_text("A")}, {{0}, bytes_of_text("B")}};
    player_join(s, a);
    station_apply(s);
    if (b != NULL) {
        player_join(s, b);
        player_join(s, a);
        station_apply(s);
        cr_assert_eq(b->join_code, 0);
    }
    cr_assert_eq(a->join_code, 0);
    assignments[0].member_id = kafka_string_of(a->id);
    if (b != NULL) {
        assignments[1].member_id = kafka_string_of(b->id);
        player_sync(s, b, NULL, 0);
    }
    player_sync(s, a, assignments, b == NULL ? 1 : 2);
    station_apply(s);
    cr_assert_eq(a->sync_code, 0);
    cr_assert_str_eq(a->assignment, "A");
}

static inline enum group_state station_state(const struct station *s)
{
    struct group_description description = {.state = GROUP_EMPTY};
    const struct live_group *g = group_set_find(s->groups, kafka_string_of("group"));
    if (g != NULL)
        live_group_describe(g, &description);
    return description.state;
}

#endif
