/* The model of consumer groups: what each entry does to them, told once more and simply.
 *
 * Who applies an entry first shows its table, which must be as the model says; all others are
 * compared with it by their checksum. Of what a group has committed the model keeps every value
 * with the index at which it came to be. Groups whose members only ever go forward may never be
 * lowered, whatever dies or comes late (6); of others it is known by which entry they were. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_check_consumer.h"

struct check_consumers *sim_check_consumers_create(void)
{
    struct check_consumers *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    return c;
}

const struct sim_consumer_group *seen_group_named(struct kafka_string name)
{
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        if (kafka_string_is_equal(name, kafka_string_of(sim_consumer_groups[i].name)))
            return &sim_consumer_groups[i];
    return NULL;
}

/* ---- what is committed ---- */

const struct seen_value *seen_value_at(const struct seen_offsets *o, uint64_t index)
{
    static const struct seen_value nothing = {.offset = -1, .generation = -1, .others = -1};
    size_t i = o->count;
    while (i > 0 && o->values[i - 1].index > index)
        i--;
    return i == 0 ? &nothing : &o->values[i - 1];
}

static void set_value(struct sim_check *c, const struct sim_consumer_group *group, unsigned place,
                      struct seen_value value)
{
    struct seen_offsets *o = &seen_of(c, group)->offsets[place];
    int64_t before = seen_value_at(o, UINT64_MAX)->offset;
    if (!c->consumers->is_telling_again)
        sim_tell(c->sim, "group %s, partition %u: %" PRId64 " after %" PRId64, group->name, place,
                 value.offset, before);
    if (value.offset < before && !sim_consumer_may_lower(group) && !c->consumers->is_telling_again)
        world_violation(c->sim->world, "6 no rollback",
                        "group %s, partition %u: index %" PRIu64 " sets it back from %" PRId64
                        " to %" PRId64,
                        group->name, place, value.index, before, value.offset);
    sim_count(c->sim, SIM_offsets_lowered,
              value.offset < before && !c->consumers->is_telling_again);
    o->values = check_grow(o->values, &o->capacity, o->count, sizeof *o->values);
    o->values[o->count++] = value;
    if (c->consumers->highest[place] < value.offset)
        c->consumers->highest[place] = value.offset;
}

/* ---- the entries ---- */

struct seen_change {
    struct sim_check *check;
    const struct sim_consumer_group *group;
    struct seen_group *seen;
    const struct group_entry *entry;
    uint64_t index;
    int64_t wall_ms;
};

static bool is_member(const struct seen_group *g, struct kafka_string id)
{
    for (unsigned i = 0; i < g->member_count && i < SIM_MEMBERS_MAX; i++)
        if (kafka_string_is_equal(id, kafka_string_of(g->members[i])))
            return true;
    return false;
}

static void be_there(struct seen_change *change)
{
    if (!change->seen->is_there)
        change->seen->taken = change->check->consumers->floor[change->group->group_id - 1];
    change->seen->is_there = true;
}

static bool is_own(const struct group_commit *commit, const struct seen_value *value)
{
    return commit->generation >= 0 && value->generation == commit->generation &&
           kafka_string_is_equal(commit->member_id, kafka_string_of(value->member_id));
}

/* The rule (design, section 6): whoever is no member commits anything; a member goes forward, and
 * back over what it has itself committed in this generation. */
static bool may_commit(const struct seen_change *change, const struct seen_value *before,
                       int64_t offset)
{
    const struct group_commit *commit = &change->entry->commit;
    enum group_policy own = change->seen->policy;
    enum group_policy policy = own == GROUP_POLICY_DEFAULT ? commit->policy : own;
    if (commit->generation < 0 || offset >= before->offset || policy == GROUP_POLICY_ALLOW)
        return true;
    return policy == GROUP_POLICY_GUARD && is_own(commit, before) && offset >= before->others;
}

static void change_offset(struct seen_change *change, const struct group_offset *offset)
{
    const struct group_commit *commit = &change->entry->commit;
    unsigned place = sim_consumed_of(offset->topic, offset->partition);
    const struct seen_value *before = seen_value_at(&change->seen->offsets[place], UINT64_MAX);
    struct seen_value value = {.index = change->index,
                               .offset = offset->offset,
                               .committed_at_ms = change->wall_ms,
                               .expire_at_ms = commit->expire_at_ms,
                               .generation = commit->generation};
    if (!may_commit(change, before, offset->offset))
        return;
    value.others = is_own(commit, before) ? before->others : before->offset;
    if (value.others > value.offset || commit->generation < 0)
        value.others = commit->generation < 0 ? -1 : value.offset;
    if (commit->generation >= 0)
        snprintf(value.member_id, sizeof value.member_id, "%.*s", (int)commit->member_id.size,
                 commit->member_id.data);
    set_value(change->check, change->group, place, value);
}

