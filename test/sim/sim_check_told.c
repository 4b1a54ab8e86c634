/* What members and programs are told of their groups, against the model.
 *
 * The model keeps every value that a group has committed, with the index at which it came to be: so
 * it can say of an answer whether that was the value at any moment between the request and the
 * answer (invariant 15). Nobody answers in a generation of the raft group that is over (14). */
#include <inttypes.h>

#include "base/crc32c.h"
#include "sim/sim_check_consumer.h"
#include "sim/sim_check_recovery.h"

/* ---- what members are told ---- */

static struct seen_generation *generation_of(struct sim_check *c, const struct sim_group_call *call)
{
    struct seen_group *g = seen_of(c, call->group);
    if (call->generation < 1 || call->generation > g->highest)
        world_violation(c->sim->world, "13 no number twice",
                        "group %s: a member hears of generation %d, no entry has taken it",
                        call->group->name, call->generation);
    for (size_t i = g->generation_count; i > 0; i--)
        if (g->generations[i - 1].number == call->generation)
            return &g->generations[i - 1];
    g->generations = check_grow(g->generations, &g->generation_capacity, g->generation_count,
                                sizeof *g->generations);
    g->generations[g->generation_count].number = call->generation;
    return &g->generations[g->generation_count++];
}

/* Static members change their ids within a generation. */
static uint32_t sum_of_members(const struct sim_group_call *call)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < call->member_count && call->group->kind != SIM_GROUP_STATIC; i++)
        sum = crc32c(sum, kafka_string_bytes(kafka_string_of(call->members[i])));
    return sum;
}

/* A generation has one leader and the same members, whoever tells it and however often. */
void sim_check_joined(struct sim_check *c, const struct sim_group_call *call)
{
    if (c->sim->is_blind)
        return;
    sim_check_generation(c, call->call.group, "answers a member");
    struct seen_generation *seen = generation_of(c, call);
    uint8_t leader = (uint8_t)(call->client + 1);
    if (call->member_count == 0)
        return;
    if (seen->leader == 0) {
        sim_count(c->sim, SIM_group_generations, 1);
        seen->leader = leader;
        seen->members = sum_of_members(call);
    }
    if (seen->leader != leader || seen->members != sum_of_members(call))
        world_violation(c->sim->world, "13 no number twice",
                        "group %s: node %u gives generation %d to client %u, and it was client"
                        " %u's or had other members before",
                        call->group->name, call->call.node + 1, call->generation, call->client,
                        seen->leader - 1u);
}

/* A partition is one member's in a generation, whoever answers and however often. */
void sim_check_synced(struct sim_check *c, const struct sim_group_call *call)
{
    if (c->sim->is_blind)
        return;
    sim_check_generation(c, call->call.group, "answers a member");
    struct seen_generation *seen = generation_of(c, call);
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        uint8_t owner = (uint8_t)(call->client + 1);
        if ((call->mask >> i & 1) == 0)
            continue;
        if (seen->owner[i] != 0 && seen->owner[i] != owner)
            world_violation(c->sim->world, "10 honest",
                            "group %s: partition %u is given to clients %u and %u in generation %d",
                            call->group->name, i, seen->owner[i] - 1u, call->client,
                            call->generation);
        seen->owner[i] = owner;
    }
}

/* ---- commits and fetches ---- */

/* A success means: done at least up to here. */
static void check_commit_told(struct sim_check *c, const struct sim_group_call *call,
                              unsigned place, int64_t offset)
{
    if (call->is_of_commit && (call->denied >> place & 1) == 0 && offset < call->offsets[place])
        world_violation(c->sim->world, "10 honest",
                        "node %u: group %s: a commit of %" PRId64 " for partition %u is a success,"
                        " and %" PRId64 " is committed",
                        call->call.node + 1, call->group->name, call->offsets[place], place,
                        offset);
}

void sim_check_committed(struct sim_check *c, struct sim_group_call *call)
{
    if (c->sim->is_blind)
        return;
    sim_check_generation(c, call->call.group, "answers a commit");
    sim_count(c->sim, SIM_commits_acknowledged, 1);
    check_acknowledge(c, call->group->group_id, call->index,
                      clock_wall_ms(&call->call.life->clock));
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        struct seen_offsets *o = &seen_of(c, call->group)->offsets[i];
        if ((call->mask >> i & 1) == 0)
            continue;
        if (o->acknowledged_index < call->index)
            o->acknowledged_index = call->index;
        check_commit_told(c, call, i, seen_value_at(o, call->index)->offset);
    }
}

void sim_check_fetching(struct sim_check *c, struct sim_group_call *call)
{
    for (unsigned i = 0; i < SIM_CONSUMED && !c->sim->is_blind; i++)
        call->acknowledged[i] = seen_of(c, call->group)->offsets[i].acknowledged_index;
}

/* It was so when the request came, or came to be so since. */
static bool may_be_told(const struct seen_offsets *o, uint64_t since_index, int64_t offset)
{
    if (seen_value_at(o, since_index)->offset == offset)
        return true;
    for (size_t i = o->count; i > 0 && o->values[i - 1].index > since_index; i--)
        if (o->values[i - 1].offset == offset)
            return true;
    return false;
}

void sim_check_fetched(struct sim_check *c, const struct sim_group_call *call)
{
    if (!c->sim->is_blind)
        sim_check_generation(c, call->call.group, "says what is committed");
    for (unsigned i = 0; i < SIM_CONSUMED && !c->sim->is_blind; i++) {
        const struct seen_offsets *o = &seen_of(c, call->group)->offsets[i];
        if (!may_be_told(o, call->acknowledged[i], call->offsets[i]))
            world_violation(c->sim->world, "15 fresh where it counts",
                            "node %u: group %s has committed %" PRId64 " of partition %u, and"
                            " acknowledged before was %" PRId64,
                            call->call.node + 1, call->group->name, call->offsets[i], i,
                            seen_value_at(o, call->acknowledged[i])->offset);
    }
}

void sim_check_end_asked(struct sim_check *c, struct sim_call *call)
{
    call->committed = c->consumers->highest[call->place];
}

/* As it was when the node was asked, or later: it may have stood still since. */
void sim_check_end_told(struct sim_check *c, const struct sim_call *call)
{
    if (!c->sim->is_blind && call->offset < call->committed)
        world_violation(c->sim->world, "7 no throw-back",
                        "partition %u ends at %" PRId64 ", and %" PRId64
                        " was committed of it when that was asked",
                        call->place, call->offset, call->committed);
}
