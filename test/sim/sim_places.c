/* One truth (what group 0 would have committed), and of it a copy at each node that may be old. */
#include "sim/sim_places.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cluster/placement.h"

#define CHANGE_NS_MIN (WORLD_S / 2)
#define CHANGE_NS_MAX (4 * WORLD_S)

struct sim_places {
    struct sim *sim;
    struct placement truth;
    bool is_settled;
    struct placement known[SIM_NODES_MAX]; /* by each node */
    bool is_settled_known[SIM_NODES_MAX];
};

static struct sim_places *places; /* one simulation a process */

/* ---- who votes where ---- */

static void found(struct placement *p, const struct sim *s)
{
    p->node_count = s->node_count;
    for (unsigned i = 0; i < s->node_count; i++) {
        p->nodes[i] = (struct placement_node){.node_id = i + 1, .may_carry = true};
        memcpy(p->nodes[i].site, s->nodes[i]->site, sizeof p->nodes[i].site);
    }
    p->group_count = 1 + s->group_count; /* what the plan calls group 0 has no replica here */
    for (unsigned g = 0; g < p->group_count; g++) {
        p->groups[g] = (struct metadata_group){.group_id = g,
                                               .preferred_node_id = 1 + g % s->founder_count,
                                               .node_count = s->founder_count};
        for (unsigned i = 0; i < s->founder_count; i++)
            p->groups[g].node_ids[i] = i + 1;
    }
}

static bool has(const struct metadata_group *g, uint32_t node_id)
{
    for (unsigned i = 0; i < g->node_count; i++)
        if (g->node_ids[i] == node_id)
            return true;
    return false;
}

static unsigned want(const struct sim *s, const struct placement *p, bool is_settled,
                     uint32_t group_id, struct placement_member wanted[SIM_NODES_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < s->node_count; i++) {
        bool is_voter = has(&p->groups[group_id], i + 1);
        if (!is_voter && !is_settled)
            continue;
        wanted[count] = (struct placement_member){.raft_id = sim_node_raft_id(s->nodes[i]),
                                                  .is_voter = is_voter};
        memcpy(wanted[count++].site, s->nodes[i]->site, sizeof wanted[0].site);
    }
    return count;
}

static bool next_step(struct sim_group *g, const struct placement *p, bool is_settled,
                      struct placement_step *step)
{
    struct repl_group_status status;
    struct placement_member wanted[SIM_NODES_MAX];
    const struct sim_node *n = g->life->node;
    repl_group_status(g->raft, &status);
    if (status.role != REPL_LEADER || !status.is_ready || status.is_changing)
        return false;
    unsigned count = want(n->sim, p, is_settled, g->group_id, wanted);
    placement_next_step(&status, sim_node_raft_id(n), wanted, count,
                        p->groups[g->group_id].preferred_node_id, step);
    return true;
}

bool sim_places_are_at_rest(struct sim *s)
{
    for (uint32_t group_id = 1; group_id <= s->group_count; group_id++) {
        struct sim_group *g = sim_leader(s, group_id);
        struct placement_step step;
        if (g == NULL || !next_step(g, &places->truth, places->is_settled, &step) ||
            step.kind != PLACEMENT_AT_REST)
            return false;
    }
    return true;
}

bool sim_places_has_all(const struct sim_node *n)
{
    for (uint32_t group_id = 1; group_id <= n->sim->group_count; group_id++)
        if (n->sim->do_nodes_move && !has(&places->truth.groups[group_id], sim_node_id(n)))
            return false;
    return true;
}

/* ---- a leader's steps ---- */

static void take(struct sim_group *g, const struct placement_step *step)
{
    struct err_note note = {0};
    struct sim *s = g->life->node->sim;
    if (step->kind == PLACEMENT_HANDS_OVER)
        repl_group_transfer(g->raft, step->node_id);
    if (step->kind != PLACEMENT_CHANGES)
        return;
    int err = repl_group_change(g->raft, step->change, &step->member, &note);
    sim_tell(s, "group %u change %d of node %u incarnation %u: %s", g->group_id, (int)step->change,
             repl_raft_id_node(step->member.raft_id), (unsigned)step->member.raft_id,
             err == 0 ? "proposed" : note.text);
}

