/* What may be agreed.
 *
 *   no dead one first   a site of which nobody has heard anything for SEEN_NS is left, where a
 *                       majority of group 0 has heard each other and the same leader all the while
 *   none left that is well, nor called cut off while all is well
 *   calm                members are moved between sites that are reached (one comes back, a drain
 *                       ends, one steps behind a cut) not before a quiet time has passed since they
 *                       last had to move, whoever judges; and who was left often waits longer
 *   an operator's word  the verdict says of drains and weights what operators were told, after each
 *                       entry
 *
 * All of it is said of the verdict that was agreed, entry by entry: no judge's memory counts. */
#include "sim/sim_check_sites.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_check_parts.h"
#include "sim/sim_metadata.h"
#include "sim/sim_sites.h"
#include "sim/sim_truth.h"
#include "state/byte_list.h"

/* Lost for 1.5 s, told of once a second at least, proposed, committed. */
#define SEEN_NS (4 * WORLD_S)
/* And heard for 3 s, whatever was before. */
#define WELL_NS (6 * WORLD_S)

struct agreed {
    uint64_t index; /* of the entry that made it so */
    struct router_verdict verdict;
};

static struct {             /* one simulation a process */
    struct agreed *history; /* by index; each differs from the one before */
    size_t count, capacity;
    bool is_drained[ROUTER_SITES_MAX];     /* by operators' words */
    uint32_t weights[ROUTER_SITES_MAX];    /* 0: no word on it */
    uint64_t word_index[ROUTER_SITES_MAX]; /* of the newest word */
    uint64_t highest_epoch;                /* that anybody has applied */
    uint64_t agreed_ns;                    /* of the newest */
    uint64_t moved_ns;                     /* when members last had to move; 0: never */
    uint64_t left_ns[ROUTER_SITES_MAX];
} model;

static const struct router_verdict *newest(void)
{
    return model.count == 0 ? NULL : &model.history[model.count - 1].verdict;
}

static void note(uint64_t index, const struct router_verdict *v)
{
    if (model.count == model.capacity) {
        model.capacity = model.capacity == 0 ? 256 : 2 * model.capacity;
        model.history = realloc(model.history, model.capacity * sizeof *model.history);
        if (model.history == NULL)
            abort();
    }
    model.history[model.count++] = (struct agreed){.index = index, .verdict = *v};
}

static size_t bytes_of_verdict(const struct router_verdict *v,
                               uint8_t bytes[ROUTER_VERDICT_SIZE_MAX])
{
    int size = v == NULL ? 0 : router_verdict_encode(v, bytes, ROUTER_VERDICT_SIZE_MAX);
    if (size < 0)
        abort();
    return (size_t)size;
}

static bool is_same(const struct router_verdict *a, const struct router_verdict *b)
{
    uint8_t of_a[ROUTER_VERDICT_SIZE_MAX], of_b[ROUTER_VERDICT_SIZE_MAX];
    size_t size = bytes_of_verdict(a, of_a);
    return size == bytes_of_verdict(b, of_b) && memcmp(of_a, of_b, size) == 0;
}

/* ---- what is true ---- */

/* Well, and hears the leader well, for so long. */
static bool is_near(const struct sim_node *n, const struct sim_node *leader)
{
    return sim_truth_well_ns(n) >= SEEN_NS &&
           sim_truth_clear_ns(n->number, leader->number) >= SEEN_NS;
}

static unsigned count_voters(struct sim_group *g)
{
    struct repl_group_status status;
    unsigned voters = 0;
    repl_group_status(g->raft, &status);
    for (unsigned i = 0; i < status.replica_count; i++)
        voters += status.replicas[i].member.is_voter ? 1 : 0;
    return voters;
}

/* The leader of group 0, where it and a majority of its voters, of two sites, have worked
 * undisturbed. */
static const struct sim_node *judge_of(const struct sim *s)
{
    uint64_t for_ns;
    unsigned near = 0;
    bool has_other = false;
    struct sim_group *g = sim_truth_leader(&for_ns);
    if (g == NULL || for_ns < SEEN_NS || g->life->span.is_over)
        return NULL;
    const struct sim_node *leader = g->life->node;
    for (unsigned i = 0; i < s->node_count; i++) {
        const struct sim_node *n = s->nodes[i];
        bool is_with_it = is_near(n, leader) && sim_truth_level_ns(n) >= SEEN_NS;
        near += is_with_it ? 1 : 0;
        has_other |= is_with_it && strcmp(n->site, leader->site) != 0;
    }
    return 2 * near > count_voters(g) && has_other && is_near(leader, leader) ? leader : NULL;
}

