/* Which node is home changes with a forced recovery (sim_recovery.c) and in no other way here. */
#include "sim/sim_home.h"

#include <stdlib.h>
#include <string.h>

#include "sim/sim_recovery.h"

bool sim_home_is_alone(const struct sim *s, uint32_t group_id)
{
    return s->has_asynchronous && group_id == SIM_ASYNCHRONOUS_GROUP;
}

bool sim_home_votes(const struct sim *s, uint32_t group_id, unsigned number)
{
    return !sim_home_is_alone(s, group_id) || number == s->home_number;
}

bool sim_home_is_lost_with(const struct sim *s, uint32_t group_id)
{
    return !s->has_asynchronous || group_id == SIM_ASYNCHRONOUS_GROUP;
}

static void fill_founders(const struct sim *s, struct repl_member founders[SIM_NODES_MAX])
{
    for (unsigned i = 0; i < s->founder_count; i++) {
        founders[i] = (struct repl_member){.raft_id = repl_raft_id(i + 1, 1),
                                           .is_voter = i == s->first_home_number};
        memcpy(founders[i].site, s->nodes[i]->site, sizeof founders[i].site);
    }
}

int sim_home_found(struct sim_group *g)
{
    const struct sim_node *n = g->life->node;
    const struct log_store_state *state = log_store_state(g->store);
    struct repl_member founders[SIM_NODES_MAX];
    uint8_t *machine;
    size_t size;
    uint32_t feature_level;
    if (!sim_home_is_alone(n->sim, g->group_id) || state->index > 0 || state->left_index > 0 ||
        n->identity.is_rebuilt)
        return 0;
    int err = g->inner.encode_state(g->inner.data, &machine, &size, &feature_level);
    if (err != 0)
        return err;
    fill_founders(n->sim, founders);
    err = repl_group_found(g->store, founders, n->sim->founder_count, bytes_of(machine, size),
                           feature_level);
    free(machine);
    return err;
}

void sim_home_opened(struct sim_group *g)
{
    const struct sim *s = g->life->node->sim;
    if (!sim_home_is_alone(s, g->group_id))
        return;
    repl_group_set_within_site(g->raft, true);
    repl_group_set_preferred(g->raft, s->home_number + 1);
    repl_group_hold(g->raft, true);
}

/* Has the process heard, and applied, what the cluster had committed by some moment since it
 * began? */
static bool is_current(struct sim_life *life)
{
    struct repl_group_status status;
    repl_group_status(life->groups[0].raft, &status);
    if (status.role == REPL_LEADER)
        return status.is_ready;
    return status.leader_node_id != 0 && status.heard.leader_raft_id != 0 &&
           status.heard.commit_index > 0 && status.applied_index >= status.heard.commit_index;
}

void sim_home_tick(struct sim_life *life)
{
    const struct sim *s = life->node->sim;
    struct sim_group *g = &life->groups[SIM_ASYNCHRONOUS_GROUP - 1];
    if (s->has_asynchronous && repl_group_is_held(g->raft) && is_current(life) &&
        g->generation == sim_recovery_generation())
        repl_group_hold(g->raft, false);
}
