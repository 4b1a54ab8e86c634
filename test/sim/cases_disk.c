/* Stories of disks and power. */
#include <uv.h>

#include "sim/cases.h"
#include "sim/sim_check.h"

/* The first write that fails ends the leader's process before anything is acknowledged; its peers
 * elect, and it comes back. */
void case_leader_write_fails(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    static const enum fake_disk_operation operations[] = {FAKE_DISK_WRITE, FAKE_DISK_SYNC};
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    for (int round = 0; round < 8; round++) {
        struct sim_node *leader = case_leader(s, 1);
        struct sim_life *life = leader->life;
        fake_disk_fail_nth(leader->disk, operations[round % 2], 1, UV_EIO);
        case_wait(s, WORLD_S);
        if (leader->life == life)
            world_violation(s->world, "10 honest", "node %u goes on after a failed write",
                            sim_node_id(leader));
        case_leader(s, 1);
        case_wait(s, 2 * WORLD_S);
    }
    case_end(s);
}

static bool are_all_down(struct sim *s, void *data)
{
    (void)data;
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->life != NULL)
            return false;
    return true;
}

/* The power of all sites fails while each of them writes. */
void case_all_power_cut_in_mid_write(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    s->is_restarting = false;
    for (int round = 0; round < 8; round++) {
        for (unsigned i = 0; i < s->node_count; i++)
            fake_disk_halt_at(s->nodes[i]->disk, world_between(s->world, 1, 6));
        if (!sim_run_while_not(s, 5 * WORLD_S, are_all_down, NULL))
            world_violation(s->world, "story", "a node does not write");
        for (unsigned i = 0; i < s->node_count; i++)
            sim_node_start(s->nodes[i]);
        case_leader(s, 1);
        case_wait(s, 2 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_cuts_in_mid_write, 20);
}

static bool is_shipping(struct sim *s, void *data)
{
    (void)data;
    struct sim_group *g = sim_leader(s, 1);
    struct repl_counters c;
    if (g == NULL)
        return false;
    repl_group_counters(g->raft, &c);
    return c.snapshots_sent > 0;
}

/* A replica is being rebuilt from a snapshot when the site that sends it is lost. */
void case_site_lost_while_shipping(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 5, 5, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    case_wait(s, 8 * WORLD_S); /* something to ship */
    struct sim_node *rebuilt = s->nodes[(case_leader(s, 1)->number + 1) % s->node_count];
    for (unsigned i = 0; i < s->node_count; i++)
        if (i != rebuilt->number)
            sim_net_set_rate(s->net, i, rebuilt->number, 150000);
    sim_node_end(rebuilt, SIM_END_POWER);
    sim_node_wipe(rebuilt);
    for (int round = 0; round < 3; round++) {
        sim_run_while_not(s, 15 * WORLD_S, is_shipping, NULL);
        case_wait(s, world_between(s->world, WORLD_MS, WORLD_S / 2));
        sim_node_end(case_leader(s, 1), SIM_END_POWER);
        case_wait(s, 5 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_snapshots_installed, 1);
}
