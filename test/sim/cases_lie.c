/* The story of a disk that lies. */
#include "sim/cases.h"
#include "sim/sim_check.h"
#include "sim/sim_damage.h"
#include "sim/sim_lie.h"

static bool is_whole(struct sim *s, void *data)
{
    (void)data;
    return sim_damage_is_allowed(s);
}

/* Without an election there is no vote to forget, and a leader that was told. */
static struct sim_node *follower_of_all(struct sim *s)
{
    unsigned first = case_leader(s, 1)->number, second = case_leader(s, 2)->number;
    return s->nodes[first == second ? (first + 1) % 3 : 3 - first - second];
}

/* A follower's disk says that it has synced and has not; then its power is cut, and its log ends
 * where it once did. No byte of it is wrong. Its leader remembers what it was told: the follower
 * must notice, and must not count or vote as the one that it was. */
void case_disk_lies(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, 4 * CASE_PACE_NS); /* a new learner comes level, however little is in flight */
    for (int round = 0; round < 6; round++) {
        if (!sim_run_while_not(s, 60 * WORLD_S, is_whole, NULL))
            world_violation(s->world, "18 progress", "a node that lost its log is not back");
        case_wait(s, 5 * WORLD_S); /* leaders are home, and stay */
        struct sim_node *n = follower_of_all(s);
        sim_lie_begin(n);
        case_wait(s, world_between(s->world, WORLD_S, 3 * WORLD_S));
        sim_lie_cut(n);
        case_wait(s, world_between(s->world, 0, 2 * WORLD_S));
        sim_node_start(n);
        if (!sim_run_while_not(s, 10 * WORLD_S, sim_lie_is_over, n))
            world_violation(s->world, "19 known damage only",
                            "node %u goes on as if it had what it acknowledged", sim_node_id(n));
    }
    case_end(s);
    case_must_have(s, SIM_lies_noticed, 6);
}
