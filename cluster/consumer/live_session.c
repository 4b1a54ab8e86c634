/* Sessions: signs of life, leaving, and what happens when neither comes.
 *
 * Deadlines only ever move later while nothing else happens, so a group remembers a time before
 * which nothing is due, and a tick that comes before it does nothing at all.
 *
 * Time in which this node did not run counts for nobody: what members said meanwhile waits in their
 * sockets, and is read after the tick that would throw them out. So a coordinator that was stopped,
 * or a machine that slept, ends no session that would not have ended anyhow. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "consumer/live_parts.h"

#define STILL_MS 500 /* between two ticks: longer, and this node did not run */

static void rebalance(struct live_group *g, const struct group_cause *cause)
{
    if (g->state != GROUP_EMPTY)
        live_group_rebalance(g, cause);
    live_try_complete_joins(g);
}

/* ---- heartbeat ---- */

/* A member of this generation speaks: it lives. */
static int16_t hear_member(struct live_group *g, int32_t generation, struct kafka_string member_id,
                           struct kafka_string instance_id)
{
    int16_t error_code = live_check_member(g, member_id, instance_id);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    if (generation != g->generation)
        return KAFKA_ERROR_ILLEGAL_GENERATION;
    live_member_touch(live_member_find(g, member_id));
    return KAFKA_ERROR_NONE;
}