static void change_commit(struct seen_change *change)
{
    const struct group_commit *commit = &change->entry->commit;
    struct seen_group *g = change->seen;
    struct bytes_reader r = bytes_reader_of(commit->offsets);
    bool is_allowed = commit->generation < 0
                          ? g->member_count == 0
                          : commit->generation == g->generation && is_member(g, commit->member_id);
    if (!is_allowed)
        return;
    be_there(change);
    for (uint32_t i = 0; i < commit->offset_count; i++) {
        struct group_offset offset;
        group_offset_read(&r, &offset);
        change_offset(change, &offset);
    }
}

static void change_generation(struct seen_change *change)
{
    struct seen_group *g = change->seen;
    int32_t number = change->entry->generation;
    int32_t taken = g->is_there ? g->taken
                                : change->check->consumers->floor[change->group->group_id - 1];
    if (number <= taken)
        return;
    bool is_heard_again = change->check->consumers->is_telling_again;
    if (number <= g->highest && !is_heard_again)
        world_violation(change->check->sim->world, "13 no number twice",
                        "group %s: index %" PRIu64 " takes generation %d again",
                        change->group->name, change->index, number);
    be_there(change);
    g->taken = number;
    if (g->highest < number)
        g->highest = number;
}

static void change_membership(struct seen_change *change)
{
    const struct group_membership *membership = &change->entry->membership;
    struct seen_group *g = change->seen;
    struct bytes_reader r = bytes_reader_of(membership->members);
    if (!g->is_there || membership->generation > g->taken || membership->generation < g->generation)
        return;
    g->generation = membership->generation;
    g->member_count = membership->member_count;
    g->changed_at_ms = change->wall_ms;
    g->ended_at_ms = 0;
    for (uint32_t i = 0; i < membership->member_count; i++) {
        struct group_member member;
        group_member_read(&r, &member);
        if (i < SIM_MEMBERS_MAX)
            snprintf(g->members[i], sizeof g->members[i], "%.*s", (int)member.member_id.size,
                     member.member_id.data);
    }
}

static void forget_value(struct seen_change *change, unsigned place)
{
    if (seen_value_at(&change->seen->offsets[place], UINT64_MAX)->offset >= 0)
        set_value(change->check, change->group, place,
                  (struct seen_value){
                      .index = change->index, .offset = -1, .generation = -1, .others = -1});
}

static void change_offsets_delete(struct seen_change *change)
{
    const struct group_offsets_delete *deletion = &change->entry->offsets_delete;
    struct bytes_reader r = bytes_reader_of(deletion->offsets);
    if (!change->seen->is_there)
        return;
    for (uint32_t i = 0; i < deletion->offset_count; i++) {
        struct group_removal removal;
        group_removal_read(&r, &removal);
        unsigned place = sim_consumed_of(removal.topic, removal.partition);
        if (seen_value_at(&change->seen->offsets[place], UINT64_MAX)->committed_at_ms <=
                removal.committed_at_ms_max &&
            (deletion->reason != GROUP_OFFSET_EXPIRED ||
             seen_may_expire(change->check, change->group, place, change->wall_ms)))
            forget_value(change, place);
    }
}

static bool has_offsets(const struct seen_group *g)
{
    for (unsigned i = 0; i < SIM_CONSUMED; i++)
        if (seen_value_at(&g->offsets[i], UINT64_MAX)->offset >= 0)
            return true;
    return false;
}

static void change_delete(struct seen_change *change)
{
    struct seen_group *g = change->seen;
    int32_t *floor = &change->check->consumers->floor[change->group->group_id - 1];
    if (!g->is_there || g->member_count > 0 ||
        (change->entry->deletion.is_only_when_bare &&
         (has_offsets(g) || g->policy != GROUP_POLICY_DEFAULT)))
        return;
    for (unsigned i = 0; i < SIM_CONSUMED; i++)
        forget_value(change, i);
    if (*floor < g->taken)
        *floor = g->taken;
    g->is_there = false;
    g->taken = g->generation = 0;
    g->changed_at_ms = g->ended_at_ms = 0;
    g->policy = GROUP_POLICY_DEFAULT;
}

static void change_policy(struct seen_change *change)
{
    be_there(change);
    change->seen->policy = change->entry->policy_change.policy;
}

/* ---- the table of a replica ---- */