void sim_places_mend(struct sim_group *g)
{
    unsigned number = g->life->node->number;
    struct placement_step step;
    if (random_chance(world_random(places->sim->world), 0.7)) { /* group 0 is heard of late */
        places->known[number] = places->truth;
        places->is_settled_known[number] = places->is_settled;
    }
    const struct placement *known = &places->known[number];
    if (g->life->metadata == NULL) /* else it says who leads (sim_switch.h) */
        repl_group_set_preferred(g->raft, known->groups[g->group_id].preferred_node_id);
    if (next_step(g, known, places->is_settled_known[number], &step))
        take(g, &step);
}

void sim_places_leave(struct sim_group *g)
{
    struct sim *s = g->life->node->sim;
    unsigned number = g->life->node->number;
    const struct placement *known = &places->known[number];
    struct repl_leader leader;
    bool has_left = repl_group_has_left(g->raft);
    if (has_left && !g->has_left)
        sim_count(s, SIM_groups_freed, 1);
    g->has_left = has_left;
    if (!places->is_settled_known[number] && !has(&known->groups[g->group_id], number + 1) &&
        repl_node_leader(g->life->repl, g->group_id, &leader))
        repl_group_leave(g->raft, sim_node_raft_id(s->nodes[leader.node_id - 1]));
}

/* ---- nodes come and go ---- */

/* One node leaves, is given up, or is there again; what the plan refuses does not happen. */
static void change_a_node(struct sim *s)
{
    struct placement then = places->truth;
    struct placement_node *n = &then.nodes[world_between(s->world, 0, s->node_count - 1)];
    struct err_note note = {0};
    bool is_back = !n->may_carry;
    n->may_carry = is_back;
    n->must_go = !is_back;
    n->is_leaving = !is_back && random_chance(world_random(s->world), 0.5);
    struct placement trial = then;
    if (placement_plan(&trial, &note) != 0) {
        sim_tell(s, "refused: %s", note.text);
        return;
    }
    sim_tell(s, "node %u %s", n->node_id,
             is_back         ? "carries"
             : n->is_leaving ? "leaves"
                             : "is dead");
    memcpy(places->truth.nodes, then.nodes, sizeof then.nodes);
}

/* As group 0's leader does: the next group, when none is on its way. */
static void set_next_place(struct sim *s)
{
    struct placement then = places->truth;
    if (!sim_places_are_at_rest(s) || placement_plan(&then, NULL) != 0)
        return;
    for (unsigned g = 1; g < then.group_count; g++) {
        if (memcmp(&then.groups[g], &places->truth.groups[g], sizeof then.groups[g]) == 0)
            continue;
        places->truth.groups[g] = then.groups[g];
        sim_tell(s, "group %u is to vote on %u, %u, %u", g, then.groups[g].node_ids[0],
                 then.groups[g].node_ids[1], then.groups[g].node_ids[2]);
        sim_count(s, SIM_groups_moved, 1);
        return;
    }
}

static void on_time(void *data)
{
    struct sim *s = data;
    if (places->is_settled)
        return;
    if (random_chance(world_random(s->world), 0.5))
        change_a_node(s);
    set_next_place(s);
    world_in(s->world, world_between(s->world, CHANGE_NS_MIN, CHANGE_NS_MAX), NULL, on_time, s);
}

void sim_places_start(struct sim *s)
{
    places = calloc(1, sizeof *places);
    if (places == NULL)
        abort();
    places->sim = s;
    found(&places->truth, s);
    for (unsigned i = 0; i < s->node_count; i++)
        places->known[i] = places->truth;
    s->do_nodes_move = true;
    on_time(s);
}

void sim_places_settle(struct sim *s)
{
    if (s->do_nodes_move)
        places->is_settled = true;
}
