/* Damage to segments and indexes, and when it counts as mended: a pass of the scrubber that began
 * after the last damage has ended, and no segment is suspected or damaged any more. */
#include "sim/sim_rot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/fake_damage.h"
#include "log/compact.h"
#include "log/repair.h"
#include "sim/sim_damage.h"
#include "sim/sim_moves.h"

#define LOOK_NS   (WORLD_S / 4)
#define FILES_MAX 4

/* What a store was doing when the last damage came: writing files, or about to replace some, which
 * are read until then. The scrubber looks at what stays, so that is waited for: a moment of rest,
 * or the end of a checkpoint that began after the damage. */
struct rest {
    bool has_come;
    unsigned checkpoints; /* that ended since */
    uint64_t index;       /* of the last one */
};

/* The watch over one node, for one process of it. */
struct watch {
    struct sim_node *node;
    struct sim_life *life; /* whose scrubber is waited for; NULL: none yet */
    struct rest rests[SIM_RAFT_GROUPS_MAX];
    bool has_asked; /* for a pass, after the last damage */
    uint64_t passes_before;
};

static struct watch watches[SIM_NODES_MAX]; /* one simulation a process */

/* ---- files ---- */

static bool damage_file(struct sim_node *n, const char *folder)
{
    static const enum sim_harm harms[FAKE_DAMAGE_COUNT] = {
        [FAKE_DAMAGE_FLIP] = SIM_HARM_FLIPPED,
        [FAKE_DAMAGE_CUT] = SIM_HARM_CUT_OFF,
        [FAKE_DAMAGE_REMOVE] = SIM_HARM_GONE,
        [FAKE_DAMAGE_STALE] = SIM_HARM_STALE,
        [FAKE_DAMAGE_MISDIRECTED] = SIM_HARM_MISDIRECTED,
    };
    struct world *w = n->sim->world;
    char path[SIM_PATH_SIZE];
    enum fake_damage kind = (enum fake_damage)world_between(w, 0, FAKE_DAMAGE_COUNT - 1);
    if (!sim_damage_choose_file(n, folder, path) ||
        !fake_damage(n->disk, path, kind, UINT64_MAX, world_random(w)))
        return false;
    sim_harm_note(n, harms[kind], path, 0, UINT64_MAX);
    sim_tell(n->sim, "%s: %s on node %u", fake_damage_name(kind), path, sim_node_id(n));
    sim_count(n->sim, SIM_segment_files_damaged, 1);
    return true;
}

/* ---- until it is mended ---- */

static bool has_flaws(struct sim_life *life)
{
    for (unsigned i = 0; i < SIM_GROUPS; i++) {
        struct log_damage_status status;
        log_store_damage(life->groups[i].store, &status);
        if (status.suspected + status.damaged > 0)
            return true;
    }
    return false;
}

static void note_due(void *data, uint32_t number, struct log_partition *p)
{
    bool *is_due = data;
    (void)number;
    *is_due |= log_partition_is_compaction_due(p);
}

static void begin_rest(struct watch *k)
{
    memset(k->rests, 0, sizeof k->rests);
    for (unsigned i = 0; k->life != NULL && i < SIM_GROUPS; i++)
        k->rests[i].index = log_store_state(k->life->groups[i].store)->index;
}

static bool has_rested(struct rest *r, struct log_store *store)
{
    bool is_due = false;
    uint64_t index = log_store_state(store)->index;
    log_store_each_partition(store, note_due, &is_due);
    r->checkpoints += index != r->index;
    r->index = index;
    r->has_come |= r->checkpoints >= 2 || (!is_due && !log_store_is_checkpointing(store));
    return r->has_come;
}

static bool is_changing(struct watch *k)
{
    bool is_changing = false;
    for (unsigned i = 0; i < SIM_GROUPS; i++)
        is_changing |= !has_rested(&k->rests[i], k->life->groups[i].store);
    return is_changing;
}

/* Of a partition on its way from group to group nobody marks what is damaged: its next owner's pass
 * finds it. So only a pass that finds nothing says that all is sound. */
static bool is_forgotten(const struct watch *k, const struct log_scrub_status *status)
{
    return k->node->sim->do_partitions_move && status->suspected > 0;
}