static void compare_values(const struct seen_table *t, const struct sim_consumer_group *group,
                           uint64_t index)
{
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        int64_t has = seen_table_offset(t, group, i);
        int64_t wants = seen_value_at(&seen_of(t->check, group)->offsets[i], index)->offset;
        if (has != wants)
            world_violation(t->check->sim->world, has < wants ? "6 no rollback" : "10 honest",
                            "node %u: group %s has committed %" PRId64 " of partition %u after"
                            " index %" PRIu64 ", and it should be %" PRId64,
                            t->node_id, group->name, has, i, index, wants);
    }
}

static void compare_group(const struct seen_table *t, const struct sim_consumer_group *group,
                          uint64_t index)
{
    const struct seen_group *seen = seen_of(t->check, group);
    struct consumer_group shown = {0};
    bool is_there = consumer_table_group(t->table, kafka_string_of(group->name), &shown);
    if (is_there != seen->is_there ||
        (is_there &&
         (shown.generation_taken != seen->taken ||
          shown.membership.generation != seen->generation ||
          shown.membership.member_count != seen->member_count || shown.policy != seen->policy)))
        world_violation(t->check->sim->world, "12 pure apply",
                        "node %u: after index %" PRIu64 " group %s has generation %d of %d with %u"
                        " members and policy %d, and it should be %d of %d with %u and %d",
                        t->node_id, index, group->name, shown.membership.generation,
                        shown.generation_taken, shown.membership.member_count, (int)shown.policy,
                        seen->generation, seen->taken, seen->member_count, (int)seen->policy);
}

int64_t seen_table_offset(const struct seen_table *t, const struct sim_consumer_group *group,
                          unsigned place)
{
    char topic[SIM_CONSUMER_TOPIC_SIZE];
    struct sim_place home = sim_consumed_place(place);
    struct consumer_offset offset;
    snprintf(topic, sizeof topic, "g%u", home.group_id);
    bool is_known = consumer_table_offset(t->table, kafka_string_of(group->name),
                                          kafka_string_of(topic), (int32_t)home.partition, &offset);
    return is_known ? offset.committed.offset : -1;
}

void seen_table_compare_offsets(const struct seen_table *t, uint32_t group_id, uint64_t index)
{
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        if (sim_consumer_groups[i].group_id == group_id)
            compare_values(t, &sim_consumer_groups[i], index);
}

void seen_table_compare(const struct seen_table *t, uint32_t group_id, uint64_t index)
{
    seen_table_compare_offsets(t, group_id, index);
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        if (sim_consumer_groups[i].group_id == group_id)
            compare_group(t, &sim_consumer_groups[i], index);
}

/* ---- an entry ---- */

static void (*const changes[])(struct seen_change *change) = {
    [GROUP_ENTRY_COMMIT] = change_commit,
    [GROUP_ENTRY_GENERATION] = change_generation,
    [GROUP_ENTRY_MEMBERSHIP] = change_membership,
    [GROUP_ENTRY_OFFSETS_DELETE] = change_offsets_delete,
    [GROUP_ENTRY_DELETE] = change_delete,
    [GROUP_ENTRY_POLICY] = change_policy,
};

void seen_change_by(struct sim_check *c, const struct sim_applied *applied)
{
    struct group_entry entry;
    if (group_entry_decode(applied->entry->body.bytes, &entry) != 0 ||
        entry.kind == GROUP_ENTRY_FORGET) /* of history alone */
        return;
    const struct sim_consumer_group *group = seen_group_named(entry.group_id);
    if (group == NULL || entry.kind >= sizeof changes / sizeof changes[0])
        world_violation(c->sim->world, "4 no invention", "index %" PRIu64 " is of a group of none",
                        applied->entry->index);
    struct seen_change change = {.check = c,
                                 .group = group,
                                 .seen = seen_of(c, group),
                                 .entry = &entry,
                                 .index = applied->entry->index,
                                 .wall_ms = applied->head->wall_ms};
    if (!c->consumers->is_telling_again)
        sim_tell(c->sim, "index %" PRIu64 " of group %s is of kind %d", change.index, group->name,
                 (int)entry.kind);
    changes[entry.kind](&change);
}

void sim_check_consumer_entry(struct sim_check *c, struct sim_group *g,
                              const struct sim_applied *applied)
{
    const struct seen_table shown = {c, sim_coordinator_table(g), sim_node_id(g->life->node)};
    if (shown.table == NULL)
        return;
    seen_change_by(c, applied);
    seen_table_compare(&shown, g->group_id, applied->entry->index);
}
