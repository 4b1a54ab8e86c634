/* Who drives a switch looks at what is committed and proposes the next step; it keeps nothing, so
 * nothing is lost with it. A step that is too late by the entries' clock, which jumps here, is
 * refused: then the switch is undone.
 *
 * Leaders move by themselves: each one's upkeep asks its own node's metadata where the group's
 * leader belongs, as the daemon's does (cluster/membership/member.c). */
#include "sim/sim_switch.h"

#include <stdio.h>
#include <string.h>

#include "sim/sim_actor.h"
#include "sim/sim_metadata.h"

#define LOOK_NS      (500 * WORLD_MS)
#define BEGIN_CHANCE 0.15 /* a look */
#define BACK_CHANCE  0.15
#define DEADLINE_MS  5000
#define PATIENCE     12 /* looks; then it is undone */

static bool is_settled; /* one simulation a process */
static unsigned looks;  /* since the step before */

static void propose(struct sim *s, struct metadata_switch_change *step)
{
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = step};
    step->deadline_ms = DEADLINE_MS;
    step->row.group_count = SIM_GROUPS;
    sim_metadata_propose(s, &change);
    looks = 0;
}

static void begin(struct sim *s)
{
    struct metadata_switch_change step = {.step = METADATA_SWITCH_BEGIN};
    const struct sim_node *n = s->nodes[world_between(s->world, 0, s->node_count - 1)];
    snprintf(step.row.from, sizeof step.row.from, "%s", n->site);
    propose(s, &step);
}

static void take_back(struct sim *s)
{
    struct metadata_switch_change step = {.step = METADATA_SWITCH_BACK};
    propose(s, &step);
}

static void end(struct sim *s, const struct metadata_switch *now, bool is_done)
{
    struct metadata_switch_change step = {.step = METADATA_SWITCH_END};
    step.row.epoch = now->epoch;
    step.row.outcome = is_done ? METADATA_EPOCH_DONE : METADATA_EPOCH_UNDONE;
    step.row.pause_ms = step.row.lost_records = step.row.lost_bytes = step.row.lost_ms = -1;
    propose(s, &step);
}

void sim_switch_note(struct sim *s, enum metadata_switch_phase before)
{
    enum metadata_switch_phase after = metadata_switch_of(sim_metadata_truth())->phase;
    sim_count(s, SIM_switches_begun,
              before == METADATA_SWITCH_NONE && after == METADATA_SWITCH_LEAVING);
    sim_count(s, SIM_switches_done,
              before == METADATA_SWITCH_LEAVING && after == METADATA_SWITCH_STANDING);
    sim_count(s, SIM_switches_taken_back,
              before == METADATA_SWITCH_RETURNING && after == METADATA_SWITCH_NONE);
}

static const struct metadata_group *known_group(const struct metadata *m, uint32_t group_id)
{
    return metadata_group_by_id(m, group_id == SIM_METADATA_GROUP ? 0 : group_id);
}

/* Is every group led where it belongs? */
static bool are_leaders_there(struct sim *s)
{
    const struct metadata *m = sim_metadata_truth();
    for (uint32_t group_id = 1; group_id <= s->group_count; group_id++) {
        const struct sim_group *g = sim_leader(s, group_id);
        if (g == NULL ||
            sim_node_id(g->life->node) != metadata_leader_of(m, known_group(m, group_id)))
            return false;
    }
    return true;
}

static void look(struct sim *s)
{
    const struct metadata_switch *now = metadata_switch_of(sim_metadata_truth());
    struct random *random = world_random(s->world);
    looks++;
    if (now->phase == METADATA_SWITCH_NONE) {
        if (!is_settled && random_chance(random, BEGIN_CHANCE))
            begin(s);
    } else if (now->phase == METADATA_SWITCH_STANDING) {
        if (is_settled || random_chance(random, BACK_CHANCE))
            take_back(s);
    } else if (looks > 1 && are_leaders_there(s) && looks <= PATIENCE) {
        end(s, now, true);
    } else if (looks > PATIENCE) {
        end(s, now, false);
    }
}

static void on_time(void *data)
{
    struct sim *s = data;
    const struct metadata *truth = sim_metadata_truth();
    if (is_settled && metadata_switch_of(truth)->phase == METADATA_SWITCH_NONE)
        return;
    if (sim_metadata_is_founded() && metadata_node_count(truth) == s->node_count)
        look(s);
    if (s->clients == NULL || !s->clients->is_stopping)
        world_in(s->world, LOOK_NS, NULL, on_time, s);
}

void sim_switch_start(struct sim *s)
{
    is_settled = false;
    if (sim_metadata_truth() != NULL)
        on_time(s);
}

void sim_switch_settle(struct sim *s)
{
    (void)s;
    is_settled = true;
}

void sim_switch_follow(struct sim_group *g)
{
    const struct metadata *m = g->life->metadata;
    const struct metadata_group *known = m == NULL ? NULL : known_group(m, g->group_id);
    if (known != NULL)
        repl_group_set_preferred(g->raft, metadata_leader_of(m, known));
}
