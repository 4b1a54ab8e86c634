/* Stories of terms, logs and configurations. */
#include <inttypes.h>

#include "sim/cases.h"
#include "sim/sim_check.h"

static bool has_leader(struct sim *s, void *data)
{
    return sim_leader(s, *(uint32_t *)data) != NULL;
}

struct sim_node *case_leader(struct sim *s, uint32_t group_id)
{
    if (!sim_run_while_not(s, 30 * WORLD_S, has_leader, &group_id))
        world_violation(s->world, "18 progress", "group %u has no leader for 30 s", group_id);
    return sim_leader(s, group_id)->life->node;
}

void case_must_have(struct sim *s, enum sim_counter counter, uint64_t at_least)
{
    if (s->counters->values[counter] < at_least)
        world_violation(s->world, "story", "counter %d is %" PRIu64 ", the story needs %" PRIu64,
                        (int)counter, s->counters->values[counter], at_least);
}

void case_end(struct sim *s)
{
    sim_faults_end(s);
    case_wait(s, 8 * WORLD_S);
    sim_conclude(s);
}

/* What it sends reaches `only` alone (or nobody: its own number). */
static void reach_only(struct sim *s, unsigned from, unsigned only)
{
    for (unsigned to = 0; to < s->node_count; to++)
        if (to != from && to != only)
            sim_net_cut(s->net, from, to, false);
}

/* Raft, Figure 8: S1 gives an entry to S2 alone and dies; S5 leads, takes another one and dies; S1
 * leads again and spreads the old entry to a majority. It may not count as committed: S1 dies once
 * more, and S5 may overwrite it. Told several times over, with whoever leads as S1. */
void case_figure_8(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 5, 5, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    s->is_restarting = false;
    for (int round = 0; round < 6; round++) {
        struct sim_node *one = case_leader(s, 1);
        reach_only(s, one->number, (one->number + 1) % s->node_count);
        case_wait(s, 150 * WORLD_MS);
        sim_node_end(one, SIM_END_POWER);
        sim_net_heal_all(s->net);
        struct sim_node *five = case_leader(s, 1);
        reach_only(s, five->number, five->number);
        case_wait(s, 150 * WORLD_MS);
        sim_node_end(five, SIM_END_POWER);
        sim_net_heal_all(s->net);
        sim_node_start(one);
        case_wait(s, world_between(s->world, WORLD_S / 2, 2 * WORLD_S));
        sim_node_end(one, SIM_END_POWER);
        sim_node_start(five);
        case_wait(s, WORLD_S);
        sim_node_start(one);
        case_wait(s, WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_truncations, 1);
}

/* A leader that is alone goes on taking proposals; its tail must give way when it comes back, also
 * after a crash in between. */
void case_leftover_tail(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    s->is_restarting = false;
    for (int round = 0; round < 6; round++) {
        struct sim_node *old = case_leader(s, 1);
        reach_only(s, old->number, old->number);
        case_wait(s, WORLD_S / 2);
        if (round % 2 == 1)
            sim_node_end(old, SIM_END_KILL);
        case_wait(s, 3 * WORLD_S);
        sim_net_heal_all(s->net);
        sim_node_start(old);
        case_wait(s, 2 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_truncations, 1);
}

/* libraft 0.15 acknowledged nothing while entries kept coming faster than a round trip. */
void case_slow_link_stream(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    for (unsigned a = 0; a < 3; a++)
        for (unsigned b = 0; b < 3; b++)
            if (a != b) {
                sim_net_set_delay(s->net, a, b, 120 * WORLD_MS, 20 * WORLD_MS);
                sim_net_set_rate(s->net, a, b, 500000);
            }
    case_wait(s, 3 * WORLD_S);
    for (int second = 0; second < 15; second++) {
        uint64_t before = sim_check_acknowledged_index(s->check, 1);
        case_wait(s, WORLD_S);
        if (sim_check_acknowledged_index(s->check, 1) == before)
            world_violation(s->world, "18 progress",
                            "nothing was acknowledged for a second of a steady stream");
    }
    case_end(s);
}

static bool is_complete(struct sim *s, void *data)
{
    (void)data;
    return sim_operator_is_done(s);
}

/* Configurations change while messages are full of entries: libraft reads a change wrongly that is
 * not the first entry of its message. */
void case_change_in_mid_message(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 4, 3, counters, is_verbose);
    for (unsigned a = 0; a < 4; a++)
        for (unsigned b = a + 1; b < 4; b++)
            sim_net_set_delay(s->net, a, b, 10 * WORLD_MS, 5 * WORLD_MS); /* fills messages */
    sim_begin(s, 4 * CASE_PACE_NS);
    case_wait(s, 5 * WORLD_S);
    for (unsigned node = 0; node < 3; node++) {
        sim_node_end(s->nodes[node], SIM_END_POWER);
        sim_node_wipe(s->nodes[node]);
        if (!sim_run_while_not(s, 60 * WORLD_S, is_complete, NULL))
            world_violation(s->world, "18 progress", "a replica is not rebuilt within 60 s");
    }
    case_end(s);
    case_must_have(s, SIM_configuration_changes, 3);
}

static void hand_over(struct sim *s, struct sim_node *to)
{
    for (int i = 0; i < 50 && case_leader(s, 1) != to; i++) {
        repl_group_transfer(sim_leader(s, 1)->raft, sim_node_id(to));
        case_wait(s, WORLD_S / 10);
    }
}

/* A leader offers a snapshot to a replica that is behind, loses its office, and has it again in a
 * later term when the offers of its first term arrive. libraft answers such a one with a success
 * and an index off its stack: what nobody has would count as stored. */
void case_late_snapshot(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    s->is_restarting = false;
    for (int round = 0; round < 3; round++) {
        struct sim_node *leader = case_leader(s, 1);
        struct sim_node *behind = s->nodes[(leader->number + 1) % 3];
        sim_node_end(behind, SIM_END_KILL);
        case_wait(s, 15 * WORLD_S); /* longer than entries are kept */
        leader = case_leader(s, 1);
        struct sim_node *other = s->nodes[3 - leader->number - behind->number];
        sim_node_start(behind);
        case_wait(s, 50 * WORLD_MS);
        sim_net_stall(s->net, leader->number, behind->number, NET_CONTROL,
                      world_now_ns(s->world) + 3 * WORLD_S);
        case_wait(s, WORLD_S);
        hand_over(s, other);
        hand_over(s, leader);
        case_wait(s, 4 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_snapshots_installed, 3);
}

/* A leader that slept wakes up and believes that it leads: what it answers to fresh reads must be
 * as new as what its successor has acknowledged. */
void case_paused_leader(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    for (int round = 0; round < 8; round++) {
        sim_node_pause(case_leader(s, 1), world_between(s->world, WORLD_S / 2, 4 * WORLD_S));
        case_wait(s, 5 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_fresh_reads, 20);
}
