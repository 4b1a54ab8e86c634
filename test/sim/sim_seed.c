/* A seed: load, faults for three quarters of the time, then quiet, progress and comparison. */
#include "sim/sim_seed.h"

#include <inttypes.h>
#include <stdio.h>

#include "sim/sim_check.h"
#include "sim/sim_check_sites.h"
#include "sim/sim_consumer.h"
#include "sim/sim_history.h"
#include "sim/sim_lie.h"
#include "sim/sim_moves.h"
#include "sim/sim_places.h"
#include "sim/sim_recovery.h"
#include "sim/sim_rot.h"
#include "sim/sim_site_story.h"
#include "sim/sim_sites.h"
#include "sim/sim_switch.h"

#define FAULTS_NS   (44 * WORLD_S)
#define PROGRESS_NS (10 * WORLD_S)
#define LEVEL_NS    (30 * WORLD_S)
#define SESSIONS_NS (15 * WORLD_S) /* sessions end, and coordinators tidy up */
#define MENDED_NS   (90 * WORLD_S) /* who found no help tries again after a minute at most */

#define SITES_PACE 6 /* where sites are judged much happens to them already */

#define SIM_MOVING_NODES 6 /* two in each site, of which one has founded */

static bool has_progress(struct sim *s, void *data)
{
    (void)data;
    return sim_clients_slowest(s) > 0;
}

/* Every group has a leader that has applied all it has, and so has everyone. */
static bool is_level(struct sim *s, void *data)
{
    (void)data;
    for (uint32_t group_id = 1; group_id <= s->group_count; group_id++) {
        struct sim_group *leader = sim_leader(s, group_id);
        struct repl_group_status status;
        if (leader == NULL)
            return false;
        repl_group_status(leader->raft, &status);
        for (unsigned i = 0; i < s->node_count; i++) {
            struct sim_group *g = sim_node_group(s->nodes[i], group_id);
            struct repl_group_status other;
            if (g == NULL)
                return false;
            repl_group_status(g->raft, &other);
            if (other.applied_index != status.last_index)
                return false;
        }
    }
    return sim_operator_is_done(s);
}

static bool is_checkpointed(struct sim *s, void *data)
{
    (void)data;
    for (unsigned i = 0; i < s->node_count; i++)
        for (unsigned group = 0; group < s->group_count; group++) {
            struct repl_group_status status;
            if (s->nodes[i]->life == NULL)
                return false;
            repl_group_status(s->nodes[i]->life->groups[group].raft, &status);
            if (status.checkpoint_index != status.applied_index)
                return false;
        }
    return true;
}

static void tell_states(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++)
        for (unsigned group = 0; group < s->group_count && s->nodes[i]->life != NULL; group++) {
            struct repl_group_status st;
            repl_group_status(s->nodes[i]->life->groups[group].raft, &st);
            printf("  node %u group %u role %d ready %d term %" PRIu64 " leader %u last %" PRIu64
                   " commit %" PRIu64 " applied %" PRIu64 " checkpoint %" PRIu64 " members %u\n",
                   i + 1, group + 1, (int)st.role, st.is_ready, st.term, st.leader_node_id,
                   st.last_index, st.commit_index, st.applied_index, st.checkpoint_index,
                   st.replica_count);
        }
}

static void must(struct sim *s, uint64_t bound_ns, sim_condition condition, const char *what)
{
    if (sim_run_while_not(s, bound_ns, condition, NULL))
        return;
    tell_states(s);
    sim_clients_tell(s);
    world_violation(s->world, "18 progress", "%s took more than %.0f s", what,
                    (double)bound_ns / 1e9);
}

static bool are_partitions_open(struct sim *s, void *data)
{
    (void)data;
    for (uint32_t group_id = 1; group_id <= SIM_GROUPS; group_id++) {
        struct sim_group *g = sim_leader(s, group_id);
        for (uint32_t p = 1; p <= SIM_COMPACTED_PARTITION; p++)
            if (g == NULL || machine_partition(g->machine, p) == NULL)
                return false;
        if (s->has_consumers && machine_partition(g->machine, SIM_OFFSETS_PARTITION) == NULL)
            return false;
    }
    return true;
}

void sim_begin(struct sim *s, uint64_t pace_ns)
{
    for (unsigned i = 0; i < s->node_count; i++)
        sim_node_start(s->nodes[i]);
    sim_operator_start(s);
    sim_clients_start(s, pace_ns);
    must(s, PROGRESS_NS, are_partitions_open, "opening the first partitions");
}

/* Also by those that have no part in a group, or no more. */
static bool are_leaders_known(struct sim *s, void *data)
{
    (void)data;
    for (unsigned i = 0; i < s->node_count * s->group_count; i++) {
        const struct sim_node *n = s->nodes[i / s->group_count];
        uint32_t group_id = 1 + i % s->group_count;
        const struct sim_group *g = sim_leader(s, group_id);
        struct repl_leader heard;
        if (n->life != NULL && (g == NULL || !repl_node_leader(n->life->repl, group_id, &heard) ||
                                heard.node_id != sim_node_id(g->life->node)))
            return false;
    }
    return true;
}

static void restart_all(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++) {
        sim_node_end(s->nodes[i], SIM_END_KILL);
        sim_node_restart_in(s->nodes[i], world_between(s->world, WORLD_MS, WORLD_S));
    }
}

