/* Who commits, resets, deletes and asks without being a member of a group. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "protocol/error.h"
#include "sim/sim_consumer.h"

#define PROGRAM_PACE_NS (120 * WORLD_MS)
#define TOOL_PACE_NS    (300 * WORLD_MS)
#define ASKER_PACE_NS   (80 * WORLD_MS)
#define STEP_MAX        40
#define RESET_CHANCE    0.03
#define HOLD_CHANCE     0.03
#define HOLD_NS_MAX     (14 * WORLD_S)

/* A program that has assigned partitions to itself, or a tool. */
struct outsider {
    const struct sim_consumer_group *group;
    uint32_t mask;
    struct sim_connection *connection;
    bool is_asking, has_begun;
    int64_t position[SIM_CONSUMED];
};

static struct sim_group_call *ask(struct sim_actor *a, sim_call_cb cb)
{
    struct outsider *o = a->consumer;
    if (o->connection == NULL)
        o->connection = sim_group_connect(a->sim, sim_actor_node(a, o->group->group_id));
    struct sim_group_call *c = sim_group_call_create(a, o->group, o->connection, cb);
    c->mask = o->mask;
    o->is_asking = true;
    return c;
}

/* Of an answer: is it a success? */
static bool is_done(struct sim_group_call *c)
{
    struct sim_actor *a = c->call.data;
    struct outsider *o = a->consumer;
    a->open_count--;
    o->is_asking = false;
    if (c->call.status == 0 && c->error_code == KAFKA_ERROR_NONE)
        return true;
    if (c->call.status != 0 || c->error_code == KAFKA_ERROR_NOT_COORDINATOR) {
        o->connection->is_given_up = true;
        o->connection = NULL;
    }
    return false;
}

/* ---- a program that commits where it is ---- */

static void on_begun(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    struct outsider *o = ((struct sim_actor *)call->data)->consumer;
    if (!is_done(c))
        return;
    o->has_begun = true;
    for (unsigned i = 0; i < SIM_CONSUMED; i++)
        o->position[i] = c->offsets[i] < 0 ? 0 : c->offsets[i];
}

static void on_committed(struct sim_call *call)
{
    struct sim_group_call *c = (struct sim_group_call *)call;
    if (is_done(c))
        ((struct sim_actor *)call->data)->done_count++;
    else
        sim_count(call->sim, SIM_commits_refused, call->status == 0);
}

static void on_end(struct sim_call *call)
{
    struct sim_actor *a = call->data;
    struct outsider *o = a->consumer;
    unsigned place = call->place;
    a->open_count--;
    if (call->status == 0 && o->position[place] < call->position)
        o->position[place] = call->position; /* behind a gap */
    if (call->status == 0 && o->position[place] < call->offset)
        o->position[place] += (int64_t)world_between(a->sim->world, 0, STEP_MAX);
    if (call->status == 0 && o->position[place] > call->offset)
        o->position[place] = call->offset;
}

static void commit(struct sim_actor *a)
{
    struct outsider *o = a->consumer;
    struct world *w = a->sim->world;
    struct sim_group_call *c = ask(a, on_committed);
    memcpy(c->offsets, o->position, sizeof c->offsets);
    c->keep_ms = sim_consumer_keep_ms(w, o->group);
    if (!sim_consumers_are_settled() && random_chance(world_random(w), HOLD_CHANCE))
        o->connection->held_ns = world_now_ns(w) + world_between(w, WORLD_S / 2, HOLD_NS_MAX);
    sim_group_commit(c);
}

static unsigned any_place(const struct outsider *o, struct world *w)
{
    unsigned place = (unsigned)world_between(w, 0, SIM_CONSUMED - 1);
    while ((o->mask >> place & 1) == 0)
        place = (place + 1) % SIM_CONSUMED;
    return place;
}

static void go_back(struct sim_actor *a)
{
    struct outsider *o = a->consumer;
    unsigned place = any_place(o, a->sim->world);
    o->position[place] = sim_consumed_before(a->sim->world, o->position[place]);
    sim_count(a->sim, SIM_offsets_reset, 1);
}

static void act_program(struct sim_actor *a)
{
    struct outsider *o = a->consumer;
    sim_actor_act_in(a, sim_actor_pace(a));
    if (o->is_asking)
        return;
    if (!o->has_begun) {
        struct sim_group_call *c = ask(a, on_begun);
        sim_group_fetch(c);
        return;
    }
    unsigned place = any_place(o, a->sim->world);
    sim_consumed_ask(a, place, o->position[place], on_end);
    if (!sim_consumers_are_settled() && random_chance(world_random(a->sim->world), RESET_CHANCE))
        go_back(a);
    commit(a);
}

