/* A live group's states, and the set of all.
 *
 *   EMPTY ──rebalance──▶ PREPARING ──joined──▶ COMPLETING ──assigned──▶ STABLE
 *     ▲                    │  ▲                    │                      │
 *     └─────deserted───────┘  └────rebalance, unstored──────rebalance─────┘
 *
 * PREPARING: members come and join, until all known ones have or the rebalance timeout is over.
 * COMPLETING: they know their generation and wait for the leader's assignment, which is an entry:
 * SyncGroup is answered once it is applied, so whatever a member was told survives this node. */
#include "cluster/live_group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/live_parts.h"

#define GROUP_OVERHEAD_BYTES 1024

/* ---- states ---- */

static void nothing(struct live_group *g, int16_t error_code)
{
    (void)g;
    (void)error_code;
}

static void begin_again(struct live_group *g, int16_t error_code)
{
    g->storing_number = 0;
    live_answer_syncs(g, error_code != 0 ? error_code : KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    live_begin_join_phase(g);
}

static void begin_first(struct live_group *g, int16_t error_code)
{
    (void)error_code;
    g->has_to_store_empty = false;
    live_begin_join_phase(g);
}

static void answer_joins(struct live_group *g, int16_t error_code)
{
    (void)error_code;
    live_answer_joins(g);
}

static void answer_syncs(struct live_group *g, int16_t error_code)
{
    live_answer_syncs(g, error_code);
}

static void become_empty(struct live_group *g, int16_t error_code)
{
    (void)error_code;
    live_store_empty(g);
}

static const struct group_rule {
    enum group_state from;
    enum group_event event;
    enum group_state to;
    void (*act)(struct live_group *g, int16_t error_code);
} group_rules[] = {
    {GROUP_EMPTY, GROUP_REBALANCE, GROUP_PREPARING, begin_first},
    {GROUP_PREPARING, GROUP_REBALANCE, GROUP_PREPARING, nothing},
    {GROUP_COMPLETING, GROUP_REBALANCE, GROUP_PREPARING, begin_again},
    {GROUP_STABLE, GROUP_REBALANCE, GROUP_PREPARING, begin_again},
    {GROUP_PREPARING, GROUP_JOINED, GROUP_COMPLETING, answer_joins},
    {GROUP_PREPARING, GROUP_DESERTED, GROUP_EMPTY, become_empty},
    {GROUP_COMPLETING, GROUP_ASSIGNED, GROUP_STABLE, answer_syncs},
    {GROUP_COMPLETING, GROUP_UNSTORED, GROUP_PREPARING, begin_again},
};

void live_group_on_event(struct live_group *g, enum group_event event, int16_t error_code)
{
    const struct group_rule *rule = group_rules;
    const struct group_rule *end = rule + sizeof group_rules / sizeof group_rules[0];
    while (rule < end && (rule->from != g->state || rule->event != event))
        rule++;
    assert(rule < end); /* no such transition */
    g->state = rule->to;
    rule->act(g, error_code);
}

void live_group_rebalance(struct live_group *g, const struct group_cause *cause)
{
    const struct group_host *host = &g->set->host;
    if (g->state != GROUP_PREPARING && host->on_rebalance != NULL)
        host->on_rebalance(host->data, live_group_id(g), g->generation, cause);
    live_group_on_event(g, GROUP_REBALANCE, 0);
}

const char *group_state_name(enum group_state state)
{
    static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance",
                                        "Stable"};
    return names[state];
}

/* ---- groups ---- */

int live_text_set(struct kafka_string *text, struct kafka_string from)
{
    char *copy = NULL;
    if (from.size >= 0) {
        copy = malloc((size_t)from.size + 1);
        if (copy == NULL)
            return UV_ENOMEM;
        if (from.size > 0)
            memcpy(copy, from.data, (size_t)from.size);
    }
    free((char *)(uintptr_t)text->data);
    *text = (struct kafka_string){.data = copy, .size = from.size};
    return 0;
}

struct live_group *live_group_find(const struct group_set *s, struct kafka_string id)
{
    struct live_group *g = NULL;
    if (id.size >= 0)
        HASH_FIND(hh, s->groups, id.data, (unsigned)id.size, g);
    return g;
}

struct kafka_string live_group_id(const struct live_group *g)
{
    return (struct kafka_string){.data = g->id, .size = g->id_size};
}

static void know_table(struct live_group *g)
{
    const struct consumer_table *table = g->set->host.table(g->set->host.data, g->partition_number);
    struct consumer_group group;
    if (table == NULL)
        return;
    g->generation_taken = consumer_table_generation_floor(table);
    if (!consumer_table_group(table, live_group_id(g), &group))
        return;
    if (group.generation_taken > g->generation_taken)
        g->generation_taken = group.generation_taken;
    g->generation = group.membership.generation;
}