/* All of its nodes work, and all that are near the leader hear them; and one of those is
 * elsewhere. */
static bool is_site_well(const struct sim *s, const char *site, const struct sim_node *judge)
{
    bool is_well = true, has_other = false;
    for (unsigned i = 0; i < s->node_count; i++) {
        const struct sim_node *n = s->nodes[i];
        if (strcmp(n->site, site) != 0) {
            has_other |= is_near(n, judge);
            continue;
        }
        is_well &= sim_truth_well_ns(n) >= WELL_NS;
        for (unsigned k = 0; k < s->node_count; k++)
            if (is_near(s->nodes[k], judge))
                is_well &= sim_truth_clear_ns(i, k) >= WELL_NS;
    }
    return is_well && has_other;
}

static bool is_all_well(const struct sim *s)
{
    bool is_well = true;
    for (unsigned a = 0; a < s->node_count; a++) {
        is_well &= sim_truth_well_ns(s->nodes[a]) >= WELL_NS;
        for (unsigned b = 0; b < s->node_count; b++)
            is_well &= sim_truth_clear_ns(a, b) >= WELL_NS;
    }
    return is_well;
}

static void on_look(struct sim *s)
{
    const struct router_verdict *v = newest();
    const struct sim_node *judge = v == NULL ? NULL : judge_of(s);
    uint64_t steady_ns = sim_truth_steady_ns();
    if (judge == NULL || s->is_blind || steady_ns < SEEN_NS ||
        metadata_verdict(sim_metadata_truth()) == NULL)
        return;
    for (unsigned i = 0; i < v->site_count; i++) {
        uint64_t dead_ns = sim_truth_dead_ns(s, v->sites[i].site.name);
        if (dead_ns < SEEN_NS)
            continue;
        sim_count(s, SIM_looks_at_dead_sites, 1);
        if (v->sites[i].health != ROUTER_LEFT)
            world_violation(s->world, "sites: no dead one first",
                            "nothing was heard of site %s for %" PRIu64 " ms, and it is used",
                            v->sites[i].site.name, dead_ns / WORLD_MS);
    }
}

void sim_check_sites_start(struct sim *s)
{
    if (s->has_verdict)
        sim_truth_start(s, on_look);
}

/* ---- what is agreed ---- */

static bool is_free_move(const struct router_standing *before, const struct router_standing *after)
{
    bool is_rescue = after->reason == ROUTER_REASON_NOTHING_ELSE;
    bool is_back = after->health < before->health && !is_rescue;
    bool is_cut = before->health == ROUTER_WHOLE && after->health == ROUTER_CUT;
    bool is_in = before->drain != ROUTER_IN && after->drain == ROUTER_IN;
    return is_back || is_cut || is_in;
}

static bool is_move(const struct router_standing *before, const struct router_standing *after)
{
    return before->health != after->health ||
           (before->drain == ROUTER_IN) != (after->drain == ROUTER_IN);
}

static void count_move(struct sim *s, const struct router_standing *before,
                       const struct router_standing *after)
{
    bool is_left = before->health != ROUTER_LEFT && after->health == ROUTER_LEFT;
    bool is_rescue = after->reason == ROUTER_REASON_NOTHING_ELSE;
    sim_count(s, SIM_sites_left, is_left);
    sim_count(s, SIM_sites_frozen, is_left && after->leave_count >= sim_sites_judging().leaves_max);
    sim_count(s, SIM_sites_cut, before->health == ROUTER_WHOLE && after->health == ROUTER_CUT);
    sim_count(s, SIM_sites_returned,
              before->health == ROUTER_LEFT && after->health != ROUTER_LEFT && !is_rescue);
    sim_count(s, SIM_sites_rescued,
              before->health == ROUTER_LEFT && after->health != ROUTER_LEFT && is_rescue);
    sim_count(s, SIM_sites_drained, before->drain == ROUTER_IN && after->drain != ROUTER_IN);
    sim_count(s, SIM_drains_ended, before->drain != ROUTER_IN && after->drain == ROUTER_IN);
}

