/* What a forced recovery may do to what consumer groups have committed (design, sections 6 and 7).
 * Offset by offset it promises:
 *
 *   kept      What the survivor had applied stands, and what its log had beside: each group goes on
 *             with exactly the offsets that the kept entries make, by whoever's table.
 *   named     A commit that is not among them was answered, if it was, after the moment since which
 *             the plan said that such may be lost.
 *   over      Memberships are over, and no generation that anybody has ever heard of is given
 *             again: so whoever commits has asked, since, what is committed.
 *   for good  From there on an offset goes down as it always may, by a recorded act, and by nothing
 *             else. A node that comes back with what it had shows it to nobody: its table is what
 *             the new generation's entries make, and until then it answers nothing.
 *
 * The model's past is told once more, from the kept entries alone. */
#include <inttypes.h>

#include "cluster/recovery_entry.h"
#include "sim/sim_check_consumer.h"
#include "state/machine_parts.h"

static const struct consumer_table *table_in(struct machine *machine)
{
    const struct partition *p = machine_partition(machine, SIM_OFFSETS_PARTITION);
    return p == NULL ? NULL : p->consumers;
}

static bool is_carried(const struct sim_consumer_group *group, const struct check_group *g)
{
    return group->group_id == g->group_id;
}

/* ---- before ---- */

void sim_check_consumers_plan(struct sim_check *c, struct sim_group *g)
{
    struct seen_table shown = {c, table_in(g->machine), sim_node_id(g->life->node)};
    if (c->consumers == NULL || g->group_id > SIM_GROUPS)
        return;
    c->consumers->held_index[g->group_id - 1] = g->applied_index;
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        for (unsigned place = 0; place < SIM_CONSUMED; place++)
            if (sim_consumer_groups[i].group_id == g->group_id)
                c->consumers->held[i][place] = shown.table == NULL
                                                   ? -1
                                                   : seen_table_offset(
                                                         &shown, &sim_consumer_groups[i], place);
}

/* Only what was answered after the plan's moment. */
static void check_lost_value(struct sim_check *c, const struct check_group *g,
                             const struct sim_consumer_group *group, unsigned place,
                             const struct seen_value *value)
{
    const struct seen_entry *e = &g->entries[value->index];
    if (value->index <= g->plan.kept_index || !e->is_acknowledged)
        return;
    if (e->acknowledged_ms < g->plan.known_until_ms)
        world_violation(c->sim->world, "6 no rollback",
                        "group %s, partition %u: %" PRId64 " of index %" PRIu64
                        " is lost, which was answered at %" PRId64
                        " ms; possibly lost since %" PRId64 " ms, it said",
                        group->name, place, value->offset, value->index, e->acknowledged_ms,
                        g->plan.known_until_ms);
    sim_count(c->sim, SIM_commits_lost, 1);
}

void sim_check_consumers_lose(struct sim_check *c, const struct check_group *g)
{
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS && c->consumers != NULL; i++) {
        const struct sim_consumer_group *group = &sim_consumer_groups[i];
        for (unsigned place = 0; place < SIM_CONSUMED && is_carried(group, g); place++) {
            const struct seen_offsets *o = &seen_of(c, group)->offsets[place];
            for (size_t k = 0; k < o->count; k++)
                check_lost_value(c, g, group, place, &o->values[k]);
        }
    }
}

/* ---- the past, once more ---- */

void sim_check_consumers_forget(struct sim_check *c, const struct check_group *g)
{
    if (c->consumers == NULL || g->group_id > SIM_GROUPS)
        return;
    c->consumers->floor[g->group_id - 1] = 0;
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++) {
        struct seen_group *seen = &c->consumers->groups[i];
        if (!is_carried(&sim_consumer_groups[i], g))
            continue;
        seen->is_there = false;
        seen->taken = seen->generation = 0;
        seen->changed_at_ms = seen->ended_at_ms = 0;
        seen->member_count = 0;
        seen->policy = GROUP_POLICY_DEFAULT;
        for (unsigned place = 0; place < SIM_CONSUMED; place++)
            seen->offsets[place].count = 0;
    }
}

