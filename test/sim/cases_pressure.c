/* Stories of disks without room, without pace, and without an answer. */
#include <inttypes.h>

#include "sim/cases.h"
#include "sim/sim_check.h"
#include "sim/sim_disk.h"

static bool is_led_elsewhere(struct sim *s, void *data)
{
    const struct sim_node *n = data;
    for (uint32_t group_id = 1; group_id <= SIM_GROUPS; group_id++) {
        struct sim_group *g = sim_leader(s, group_id);
        if (g == NULL || g->life->node == n)
            return false;
    }
    return true;
}

static void must_move_within(struct sim *s, struct sim_node *n, uint64_t bound_ns, const char *why)
{
    if (!sim_run_while_not(s, bound_ns, is_led_elsewhere, n))
        world_violation(s->world, "story", "node %u leads on with a disk that is %s",
                        sim_node_id(n), why);
}

static bool has_progress(struct sim *s, void *data)
{
    (void)data;
    return sim_clients_slowest(s) > 0;
}

/* Every producer is acknowledged something again. */
static void must_progress_within(struct sim *s, uint64_t bound_ns, const char *when)
{
    sim_clients_slowest(s); /* from now on */
    if (!sim_run_while_not(s, bound_ns, has_progress, NULL))
        world_violation(s->world, "18 progress", "nothing is acknowledged %s", when);
}

static struct sim *begin(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    case_wait(s, 6 * WORLD_S);
    return s;
}

/* The leader's disk fills up at once. Others lead within a second and take data; it lives, votes,
 * and is level again after there is room. */
void case_disk_full(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = begin(seed, counters, is_verbose);
    for (int round = 0; round < 4; round++) {
        struct sim_node *n = case_leader(s, 1);
        struct sim_life *life = n->life;
        sim_disk_fill(n, 4096, 8 * WORLD_S);
        must_move_within(s, n, WORLD_S, "full");
        must_progress_within(s, 2 * WORLD_S, "while one disk of three is full");
        case_wait(s, 5 * WORLD_S);
        if (n->life != life)
            world_violation(s->world, "story", "node %u has ended of a full disk", sim_node_id(n));
        case_wait(s, 12 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_disks_seen_full, 4);
}

/* Nobody has room: data is refused, and goes on within ten seconds of room; nobody has died. */
void case_all_disks_full(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = begin(seed, counters, is_verbose);
    struct sim_life *lives[SIM_NODES_MAX];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < s->node_count; i++) {
            lives[i] = s->nodes[i]->life;
            sim_disk_fill(s->nodes[i], round == 0 ? SIM_RESERVE_BYTES / 2 : 4096, 10 * WORLD_S);
        }
        uint64_t refused = s->counters->values[SIM_refused_for_room];
        case_wait(s, 10 * WORLD_S);
        if (s->counters->values[SIM_refused_for_room] == refused)
            world_violation(s->world, "story", "no batch was refused");
        must_progress_within(s, 10 * WORLD_S, "after there is room");
        for (unsigned i = 0; i < s->node_count; i++)
            if (s->nodes[i]->life != lives[i])
                world_violation(s->world, "story", "node %u has ended of a full disk", i + 1);
    }
    case_end(s);
}

/* A leader whose disk takes a hundred times as long hands over, and does not get leadership back
 * while that is so. */
void case_disk_slow(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = begin(seed, counters, is_verbose);
    for (int round = 0; round < 4; round++) {
        struct sim_node *n = case_leader(s, 1);
        sim_disk_slow(n, 600 * WORLD_MS, 20 * WORLD_S);
        must_move_within(s, n, 4 * WORLD_S, "slow");
        for (int i = 0; i < 14; i++) {
            case_wait(s, WORLD_S);
            if (!is_led_elsewhere(s, n))
                world_violation(s->world, "story", "leadership came back to a slow disk");
        }
        case_wait(s, 20 * WORLD_S);
    }
    case_end(s);
    case_must_have(s, SIM_disks_seen_slow, 4);
}

/* A leader's write does not come back. What it has not written counts for nothing; others lead
 * within two seconds; when it comes back the node is level again. */
void case_disk_hangs(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = begin(seed, counters, is_verbose);
    for (int round = 0; round < 4; round++) {
        struct sim_node *n = case_leader(s, 1);
        sim_disk_hang(n, 8 * WORLD_S);
        must_move_within(s, n, 3 * WORLD_S, "stuck");
        must_progress_within(s, 2 * WORLD_S, "while one disk of three hangs");
        case_wait(s, 25 * WORLD_S);
    }
    case_end(s);
}