static struct outsider *create(struct sim_actor *a, const struct sim_consumer_group *group,
                               uint32_t mask, uint64_t pace_ns)
{
    struct outsider *o = calloc(1, sizeof *o);
    if (o == NULL)
        abort();
    o->group = group;
    o->mask = mask;
    a->consumer = o;
    a->pace_ns = pace_ns;
    return o;
}

void sim_outside_make(struct sim_actor *a, const struct sim_consumer_group *group, uint32_t mask)
{
    create(a, group, mask, PROGRAM_PACE_NS);
    a->is_producer = true; /* its commits must go on */
    a->act = act_program;
}

void sim_passing_make(struct sim_actor *a, const struct sim_consumer_group *group, uint32_t mask)
{
    create(a, group, mask, PROGRAM_PACE_NS);
    a->act = act_program;
}

/* ---- a tool: it does what it may while the group has no members ---- */

static void on_reset(struct sim_call *call)
{
    if (is_done((struct sim_group_call *)call))
        sim_count(call->sim, SIM_offsets_reset, 1);
}

static void on_deleted(struct sim_call *call)
{
    if (is_done((struct sim_group_call *)call))
        sim_count(call->sim, SIM_groups_deleted, 1);
}

static void on_set(struct sim_call *call)
{
    if (is_done((struct sim_group_call *)call))
        sim_count(call->sim, SIM_policies_set, 1);
}

static void on_tool_end(struct sim_call *call)
{
    struct sim_actor *a = call->data;
    struct outsider *o = a->consumer;
    a->open_count--;
    if (call->status == 0)
        o->position[call->place] = call->offset;
}

static void act_tool(struct sim_actor *a)
{
    struct outsider *o = a->consumer;
    struct world *w = a->sim->world;
    unsigned choice = (unsigned)world_between(w, 0, 9);
    sim_actor_act_in(a, sim_actor_pace(a));
    sim_consumed_ask(a, (unsigned)world_between(w, 0, SIM_CONSUMED - 1), 0, on_tool_end);
    if (o->is_asking || sim_consumers_are_settled())
        return;
    struct sim_group_call *c = ask(a, choice < 5 ? on_reset : choice < 9 ? on_deleted : on_set);
    c->mask = (uint32_t)world_between(w, 1, (1u << SIM_CONSUMED) - 1);
    c->policy = (enum group_policy)world_between(w, 0, GROUP_POLICY_COUNT - 1);
    for (unsigned i = 0; i < SIM_CONSUMED; i++)
        c->offsets[i] = sim_consumed_before(w, o->position[i]);
    if (choice < 5)
        sim_group_commit(c);
    else if (choice < 7)
        sim_group_delete_offsets(c);
    else if (choice < 9)
        sim_group_delete(c);
    else
        sim_group_set_policy(c);
}

void sim_reset_make(struct sim_actor *a, const struct sim_consumer_group *group)
{
    create(a, group, 0, TOOL_PACE_NS);
    a->act = act_tool;
}

/* ---- who asks what is committed, of anyone that may believe to coordinate ---- */

static void on_asked(struct sim_call *call)
{
    if (is_done((struct sim_group_call *)call))
        sim_count(call->sim, SIM_offsets_fetched, 1);
}

static void act_asker(struct sim_actor *a)
{
    struct outsider *o = a->consumer;
    struct world *w = a->sim->world;
    sim_actor_act_in(a, sim_actor_pace(a));
    if (o->is_asking)
        return;
    o->group = &sim_consumer_groups[world_between(w, 0, SIM_CONSUMER_GROUPS - 1)];
    bool is_anyone = random_chance(world_random(w), 0.5);
    unsigned node = is_anyone ? (unsigned)world_between(w, 0, a->sim->node_count - 1)
                              : sim_actor_node(a, o->group->group_id);
    o->connection = sim_group_connect(a->sim, node);
    struct sim_group_call *c = ask(a, on_asked);
    sim_group_fetch(c);
}

void sim_asker_make(struct sim_actor *a)
{
    create(a, &sim_consumer_groups[0], 0, ASKER_PACE_NS);
    a->act = act_asker;
}
