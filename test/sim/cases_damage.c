/* Stories of disks that lose what they had. */
#include <stdio.h>

#include "sim/cases.h"
#include "sim/sim_check.h"
#include "sim/sim_damage.h"

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