int16_t group_heartbeat(struct group_set *s, struct kafka_string group_id, int32_t generation,
                        struct kafka_string member_id, struct kafka_string instance_id)
{
    struct live_group *g = live_group_find(s, group_id);
    if (group_id.size <= 0)
        return KAFKA_ERROR_INVALID_GROUP_ID;
    if (g == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    int16_t error_code = hear_member(g, generation, member_id, instance_id);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    return g->state == GROUP_PREPARING ? KAFKA_ERROR_REBALANCE_IN_PROGRESS : KAFKA_ERROR_NONE;
}

int16_t group_check_commit(struct group_set *s, uint32_t partition_number,
                           struct kafka_string group_id, int32_t generation,
                           struct kafka_string member_id, struct kafka_string instance_id)
{
    struct live_group *g = live_group_find(s, group_id);
    const struct consumer_table *table = s->host.table(s->host.data, partition_number);
    struct consumer_group known;
    if (g == NULL || g->state == GROUP_EMPTY) {
        if (generation < 0)
            return KAFKA_ERROR_NONE;
        bool is_known = table != NULL && consumer_table_group(table, group_id, &known);
        return is_known ? KAFKA_ERROR_UNKNOWN_MEMBER_ID : KAFKA_ERROR_ILLEGAL_GENERATION;
    }
    int16_t error_code = hear_member(g, generation, member_id, instance_id);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    return g->state == GROUP_COMPLETING ? KAFKA_ERROR_REBALANCE_IN_PROGRESS : KAFKA_ERROR_NONE;
}

/* ---- leaving ---- */

int16_t group_leave(struct group_set *s, struct kafka_string group_id,
                    struct kafka_string member_id, struct kafka_string instance_id,
                    struct kafka_string reason)
{
    struct live_group *g = live_group_find(s, group_id);
    struct group_cause cause = {.act = "left", .member_id = member_id, .reason = reason};
    int16_t error_code = KAFKA_ERROR_NONE;
    if (g == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    if (live_forget_pending(g, member_id)) {
        live_try_complete_joins(g);
        live_group_release(g);
        return KAFKA_ERROR_NONE;
    }
    struct live_member *m = live_member_find_static(g, instance_id);
    if (m == NULL || member_id.size > 0) { /* a tool may name the instance alone */
        error_code = live_check_member(g, member_id, instance_id);
        m = live_member_find(g, member_id);
    }
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    if (member_id.size <= 0)
        cause.member_id = instance_id; /* the member and its id are about to go */
    live_member_remove(m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    rebalance(g, &cause);
    live_group_release(g);
    return KAFKA_ERROR_NONE;
}

/* ---- time ---- */

static bool has_expired(const struct live_member *m, uint64_t now_ms)
{
    if (m->sync != NULL || (m->join != NULL && !m->is_new))
        return false; /* it waits for us */
    return m->expires_at_ms <= now_ms;
}

/* Who is out, for the cause: the first one, for one is enough to know where to look. */
struct departure {
    const char *act; /* NULL: nobody is */
    int32_t id_size;
    char id[128];
};

static void depart(struct live_member *m, const char *act, struct departure *first)
{
    if (first->act == NULL) {
        int32_t size_max = (int32_t)sizeof first->id;
        first->act = act;
        first->id_size = m->id.size < size_max ? m->id.size : size_max;
        memcpy(first->id, m->id.data, (size_t)first->id_size);
    }
    live_member_remove(m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

/* Ends sessions; finds the next one to end. */
static void expire_members(struct live_group *g, uint64_t now_ms, struct departure *first)
{
    struct live_member *m, *next;
    HASH_ITER(hh, g->members, m, next)
    {
        if (has_expired(m, now_ms))
            depart(m, "session_ended", first);
        else if (m->expires_at_ms > now_ms)
            live_group_wake_by(g, m->expires_at_ms);
    }
}

/* Who joined a generation and never asked for its assignment is out. */
static void expire_syncs(struct live_group *g, uint64_t now_ms, struct departure *first)
{
    struct live_member *m, *next;
    if ((g->state != GROUP_COMPLETING && g->state != GROUP_STABLE) || g->sync_until_ms == 0)
        return;
    if (g->sync_until_ms > now_ms) {
        live_group_wake_by(g, g->sync_until_ms);
        return;
    }
    g->sync_until_ms = 0;
    HASH_ITER(hh, g->members, m, next)
    {
        if (!m->has_synced)
            depart(m, "not_synced", first);
    }
    if (g->state == GROUP_COMPLETING && first->act == NULL)
        first->act = "not_stored"; /* its entry does not come */
}

static bool is_unsettled(const struct live_group *g, uint64_t now_ms)
{
    if (g->state == GROUP_PREPARING || g->state == GROUP_COMPLETING)
        return true;
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next)
        if (m->expires_at_ms < now_ms + (uint64_t)m->session_timeout_ms / 2)
            return true;
    return false;
}

bool group_set_is_unsettled(const struct group_set *s)
{
    uint64_t now_ms = s->host.now_ms(s->host.data);
    for (const struct live_group *g = s->groups; g != NULL; g = g->hh.next)
        if (is_unsettled(g, now_ms))
            return true;
    return false;
}

static void tick_state(struct live_group *g, uint64_t now_ms)
{
    if (g->state == GROUP_EMPTY && g->has_to_store_empty)
        live_store_empty(g);
    if (g->state != GROUP_PREPARING)
        return;
    if (g->generation_next == 0)
        live_take_generation(g);
    if (g->join_until_ms <= now_ms)
        live_on_join_deadline(g);
    else
        live_group_wake_by(g, g->join_until_ms);
}

static void tick_group(struct live_group *g, uint64_t now_ms)
{
    g->wake_at_ms = UINT64_MAX;
    live_expire_pending(g, now_ms);
    struct departure first = {0};
    expire_members(g, now_ms, &first);
    expire_syncs(g, now_ms, &first);
    struct group_cause cause = {
        .act = first.act, .member_id = {first.id, first.id_size}, .reason = KAFKA_STRING_NULL};
    if (first.act != NULL)
        rebalance(g, &cause);
    else
        live_try_complete_joins(g); /* perhaps a pending one was waited for */
    tick_state(g, now_ms);
    live_group_release(g);
}

static void put_off(struct live_group *g, uint64_t by_ms)
{
    for (struct live_member *m = g->members; m != NULL; m = m->hh.next)
        m->expires_at_ms += by_ms;
    live_put_off_pending(g, by_ms);
    g->join_until_ms += by_ms;
    if (g->sync_until_ms != 0)
        g->sync_until_ms += by_ms;
}

static void put_off_all(struct group_set *s, uint64_t now_ms)
{
    uint64_t still_ms = now_ms - s->ticked_at_ms;
    s->ticked_at_ms = now_ms;
    if (still_ms < STILL_MS || s->groups == NULL)
        return;
    for (struct live_group *g = s->groups; g != NULL; g = g->hh.next)
        put_off(g, still_ms);
}

void group_set_tick(struct group_set *s)
{
    uint64_t now_ms = s->host.now_ms(s->host.data);
    struct live_group *g, *next;
    put_off_all(s, now_ms);
    if (now_ms < s->wake_at_ms)
        return;
    s->wake_at_ms = UINT64_MAX;
    HASH_ITER(hh, s->groups, g, next)
    {
        if (g->wake_at_ms <= now_ms)
            tick_group(g, now_ms);
        else if (g->wake_at_ms < s->wake_at_ms)
            s->wake_at_ms = g->wake_at_ms;
    }
}

/* ---- a new leader ---- */

struct restoring {
    struct group_set *set;
    uint32_t partition_number;
    int err;
};

static int restore_member(struct live_group *g, const struct group_member *from)
{
    struct group_protocol protocols[GROUP_PROTOCOLS_MAX];
    struct bytes_reader r = bytes_reader_of(from->protocols);
    uint32_t count = from->protocol_count < GROUP_PROTOCOLS_MAX ? from->protocol_count
                                                                : GROUP_PROTOCOLS_MAX;
    for (uint32_t i = 0; i < count; i++)
        group_protocol_read(&r, &protocols[i]);
    struct live_member *m = live_member_create(g, from);
    if (m == NULL || live_member_set_protocols(m, protocols, count) != 0 ||
        live_member_set_assignment(m, from->assignment) != 0)
        return UV_ENOMEM;
    m->has_synced = true; /* or it asks again: the assignment is here */
    live_member_touch(m);
    return 0;
}

static int restore_members(struct live_group *g, const struct group_membership *membership)
{
    struct bytes_reader r = bytes_reader_of(membership->members);
    struct group_member member;
    if (live_text_set(&g->protocol_type, membership->protocol_type) != 0 ||
        live_text_set(&g->protocol_name, membership->protocol_name) != 0)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < membership->member_count; i++) {
        group_member_read(&r, &member);
        if (live_member_find(g, member.member_id) != NULL)
            continue;
        int err = restore_member(g, &member);
        if (err != 0)
            return err;
    }
    g->leader = live_member_find(g, membership->leader);
    return 0;
}

static void restore_group(void *data, const struct consumer_group *group)
{
    struct restoring *r = data;
    if (group->membership.member_count == 0 || r->err != 0 ||
        live_group_find(r->set, group->group_id) != NULL)
        return;
    struct live_group *g = live_group_create(r->set, r->partition_number, group->group_id);
    if (g == NULL) {
        r->err = UV_ENOMEM;
        return;
    }
    g->state = GROUP_STABLE;
    r->err = restore_members(g, &group->membership);
    assert(r->err != 0 || g->leader != NULL); /* the entry was decoded */
}

int group_set_restore(struct group_set *s, uint32_t partition_number)
{
    struct restoring r = {.set = s, .partition_number = partition_number};
    s->ticked_at_ms = s->host.now_ms(s->host.data);
    const struct consumer_table *table = s->host.table(s->host.data, partition_number);
    if (table != NULL)
        consumer_table_each_group(table, restore_group, &r);
    return r.err;
}