static void check_calm(struct sim *s, unsigned site, const struct router_standing *before,
                       const struct router_standing *after)
{
    const struct router_judge_options options = sim_sites_judging();
    uint64_t now_ns = world_now_ns(s->world);
    char text[ROUTER_STANDING_TEXT_SIZE];
    bool is_frozen = before->leave_count >= options.leaves_max;
    uint64_t away_ms = (uint64_t)(is_frozen ? options.frozen_ms : options.quiet_ms);
    bool is_back = before->health == ROUTER_LEFT && after->health < before->health &&
                   after->reason != ROUTER_REASON_NOTHING_ELSE;
    if (!is_free_move(before, after))
        return;
    router_standing_text(after, text, sizeof text);
    if (model.moved_ns != 0 && now_ns - model.moved_ns < (uint64_t)options.quiet_ms * WORLD_MS)
        world_violation(s->world, "sites: calm",
                        "members move without need, %" PRIu64 " ms after they did: %s",
                        (now_ns - model.moved_ns) / WORLD_MS, text);
    if (is_back && model.left_ns[site] != 0 && now_ns - model.left_ns[site] < away_ms * WORLD_MS)
        world_violation(s->world, "sites: calm",
                        "back %" PRIu64 " ms after it was left, the %u. time: %s",
                        (now_ns - model.left_ns[site]) / WORLD_MS, before->leave_count, text);
}

static void check_sound(struct sim *s, const struct sim_node *judge,
                        const struct router_standing *before, const struct router_standing *after)
{
    bool is_left = before->health != ROUTER_LEFT && after->health == ROUTER_LEFT;
    bool is_cut = before->health == ROUTER_WHOLE && after->health == ROUTER_CUT;
    if (judge != NULL && is_left && is_site_well(s, after->site.name, judge))
        world_violation(s->world, "sites: none left that is well", "site %s is left",
                        after->site.name);
    if (judge != NULL && is_cut && is_all_well(s))
        world_violation(s->world, "sites: none left that is well", "site %s is called cut off",
                        after->site.name);
}

static void check_change(struct sim *s, const struct router_verdict *before,
                         const struct router_verdict *after)
{
    const struct sim_node *judge = judge_of(s);
    bool is_any_move = false;
    for (unsigned i = 0; i < after->site_count; i++) {
        const struct router_standing *was = &before->sites[i], *is = &after->sites[i];
        check_calm(s, i, was, is);
        check_sound(s, judge, was, is);
        count_move(s, was, is);
        is_any_move |= is_move(was, is);
        if (was->health != ROUTER_LEFT && is->health == ROUTER_LEFT)
            model.left_ns[i] = world_now_ns(s->world);
    }
    if (is_any_move)
        model.moved_ns = world_now_ns(s->world);
    uint64_t quiet_ns = (uint64_t)sim_sites_judging().quiet_ms * WORLD_MS;
    if (after->is_calm && model.moved_ns != 0 && world_now_ns(s->world) - model.moved_ns < quiet_ns)
        world_violation(s->world, "sites: calm", "it is called calm %" PRIu64 " ms after a move",
                        (world_now_ns(s->world) - model.moved_ns) / WORLD_MS);
}

static void check_words(struct sim *s, const struct router_verdict *v, uint64_t index)
{
    for (unsigned i = 0; i < v->site_count; i++) {
        const struct router_standing *standing = &v->sites[i];
        bool is_drained = standing->drain == ROUTER_DRAINED;
        uint32_t weight = model.weights[i] == 0 ? 1 : model.weights[i];
        if (is_drained != model.is_drained[i] || standing->site.weight != weight)
            world_violation(s->world, "sites: an operator's word",
                            "after index %" PRIu64 " site %s weighs %u and is %s; the words were "
                            "%u and %s",
                            index, standing->site.name, standing->site.weight,
                            router_drain_text(standing->drain), weight,
                            model.is_drained[i] ? "drain" : "undrain");
    }
}

/* An operator's word that was taken. Its body: docs/entry_format.md. */
static void take_word(const struct metadata *truth, const struct sim_applied *applied)
{
    struct bytes_reader r = bytes_reader_of(applied->entry->body.bytes);
    char name[ROUTER_SITE_NAME_SIZE] = "";
    bytes_read_le16(&r);
    uint16_t kind = bytes_read_le16(&r);
    uint8_t step = bytes_read_u8(&r);
    bytes_read_u8(&r);
    if (kind != METADATA_SITES || step == METADATA_SITE_VERDICT)
        return;
    struct bytes text = byte_list_read_text(&r);
    memcpy(name, text.data, text.size);
    unsigned at = router_verdict_find(metadata_verdict(truth), name);
    if (step == METADATA_SITE_WEIGHT)
        model.weights[at] = bytes_read_le16(&r);
    else
        model.is_drained[at] = step == METADATA_SITE_DRAIN;
    model.word_index[at] = applied->entry->index;
}

