/* Upkeep, on each node's shard, as the daemon's own: what is wrong with a group is looked at by
 * its leader alone and mended one change at a time. */
#include "sim/sim_operator.h"

#include "sim/sim_compaction.h"
#include "sim/sim_home.h"

#include <stdlib.h>
#include <string.h>

#include "sim/sim_places.h"
#include "sim/sim_switch.h"

#define UPKEEP_NS (250 * WORLD_MS)

struct upkeep {
    struct work_item item;
    struct sim_life *life;
    bool does_checkpoint;
};

static void trim_tail(void *data, struct partition *p)
{
    (void)data;
    log_partition_trim_tail(p->log, 2000); /* so that reads meet the disk */
}

/* ---- members ---- */

static const struct repl_replica_status *find(const struct repl_group_status *status,
                                              uint64_t raft_id)
{
    for (unsigned i = 0; i < status->replica_count; i++)
        if (status->replicas[i].member.raft_id == raft_id)
            return &status->replicas[i];
    return NULL;
}

static bool is_replaced(const struct sim *s, uint64_t raft_id)
{
    unsigned node = repl_raft_id_node(raft_id) - 1;
    return sim_node_raft_id(s->nodes[node]) != raft_id;
}

static struct repl_member member_of(const struct sim_node *n)
{
    struct repl_member member = {.raft_id = sim_node_raft_id(n)};
    memcpy(member.site, n->site, sizeof member.site);
    return member;
}

static void propose(struct sim_group *g, enum repl_change change, const struct repl_member *member)
{
    struct err_note note = {0};
    int err = repl_group_change(g->raft, change, member, &note);
    sim_tell(g->life->node->sim, "group %u change %d of node %u incarnation %u: %s", g->group_id,
             (int)change, repl_raft_id_node(member->raft_id), (unsigned)member->raft_id,
             err == 0 ? "proposed" : note.text);
}

/* New replicas in, then as voters. Where the site rule refuses a second voter of a site, the one
 * whose disk is gone has to leave first. */
static void add_missing(struct sim_group *g, const struct repl_group_status *status)
{
    const struct sim *s = g->life->node->sim;
    for (unsigned i = 0; i < s->node_count; i++) {
        const struct repl_replica_status *r = find(status, sim_node_raft_id(s->nodes[i]));
        struct repl_member member = member_of(s->nodes[i]);
        if (r == NULL)
            propose(g, REPL_ADD_LEARNER, &member);
        else if (!r->member.is_voter && r->is_level && sim_home_votes(s, g->group_id, i))
            propose(g, REPL_PROMOTE, &member);
    }
}

static void remove_replaced(struct sim_group *g, const struct repl_group_status *status)
{
    const struct sim *s = g->life->node->sim;
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_member *member = &status->replicas[i].member;
        const struct sim_node *n = s->nodes[repl_raft_id_node(member->raft_id) - 1];
        const struct repl_replica_status *successor = find(status, sim_node_raft_id(n));
        if (is_replaced(s, member->raft_id) && successor != NULL && successor->is_level)
            propose(g, REPL_REMOVE, member);
    }
}

static void mend(struct sim_group *g)
{
    struct repl_group_status status;
    repl_group_status(g->raft, &status);
    if (status.role != REPL_LEADER || !status.is_ready)
        return;
    add_missing(g, &status);
    remove_replaced(g, &status);
}

bool sim_operator_is_done(struct sim *s)
{
    if (s->do_nodes_move)
        return sim_places_are_at_rest(s);
    for (uint32_t group_id = 1; group_id <= s->group_count; group_id++) {
        struct sim_group *g = sim_leader(s, group_id);
        struct repl_group_status status;
        if (g == NULL)
            return false;
        repl_group_status(g->raft, &status);
        for (unsigned i = 0; i < s->node_count; i++) {
            const struct repl_replica_status *r = find(&status, sim_node_raft_id(s->nodes[i]));
            if (r == NULL || r->member.is_voter != sim_home_votes(s, group_id, i) ||
                status.replica_count != s->node_count)
                return false;
        }
    }
    return true;
}

/* ---- upkeep ---- */

static void run_upkeep(struct work_item *item)
{
    struct upkeep *u = item->data;
    struct sim *s = u->life->node->sim;
    for (unsigned i = 0; i < s->group_count; i++) {
        struct sim_group *g = &u->life->groups[i];
        if (u->does_checkpoint)
            repl_group_checkpoint(g->raft);
        sim_switch_follow(g);
        machine_each_partition(g->machine, trim_tail, NULL);
        sim_compaction_upkeep(g);
        if (s->does_repair && s->do_nodes_move) {
            sim_places_mend(g);
            sim_places_leave(g);
        }
        if (s->does_repair && !s->do_nodes_move)
            mend(g);
    }
    free(u);
}

static void post_upkeep(struct sim_life *life, bool does_checkpoint)
{
    struct upkeep *u = calloc(1, sizeof *u);
    if (u == NULL)
        abort();
    u->life = life;
    u->does_checkpoint = does_checkpoint;
    u->item.data = u;
    work_submit(&life->shard.seam, &u->item, run_upkeep);
}

static void on_upkeep_time(void *data)
{
    struct sim *s = data;
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->life != NULL)
            post_upkeep(s->nodes[i]->life, random_chance(world_random(s->world), 0.1));
    world_in(s->world, UPKEEP_NS, NULL, on_upkeep_time, s);
}

void sim_operator_start(struct sim *s)
{
    on_upkeep_time(s);
}

void sim_operator_checkpoint(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->life != NULL)
            post_upkeep(s->nodes[i]->life, true);
}
