/* The join phase of a live group: from "someone came or left" to the next generation.
 *
 * It ends when all known members have joined, or at the longest of their rebalance timeouts; then
 * the dynamic members who did not come are out. A group that was empty may wait a little for
 * more members (group.initial.rebalance.delay.ms). The generation's number is taken by an entry
 * meanwhile, so that waiting for it costs nothing as a rule. */
#include "base/err.h"
#include "consumer/live_parts.h"

void live_answer_joins(struct live_group *g)
{
    g->sync_until_ms = live_now(g) + live_rebalance_timeout_ms(g);
    live_group_wake_by(g, g->sync_until_ms);
    for (struct live_member *m = g->members; m != NULL; m = m->hh.next) {
        m->has_synced = false;
        m->is_new = false;
        live_forget_beliefs(m);
        live_member_touch(m);
        if (m->join != NULL)
            live_answer_join(m, g->leader->id, m == g->leader);
    }
}

void live_begin_join_phase(struct live_group *g)
{
    uint64_t timeout_ms = live_rebalance_timeout_ms(g);
    uint64_t delay_ms = g->set->limits.initial_rebalance_delay_ms;
    bool is_first = g->protocol_name.size < 0; /* of a group that was empty */
    g->is_initial = is_first && delay_ms > 0;
    g->has_new_member = false;
    g->initial_left_ms = timeout_ms > delay_ms ? timeout_ms - delay_ms : 0;
    g->join_until_ms = live_now(g) + (g->is_initial ? delay_ms : timeout_ms);
    live_group_wake_by(g, g->join_until_ms);
    if (g->members != NULL) /* else there will be no generation */
        live_take_generation(g);
}

static bool have_all_joined(const struct live_group *g)
{
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next)
        if (m->join == NULL)
            return false;
    return g->pending == NULL;
}

static void drop_absent(struct live_group *g)
{
    struct live_member *m, *next;
    HASH_ITER(hh, g->members, m, next)
    {
        if (m->join == NULL && kafka_string_is_null(m->instance_id))
            live_member_remove(m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    }
}

/* The leader must be one who has joined. False: nobody has. */
static bool elect_leader(struct live_group *g)
{
    struct live_member *m = g->leader;
    if (m == NULL || m->join == NULL)
        for (m = g->members; m != NULL && m->join == NULL;)
            m = m->hh.next;
    if (m != NULL)
        g->leader = m;
    return m != NULL;
}

static void desert(struct live_group *g)
{
    live_text_set(&g->protocol_name, KAFKA_STRING_NULL);
    live_group_on_event(g, GROUP_DESERTED, 0);
}

static void complete_joins(struct live_group *g)
{
    drop_absent(g);
    if (g->members == NULL) {
        desert(g);
        return;
    }
    if (!elect_leader(g)) { /* static members who are all away: they keep their places a while */
        g->join_until_ms = live_now(g) + live_rebalance_timeout_ms(g);
        live_group_wake_by(g, g->join_until_ms);
        return;
    }
    if (g->generation_next == 0) { /* not yet taken: its entry, or the next tick, goes on here */
        live_take_generation(g);
        live_group_wake_by(g, live_now(g) + RETRY_MS);
        return;
    }
    if (live_text_set(&g->protocol_name, live_group_vote(g)) != 0) {
        live_group_wake_by(g, live_now(g) + RETRY_MS);
        return;
    }
    g->generation = g->generation_next;
    g->generation_next = 0;
    live_group_on_event(g, GROUP_JOINED, 0);
}

void live_try_complete_joins(struct live_group *g)
{
    bool is_waiting = g->is_initial && g->members != NULL;
    if (g->state == GROUP_PREPARING && !is_waiting && have_all_joined(g))
        complete_joins(g);
}

void live_on_join_deadline(struct live_group *g)
{
    uint64_t delay_ms = g->set->limits.initial_rebalance_delay_ms;
    if (g->is_initial && g->has_new_member && g->initial_left_ms > 0) {
        uint64_t more_ms = delay_ms < g->initial_left_ms ? delay_ms : g->initial_left_ms;
        g->has_new_member = false;
        g->initial_left_ms -= more_ms;
        g->join_until_ms = live_now(g) + more_ms;
        live_group_wake_by(g, g->join_until_ms);
        return;
    }
    g->is_initial = false;
    complete_joins(g);
}

void live_give_up_joins(struct live_group *g, int16_t error_code)
{
    if (g->state != GROUP_PREPARING)
        return;
    while (g->members != NULL)
        live_member_remove(g->members, error_code);
    desert(g);
}