static void look(struct watch *k, struct sim_life *life)
{
    struct log_scrub_status status;
    log_scrubber_status(life->scrubber, &status);
    if (k->life != life) {
        k->life = life;
        k->has_asked = false;
        begin_rest(k);
    }
    if (!k->has_asked && (is_changing(k) || status.is_running))
        return; /* it may have read what was damaged since */
    if (!k->has_asked) {
        k->has_asked = true;
        k->passes_before = status.passes_finished;
        log_scrubber_start_now(life->scrubber);
    } else if (status.passes_finished > k->passes_before && is_forgotten(k, &status)) {
        k->has_asked = false;
        begin_rest(k);
    } else if (status.passes_finished > k->passes_before && !has_flaws(life)) {
        sim_tell(k->node->sim, "node %u is sound again", sim_node_id(k->node));
        k->node->has_damaged_segments = false;
    }
}

static void on_look(void *data)
{
    struct watch *k = data;
    if (k->node->life != NULL)
        look(k, k->node->life);
    if (k->node->has_damaged_segments)
        world_in(k->node->sim->world, LOOK_NS, NULL, on_look, k);
    else
        k->node = NULL;
}

void sim_rot_watch(struct sim_node *n)
{
    struct watch *k = &watches[n->number];
    if (n->has_damaged_segments)
        return;
    n->has_damaged_segments = true;
    if (k->node == NULL)
        world_in(n->sim->world, LOOK_NS, NULL, on_look, k);
    k->node = n;
}

void sim_rot_node(struct sim_node *n, unsigned count)
{
    struct watch *k = &watches[n->number];
    struct world *w = n->sim->world;
    bool is_done = false;
    for (unsigned i = 0; i < count; i++) {
        char folder[80];
        struct sim_place home = {.group_id = (uint32_t)world_between(w, 1, SIM_GROUPS)};
        home.partition = (uint32_t)world_between(w, 1, 3);
        struct log_partition_id id = sim_moves_id(n->sim, home);
        snprintf(folder, sizeof folder, "topics/%02x%030x-%d", id.topic_id[0], 0, id.partition);
        is_done |= damage_file(n, folder);
    }
    if (!is_done)
        return;
    k->has_asked = false;
    k->life = NULL; /* what its stores do now is looked at anew */
    sim_rot_watch(n);
}

void sim_rot_strike(struct sim *s)
{
    struct sim_node *n = s->nodes[world_between(s->world, 0, s->node_count - 1)];
    bool is_allowed = sim_damage_is_allowed(s);
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->has_damaged_segments) {
            n = s->nodes[i];
            is_allowed = true;
        }
    if (is_allowed) /* else one node's copy is on its way, and a majority must be sound */
        sim_rot_node(n, (unsigned)world_between(s->world, 1, FILES_MAX));
}

bool sim_rot_is_mended(struct sim *s, void *data)
{
    (void)data;
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->has_damaged_segments)
            return false;
    return true;
}

/* ---- in the end ---- */

void sim_rot_scrub_all(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++) {
        struct log_scrub_status status;
        log_scrubber_status(s->nodes[i]->life->scrubber, &status);
        watches[i].passes_before = status.passes_finished + status.is_running;
        log_scrubber_start_now(s->nodes[i]->life->scrubber);
    }
}

bool sim_rot_is_scrubbed(struct sim *s, void *data)
{
    (void)data;
    for (unsigned i = 0; i < s->node_count; i++) {
        struct log_scrub_status status;
        struct sim_life *life = s->nodes[i]->life;
        if (life == NULL)
            return false;
        log_scrubber_status(life->scrubber, &status);
        if (status.passes_finished <= watches[i].passes_before) {
            if (!status.is_running)
                log_scrubber_start_now(life->scrubber);
            return false;
        }
    }
    return true;
}

void sim_rot_check(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++) {
        struct log_scrub_status status;
        log_scrubber_status(s->nodes[i]->life->scrubber, &status);
        sim_count(s, SIM_segments_scrubbed, status.segments_done);
        if (status.suspected > 0 && !s->is_blind)
            world_violation(s->world, "19 known damage only",
                            "the scrubber of node %u suspects %llu segments of a sound disk", i + 1,
                            (unsigned long long)status.suspected);
    }
}