struct live_group *live_group_create(struct group_set *s, uint32_t partition_number,
                                     struct kafka_string id)
{
    struct live_group *g = calloc(1, sizeof *g + (size_t)id.size);
    if (g == NULL)
        return NULL;
    g->set = s;
    g->partition_number = partition_number;
    g->protocol_type = g->protocol_name = KAFKA_STRING_NULL;
    g->wake_at_ms = UINT64_MAX;
    g->id_size = id.size;
    memcpy(g->id, id.data, (size_t)id.size);
    HASH_ADD_KEYPTR(hh, s->groups, g->id, (unsigned)id.size, g);
    s->bytes += GROUP_OVERHEAD_BYTES;
    know_table(g);
    return g;
}

static void destroy(struct live_group *g)
{
    struct pending_member *pending, *next;
    assert(g->members == NULL);
    HASH_ITER(hh, g->pending, pending, next)
    {
        HASH_DEL(g->pending, pending);
        free(pending);
    }
    live_forget_proposals(g);
    HASH_DEL(g->set->groups, g);
    g->set->bytes -= GROUP_OVERHEAD_BYTES;
    free((char *)(uintptr_t)g->protocol_type.data);
    free((char *)(uintptr_t)g->protocol_name.data);
    free(g);
}

void live_group_release(struct live_group *g)
{
    if (g->state == GROUP_EMPTY && g->members == NULL && g->pending == NULL &&
        !g->has_to_store_empty && g->proposals == NULL)
        destroy(g);
}

uint64_t live_now(const struct live_group *g)
{
    return g->set->host.now_ms(g->set->host.data);
}

void live_group_wake_by(struct live_group *g, uint64_t at_ms)
{
    if (at_ms < g->wake_at_ms)
        g->wake_at_ms = at_ms;
    if (at_ms < g->set->wake_at_ms)
        g->set->wake_at_ms = at_ms;
}

uint64_t live_rebalance_timeout_ms(const struct live_group *g)
{
    int32_t longest = 0;
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next)
        if (m->rebalance_timeout_ms > longest)
            longest = m->rebalance_timeout_ms;
    return (uint64_t)longest;
}

int16_t live_check_member(const struct live_group *g, struct kafka_string member_id,
                          struct kafka_string instance_id)
{
    if (kafka_string_is_null(instance_id))
        return live_member_find(g, member_id) == NULL ? KAFKA_ERROR_UNKNOWN_MEMBER_ID
                                                      : KAFKA_ERROR_NONE;
    const struct live_member *m = live_member_find_static(g, instance_id);
    if (m == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    return kafka_string_is_equal(m->id, member_id) ? KAFKA_ERROR_NONE
                                                   : KAFKA_ERROR_FENCED_INSTANCE_ID;
}

/* ---- the set ---- */

int group_set_create(const struct group_host *host, const struct group_limits *limits,
                     uint64_t seed, struct group_set **set)
{
    struct group_set *s = calloc(1, sizeof *s);
    if (s == NULL)
        return UV_ENOMEM;
    s->host = *host;
    s->limits = *limits;
    s->wake_at_ms = UINT64_MAX;
    s->ticked_at_ms = host->now_ms(host->data);
    s->next_number = 1;
    random_init(&s->random, seed);
    *set = s;
    return 0;
}

void group_set_destroy(struct group_set *s)
{
    if (s == NULL)
        return;
    assert(s->groups == NULL); /* what waits was answered before */
    free(s);
}

void group_set_clear(struct group_set *s, int16_t error_code)
{
    struct live_group *g, *next;
    HASH_ITER(hh, s->groups, g, next)
    {
        while (g->members != NULL)
            live_member_remove(g->members, error_code);
        destroy(g);
    }
    s->wake_at_ms = UINT64_MAX;
}

const struct live_group *group_set_find(const struct group_set *s, struct kafka_string group_id)
{
    return live_group_find(s, group_id);
}

void live_group_describe(const struct live_group *g, struct group_description *description)
{
    *description = (struct group_description){
        .state = g->state,
        .generation = g->generation,
        .protocol_type = g->protocol_type,
        .protocol_name = g->protocol_name,
        .member_count = HASH_COUNT(g->members),
    };
}

void live_group_each_member(const struct live_group *g, group_member_cb cb, void *data)
{
    bool is_stable = g->state == GROUP_STABLE;
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next) {
        struct group_member_description description = {
            .member_id = m->id,
            .instance_id = m->instance_id,
            .client_id = m->client_id,
            .client_host = m->client_host,
            .metadata = is_stable ? live_member_metadata(m, g->protocol_name) : (struct bytes){0},
            .assignment = is_stable ? bytes_of(m->assignment, m->assignment_size)
                                    : (struct bytes){0},
        };
        cb(data, &description);
    }
}
