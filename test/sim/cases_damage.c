/* Stories of disks that lose what they had. */
#include <stdio.h>

#include "sim/cases.h"
#include "sim/sim_check.h"
#include "sim/sim_damage.h"

/* ---- a disk that lies ---- */

struct wish {
    struct sim_node *node;
    uint64_t incarnation; /* that it had */
};

static bool is_another(struct sim *s, void *data)
{
    (void)s;
    const struct wish *w = data;
    return w->node->life != NULL && w->node->incarnation != w->incarnation;
}

static bool is_whole(struct sim *s, void *data)
{
    (void)data;
    return sim_damage_is_allowed(s);
}

/* Without an election there is no vote to forget: nobody could know that one is gone. */
static struct sim_node *follower_of_all(struct sim *s)
{
    unsigned first = case_leader(s, 1)->number, second = case_leader(s, 2)->number;
    return s->nodes[first == second ? (first + 1) % 3 : 3 - first - second];
}

/* A follower's disk says that it has synced and has not; then its power is cut, and of its log a
 * part or the end is gone. Its leader remembers what it was told: the follower must notice, also
 * where no byte of it is damaged, and must not count or vote as the one that it was. */
void case_disk_lies(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    for (int round = 0; round < 6; round++) {
        struct sim_node *n = follower_of_all(s);
        if (!sim_run_while_not(s, 30 * WORLD_S, is_whole, NULL) || n->life == NULL)
            world_violation(s->world, "18 progress", "a node that lost its log is not back");
        struct wish wish = {.node = n, .incarnation = n->incarnation};
        fake_disk_lie(n->disk, "wal");
        case_wait(s, 2 * WORLD_S);
        n->is_damaged = true;
        s->is_restarting = false;
        sim_node_end(n, SIM_END_POWER);
        s->is_restarting = true;
        fake_disk_lie(n->disk, NULL);
        sim_node_start(n);
        n->is_damaged = true; /* nothing that a start reads shows it */
        if (!sim_run_while_not(s, 10 * WORLD_S, is_another, &wish))
            world_violation(s->world, "19 known damage only",
                            "node %u goes on as if it had what it acknowledged", sim_node_id(n));
        n->is_damaged = false;
    }
    case_end(s);
    case_must_have(s, SIM_rebuilt_by_itself, 6);
}

/* ---- a majority ---- */

static void flip_file(void *data, const char *name, bool is_directory)
{
    struct sim_node *n = data;
    char path[80];
    snprintf(path, sizeof path, "wal/%s", name);
    if (!is_directory)
        fake_disk_flip_bit(n->disk, path, 4096 + 4, 3); /* the header of its first write */
}

static void damage_log(struct sim_node *n)
{
    sim_node_end(n, SIM_END_KILL);
    if (disk_list(fake_disk_seam(n->disk), "wal", flip_file, n) == 0)
        n->is_damaged = true;
}

/* Two of three lose their logs at once. They come back as others, with no say in any group: nobody
 * is elected, nothing is acknowledged, what the third one has stays as it is. */
void case_majority_damaged(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    case_wait(s, 5 * WORLD_S);
    s->is_restarting = false;
    struct sim_node *kept = case_leader(s, 1);
    uint64_t before[SIM_GROUPS], incarnations[3];
    for (unsigned i = 0; i < 3; i++) {
        incarnations[i] = s->nodes[i]->incarnation;
        if (s->nodes[i] != kept)
            damage_log(s->nodes[i]);
    }
    case_wait(s, WORLD_S);
    uint64_t acknowledged = counters->values[SIM_batches_acknowledged];
    for (uint32_t group_id = 1; group_id <= SIM_GROUPS; group_id++)
        before[group_id - 1] = sim_node_durable_index(kept, group_id);
    for (unsigned i = 0; i < 3; i++)
        sim_node_start(s->nodes[i]);
    case_wait(s, 20 * WORLD_S);
    for (unsigned i = 0; i < 3; i++)
        if (s->nodes[i] != kept && s->nodes[i]->incarnation == incarnations[i])
            world_violation(s->world, "19 known damage only", "node %u is the one that it was",
                            i + 1);
    if (counters->values[SIM_batches_acknowledged] != acknowledged)
        world_violation(s->world, "10 honest", "acknowledged without a majority that has it");
    for (uint32_t group_id = 1; group_id <= SIM_GROUPS; group_id++)
        if (sim_node_durable_index(kept, group_id) < before[group_id - 1])
            world_violation(s->world, "1 durable", "the node that is left has lost something");
    case_must_have(s, SIM_rebuilt_by_itself, 2);
}