void sim_conclude(struct sim *s)
{
    s->lost_answer_chance = 0;
    must(s, MENDED_NS, sim_lie_is_at_rest, "coming back from a disk that lied"); /* it restarts */
    s->is_restarting = false;
    must(s, MENDED_NS, sim_rot_is_mended, "mending all damaged segments");
    must(s, MENDED_NS, sim_moves_are_over, "the end of all moves");
    must(s, MENDED_NS, sim_recovery_is_over, "the end of all recoveries");
    must(s, MENDED_NS, sim_check_sites_are_drained, "leading nothing in drained sites");
    sim_site_story_settle(s);
    must(s, MENDED_NS, sim_check_sites_are_well, "a verdict that all is well");
    sim_clients_count_anew(s);
    must(s, PROGRESS_NS, has_progress, "an acknowledgement for every producer");
    must(s, PROGRESS_NS, are_leaders_known, "every node's knowing who leads");
    sim_run_until(s, world_now_ns(s->world) + 2 * WORLD_S);
    sim_clients_stop(s);
    must(s, PROGRESS_NS, sim_clients_are_idle, "the end of all requests");
    if (s->has_consumers)
        sim_run_until(s, world_now_ns(s->world) + SESSIONS_NS);
    must(s, LEVEL_NS, is_level, "making all replicas level");
    if (s->has_consumers && s->does_recover) /* elsewhere clocks are wrong, by days */
        sim_check_expired(s->check);
    sim_check_answers(s->check);
    sim_check_level(s->check);
    sim_check_history(s->check, false);
    sim_operator_checkpoint(s);
    must(s, PROGRESS_NS, is_checkpointed, "a checkpoint everywhere");
    sim_rot_scrub_all(s);
    must(s, MENDED_NS, sim_rot_is_scrubbed, "reading all segments");
    sim_rot_check(s);
    sim_check_segments(s->check);
    restart_all(s);
    must(s, LEVEL_NS, is_level, "making all replicas level after a restart");
    sim_check_level(s->check);
    sim_check_history(s->check, true);
    sim_check_replay(s->check);
    for (unsigned i = 0; i < s->node_count; i++)
        sim_node_collect(s->nodes[i]->life);
    sim_count(s, SIM_virtual_seconds, world_now_ns(s->world) / WORLD_S - 1);
    sim_count(s, SIM_frames, sim_net_frame_count(s->net));
    sim_count(s, SIM_frames_lost, sim_net_lost_count(s->net));
}

void sim_seed_run(uint64_t seed, struct sim_counters *counters,
                  const struct sim_seed_options *options)
{
    struct random shape;
    random_init(&shape, seed * 7 + 1);
    uint64_t draw = random_below(&shape, 10);
    unsigned node_count = draw < 6 ? 3 : draw < 8 ? 4 : 5;
    uint64_t kind = seed / SIM_SEEDS_OF_A_KIND;
    bool do_nodes_move = kind == SIM_MOVING_SEEDS;
    if (do_nodes_move)
        node_count = SIM_MOVING_NODES;
    if (kind == SIM_RECOVERY_SEEDS)
        node_count = seed % 4 == 0 ? 4 : 3;
    if (kind == SIM_HOME_SEEDS || (kind == SIM_SITE_SEEDS && seed % 3 == 0))
        node_count = 3;
    unsigned founder_count = node_count == 4 || do_nodes_move ? 3 : node_count;
    struct sim *s = sim_create(seed, node_count, founder_count, counters, options->is_verbose);
    s->is_blind = options->is_blind;
    s->does_recover = kind == SIM_RECOVERY_SEEDS || kind == SIM_HOME_SEEDS;
    s->has_asynchronous = kind == SIM_HOME_SEEDS;
    if (kind == SIM_SITE_SEEDS) {
        sim_sites_found(s);
        s->does_recover = seed % 3 == 0;
    }
    s->home_number = s->first_home_number = (unsigned)(seed % founder_count);
    if (options->history_path != NULL)
        sim_history_start(s, options->history_path);
    if (kind == SIM_PARTITION_SEEDS)
        sim_moves_found(s);
    if (kind == SIM_CONSUMER_SEEDS || (kind == SIM_RECOVERY_SEEDS && seed % 2 == 0))
        sim_consumers_found(s);
    uint64_t pace_ns = world_between(s->world, 40 * WORLD_MS, 200 * WORLD_MS);
    sim_begin(s, s->has_consumers ? 3 * pace_ns : pace_ns); /* others have work to do there */
    s->lost_answer_chance = 0.01;
    if (do_nodes_move || (s->does_recover && node_count > founder_count))
        sim_places_start(s);
    if (s->do_partitions_move)
        sim_moves_start(s);
    sim_switch_start(s);
    sim_recovery_start(s);
    sim_sites_start(s);
    sim_check_sites_start(s);
    uint64_t fault_ns = world_between(s->world, WORLD_S / 2, 2 * WORLD_S);
    sim_faults_start(s, world_now_ns(s->world) + FAULTS_NS,
                     s->has_verdict ? SITES_PACE * fault_ns : fault_ns);
    sim_site_story_start(s, world_now_ns(s->world) + FAULTS_NS);
    sim_run_until(s, world_now_ns(s->world) + FAULTS_NS);
    sim_faults_end(s);
    sim_places_settle(s);
    sim_moves_settle(s);
    sim_consumers_settle(s);
    sim_switch_settle(s);
    sim_recovery_settle(s);
    sim_run_until(s, world_now_ns(s->world) + 8 * WORLD_S); /* what was cut off times out */
    sim_conclude(s);
    sim_history_end(s);
    world_mix(s->world, world_event_count(s->world));
    counters->hash = world_hash(s->world);
}
