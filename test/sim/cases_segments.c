/* Stories of damaged segments. */
#include <stdio.h>
#include <string.h>

#include "fake/fake_damage.h"
#include "log/repair.h"
#include "sim/cases.h"
#include "sim/sim_rot.h"

/* Files of one node are damaged, again and again, the leader's as often as a follower's, while
 * clients read and write; each time it is whole again before another node is hit. */
void case_segments_rot_on_one_node(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    case_wait(s, 4 * WORLD_S); /* something in files */
    for (unsigned round = 0; round < 8; round++) {
        struct sim_node *n = case_leader(s, 1);
        if (round % 2 == 1)
            n = s->nodes[(n->number + 1) % s->node_count];
        for (unsigned i = 0; i < 4; i++) {
            sim_rot_node(n, 3);
            case_wait(s, WORLD_S / 2);
        }
        if (!sim_run_while_not(s, 20 * WORLD_S, sim_rot_is_mended, NULL))
            world_violation(s->world, "18 progress", "node %u is not mended", sim_node_id(n));
    }
    case_end(s);
    case_must_have(s, SIM_segment_files_damaged, 30);
    case_must_have(s, SIM_segments_repaired, 20);
}

/* Power fails on the node that mends, while it does. */
void case_power_cut_while_mending(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    case_wait(s, 4 * WORLD_S);
    for (unsigned round = 0; round < 18; round++) {
        struct sim_node *n = s->nodes[round % 3];
        sim_rot_node(n, 4);
        fake_disk_halt_at(n->disk, world_between(s->world, 20, 200));
        case_wait(s, 2 * WORLD_S);
        if (!sim_run_while_not(s, 40 * WORLD_S, sim_rot_is_mended, NULL))
            world_violation(s->world, "18 progress", "node %u is not mended", sim_node_id(n));
    }
    case_end(s);
    case_must_have(s, SIM_segments_repaired, 10);
}

/* ---- the same place everywhere ---- */

/* The newest two; the older of them is sealed, and retention does not take it soon. */
struct newest {
    char names[2][32];
};

static void choose_log(void *data, const char *name, bool is_directory)
{
    struct newest *n = data;
    if (is_directory || strlen(name) != 24 || strcmp(name + 20, ".log") != 0)
        return;
    unsigned place = strcmp(name, n->names[0]) > 0 ? 0 : 1;
    if (place == 0)
        memcpy(n->names[1], n->names[0], sizeof n->names[0]);
    if (place == 0 || strcmp(name, n->names[1]) > 0)
        memcpy(n->names[place], name, 25);
}

static unsigned not_repairable(struct sim *s)
{
    unsigned count = 0;
    for (unsigned i = 0; i < s->node_count; i++) {
        struct log_damage_status status;
        if (s->nodes[i]->life == NULL)
            continue;
        log_store_damage(s->nodes[i]->life->groups[0].store, &status);
        count += status.not_repairable;
    }
    return count;
}

static bool is_told_by_all(struct sim *s, void *data)
{
    (void)data;
    return not_repairable(s) >= s->node_count;
}

static bool is_told_by_nobody(struct sim *s, void *data)
{
    (void)data;
    return not_repairable(s) == 0;
}

/* A sealed segment that all nodes have in files. */
struct common {
    char folder[60], path[120];
};

static bool has_file(const struct sim_node *n, const char *path)
{
    struct disk_file *file;
    if (disk_open(fake_disk_seam(n->disk), path, DISK_READ, &file) != 0)
        return false;
    disk_close(fake_disk_seam(n->disk), file);
    return true;
}

static bool find_common(struct sim *s, void *data)
{
    struct common *c = data;
    struct newest newest = {0};
    disk_list(fake_disk_seam(s->nodes[0]->disk), c->folder, choose_log, &newest);
    snprintf(c->path, sizeof c->path, "%s/%s", c->folder, newest.names[1]);
    bool is_everywhere = newest.names[1][0] != '\0';
    for (unsigned i = 0; i < s->node_count; i++)
        is_everywhere = is_everywhere && has_file(s->nodes[i], c->path);
    return is_everywhere;
}

/* The same bit of the same segment flips on all nodes: that is said by each, not hidden, and
 * nothing else stops. When one copy is sound again all are. */
void case_same_batch_rots_everywhere(uint64_t seed, struct sim_counters *counters, bool is_verbose)
{
    struct sim *s = sim_create(seed, 3, 3, counters, is_verbose);
    sim_begin(s, CASE_PACE_NS);
    case_wait(s, 5 * WORLD_S);
    s->has_fixed_starts = true;
    case_wait(s, WORLD_S); /* for what was under way */
    struct common common;
    const char *path = common.path;
    snprintf(common.folder, sizeof common.folder, "topics/01%030x-1", 0);
    if (!sim_run_while_not(s, 20 * WORLD_S, find_common, &common))
        world_violation(s->world, "story", "no segment is in files everywhere");
    for (unsigned i = 0; i < s->node_count; i++) {
        s->nodes[i]->has_damaged_segments = true;
        if (fake_disk_flip_bit(s->nodes[i]->disk, path, 70, 1) != 0)
            world_violation(s->world, "story", "node %u has no %s", i + 1, path);
        log_scrubber_start_now(s->nodes[i]->life->scrubber);
    }
    if (!sim_run_while_not(s, 30 * WORLD_S, is_told_by_all, NULL))
        world_violation(s->world, "10 honest", "damage that nobody can mend is not told");
    case_leader(s, 1);
    case_wait(s, WORLD_S);
    fake_disk_flip_bit(s->nodes[1]->disk, path, 70, 1);
    if (!sim_run_while_not(s, 140 * WORLD_S, is_told_by_nobody, NULL))
        world_violation(s->world, "18 progress", "a sound copy mends nobody");
    for (unsigned i = 0; i < s->node_count; i++)
        s->nodes[i]->has_damaged_segments = false;
    case_end(s);
    case_must_have(s, SIM_segments_repaired, 3);
}