void sim_check_sites_entry(struct sim *s, const struct metadata *truth,
                           const struct sim_applied *applied, int error, bool is_first)
{
    const struct router_verdict *before = newest(), *after = metadata_verdict(truth);
    uint64_t index = applied->entry->index;
    if (!s->has_verdict || after == NULL)
        return;
    if (applied->head->kind == ENTRY_METADATA && error == 0)
        take_word(truth, applied);
    if (is_first && !s->is_blind)
        check_words(s, after, index);
    if (before != NULL && is_same(before, after))
        return;
    if (is_first && before != NULL && !s->is_blind) {
        if (after->epoch <= model.highest_epoch)
            world_violation(s->world, "13 no number twice",
                            "epoch %" PRIu64 " of the verdict comes after %" PRIu64, after->epoch,
                            model.highest_epoch);
        check_change(s, before, after);
    }
    if (after->epoch > model.highest_epoch && is_first)
        model.highest_epoch = after->epoch;
    sim_count(s, SIM_verdicts, is_first);
    note(index, after);
}

void sim_check_sites_acknowledged(struct sim *s, const struct metadata_site_change *word,
                                  uint64_t index)
{
    unsigned at = router_verdict_find(newest(), word->site);
    if (!s->has_verdict || s->is_blind || word->step == METADATA_SITE_VERDICT)
        return;
    bool is_so = at != ROUTER_NO_SITE &&
                 (word->step == METADATA_SITE_WEIGHT
                      ? model.weights[at] == word->weight
                      : model.is_drained[at] == (word->step == METADATA_SITE_DRAIN));
    if (at == ROUTER_NO_SITE || model.word_index[at] < index ||
        (model.word_index[at] == index && !is_so))
        world_violation(s->world, "sites: an operator's word",
                        "the word on site %s at index %" PRIu64 " was acknowledged, and is not so",
                        word->site, index);
    sim_count(s, SIM_words_acknowledged, 1);
}

/* ---- over a forced recovery ---- */

void sim_check_sites_forget(void)
{
    model.count = 0;
    memset(model.is_drained, 0, sizeof model.is_drained);
    memset(model.weights, 0, sizeof model.weights);
    memset(model.word_index, 0, sizeof model.word_index);
}

void sim_check_sites_recovered(struct sim *s)
{
    const struct router_verdict *v = newest();
    if (!s->has_verdict || v == NULL)
        return;
    if (v->epoch <= model.highest_epoch)
        world_violation(s->world, "13 no number twice",
                        "the verdict's epoch is %" PRIu64 " after a recovery, and was %" PRIu64,
                        v->epoch, model.highest_epoch);
    model.highest_epoch = v->epoch;
}

/* ---- who has it ---- */

static const struct router_verdict *verdict_at(uint64_t index)
{
    size_t count = model.count;
    while (count > 0 && model.history[count - 1].index > index)
        count--;
    return count == 0 ? NULL : &model.history[count - 1].verdict;
}

void sim_check_sites_applied(const struct sim_group *g, uint64_t index)
{
    const struct sim_life *life = g->life;
    struct sim *s = life->node->sim;
    bool is_current = g->generation == check_group_of(s->check, g->group_id)->generation;
    if (!s->has_verdict || s->is_blind || g->group_id != SIM_METADATA_GROUP || !is_current)
        return;
    if (!is_same(metadata_verdict(life->metadata), verdict_at(index)))
        world_violation(s->world, "8 same replicas",
                        "node %u has another verdict after index %" PRIu64, sim_node_id(life->node),
                        index);
    sim_count(s, SIM_verdicts_compared, 1);
}

/* ---- in the end ---- */

bool sim_check_sites_are_drained(struct sim *s, void *unused)
{
    const struct metadata *m = sim_metadata_truth();
    (void)unused;
    for (uint32_t group_id = 1; s->has_verdict && group_id <= s->group_count; group_id++) {
        const struct sim_group *g = sim_leader(s, group_id);
        uint32_t known_id = group_id == SIM_METADATA_GROUP ? 0 : group_id;
        uint32_t wanted_id = metadata_leader_of(m, metadata_group_by_id(m, known_id));
        if (g == NULL || (metadata_is_drained(m, g->life->node->site) &&
                          !metadata_is_drained(m, s->nodes[wanted_id - 1]->site)))
            return false;
    }
    return true;
}

bool sim_check_sites_are_well(struct sim *s, void *unused)
{
    const struct router_verdict *v = newest();
    (void)unused;
    for (unsigned i = 0; s->has_verdict && v != NULL && i < v->site_count; i++)
        if (v->sites[i].health != ROUTER_WHOLE || v->sites[i].drain != ROUTER_IN)
            return false;
    return !s->has_verdict || v != NULL;
}