/* All that numbers and members are from there on. */
static void begin_generation(struct sim_check *c, const struct check_group *g, int64_t wall_ms)
{
    c->consumers->floor[g->group_id - 1] += RECOVERY_GENERATION_STRIDE;
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++) {
        struct seen_group *seen = &c->consumers->groups[i];
        if (!is_carried(&sim_consumer_groups[i], g))
            continue;
        if (seen->member_count > 0)
            seen->changed_at_ms = seen->ended_at_ms = wall_ms;
        seen->generation = 0;
        seen->member_count = 0;
        if (seen->is_there)
            seen->taken += RECOVERY_GENERATION_STRIDE;
    }
}

void sim_check_consumers_again(struct sim_check *c, const struct check_group *g,
                               const struct sim_applied *applied)
{
    if (c->consumers == NULL || g->group_id > SIM_GROUPS)
        return;
    c->consumers->is_telling_again = true;
    if (applied->head->kind == ENTRY_GROUP_STATE)
        seen_change_by(c, applied);
    else if (applied->head->kind == ENTRY_RECOVERY)
        begin_generation(c, g, applied->head->wall_ms);
    c->consumers->is_telling_again = false;
}

/* ---- after ---- */

/* Who asks from now on is told nothing older, whoever was told what before. */
static void note_kept(struct seen_offsets *o, uint64_t kept_index)
{
    if (o->acknowledged_index > kept_index)
        o->acknowledged_index = kept_index;
}

static void check_held(const struct seen_table *t, const struct check_group *g,
                       const struct sim_consumer_group *group, unsigned place)
{
    struct seen_offsets *o = &seen_of(t->check, group)->offsets[place];
    int64_t held = t->check->consumers->held[group->number][place];
    int64_t then = seen_value_at(o, t->check->consumers->held_index[g->group_id - 1])->offset;
    int64_t now = seen_table_offset(t, group, place);
    if (then != held || (now < held && !sim_consumer_may_lower(group)))
        world_violation(t->check->sim->world, "6 no rollback",
                        "node %u: group %s, partition %u: the survivor had %" PRId64
                        " when it was ordered to go on alone, has %" PRId64
                        " now, and the entries that it had applied make %" PRId64,
                        t->node_id, group->name, place, held, now, then);
    note_kept(o, g->plan.kept_index);
}

/* Nobody that has heard of the past is a member, or can be taken for one. */
static void check_over(const struct seen_table *t, const struct sim_consumer_group *group)
{
    struct consumer_group shown = {0};
    int32_t highest = seen_of(t->check, group)->highest;
    bool is_there = consumer_table_group(t->table, kafka_string_of(group->name), &shown);
    int32_t taken = is_there ? shown.generation_taken : consumer_table_generation_floor(t->table);
    if (taken < highest || shown.membership.member_count > 0)
        world_violation(t->check->sim->world, "13 no number twice",
                        "node %u: group %s goes on with %u members in generations above %d, and %d"
                        " was given",
                        t->node_id, group->name, shown.membership.member_count, taken, highest);
}

static void check_group(const struct seen_table *t, const struct check_group *g,
                        const struct sim_consumer_group *group)
{
    for (unsigned place = 0; place < SIM_CONSUMED; place++)
        check_held(t, g, group, place);
    check_over(t, group);
}

void sim_check_consumers_recovered(struct sim_check *c, const struct check_group *g,
                                   struct machine *machine, unsigned node_id)
{
    if (c->consumers == NULL || g->group_id > SIM_GROUPS)
        return;
    struct seen_table shown = {c, table_in(machine), node_id};
    if (shown.table == NULL)
        world_violation(c->sim->world, "1 durable",
                        "node %u group %u survives without its consumer groups", node_id,
                        g->group_id);
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        if (is_carried(&sim_consumer_groups[i], g))
            check_group(&shown, g, &sim_consumer_groups[i]);
    seen_table_compare(&shown, g->group_id, g->last_index);
}

void sim_check_consumers_restored(struct sim_check *c, struct sim_group *g)
{
    if (c->consumers == NULL || g->group_id > SIM_GROUPS ||
        g->generation != check_group_of(c, g->group_id)->generation)
        return;
    struct seen_table shown = {c, table_in(g->machine), sim_node_id(g->life->node)};
    if (shown.table != NULL)
        seen_table_compare_offsets(&shown, g->group_id, g->applied_index);
}
