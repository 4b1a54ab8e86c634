/* From nodes' states to groups' places.
 *
 * A few times a second group 0's leader compares what is with what a plan of now would have
 * (placement.h), and sets the next group's new place, when no other is on its way: so one group at
 * a time takes its weak step, and a learner that catches up has the rate of its node to itself. The
 * group's own leader does the rest (member.c). All of it follows from group 0 and from what leaders
 * tell: a leader that dies in the middle leaves nothing behind that the next would have to know.
 *
 * A group whose new node is silent does not hold up the others, and one that is called back before
 * it has arrived (a switch past its deadline) holds up nobody: wherever it is on its way, from
 * there it goes home. */
#include "membership/node_drive.h"

#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "cluster/placement.h"
#include "membership/level.h"
#include "upkeep/maintain.h"

#define STUCK_MS 10000 /* silent for so long */
#define TELL_MS  60000
#define AGAIN_MS 1000 /* after a proposal that nothing was heard of */

static uint64_t mask_of(const uint32_t *node_ids, unsigned count)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < count; i++)
        mask |= level_mask_of(node_ids[i]);
    return mask;
}

static uint64_t voters_wanted(const struct metadata_group *group)
{
    return mask_of(group->node_ids, group->node_count - group->learner_count);
}

static uint64_t learners_wanted(const struct metadata_group *group)
{
    return mask_of(group->node_ids + group->node_count - group->learner_count,
                   group->learner_count);
}

bool node_drive_is_moving(struct broker *b, const struct metadata_group *group)
{
    uint64_t voters, learners;
    bool is_told = level_members(b, group->group_id, &voters, &learners);
    return !is_told || voters != voters_wanted(group) ||
           (group->group_id != 0 && learners != learners_wanted(group));
}

/* It waits for a node that is not there. */
static bool is_stuck(struct broker *b, const struct metadata_group *group)
{
    uint64_t voters, learners;
    bool is_told = level_members(b, group->group_id, &voters, &learners);
    for (unsigned i = 0; is_told && i < group->node_count; i++) {
        uint32_t id = group->node_ids[i];
        uint64_t since_ms = id < METADATA_NODES_MAX ? b->silent_since_ms[id] : 0;
        if (!level_mask_has(metadata_group_votes(group, id) ? voters : learners, id) &&
            since_ms != 0 && clock_now_ms(&b->clock) - since_ms >= STUCK_MS)
            return true;
    }
    return false;
}

/* The home site of an asynchronous group is away, and with it whoever could lead: that may last,
 * and is no reason to leave other groups where they are. */
static bool is_away(struct broker *b, const struct metadata_group *group)
{
    uint64_t voters, learners;
    return group->mode == METADATA_ASYNC && broker_group_leader(b, group->group_id, NULL) == 0 &&
           !level_members(b, group->group_id, &voters, &learners);
}

/* ---- states ---- */

/* Nobody names it as a member any more, and every group's leader was asked. */
static bool carries_nothing(struct broker *b, uint32_t node_id)
{
    for (unsigned i = 0; i < metadata_group_count(b->metadata); i++) {
        const struct metadata_group *group = metadata_group_at(b->metadata, i);
        uint64_t voters, learners;
        bool is_told = level_members(b, group->group_id, &voters, &learners);
        if (!is_told || metadata_group_has(group, node_id) || level_mask_has(voters, node_id) ||
            (group->group_id != 0 && level_mask_has(learners, node_id)))
            return false;
    }
    return true;
}

static bool is_dead(const struct broker *b, const struct metadata_node *node, uint64_t now_ms)
{
    uint64_t since_ms = node->node_id < METADATA_NODES_MAX ? b->silent_since_ms[node->node_id] : 0;
    return b->conf.node_dead_after_ms > 0 && since_ms != 0 &&
           now_ms - since_ms >= (uint64_t)b->conf.node_dead_after_ms;
}

/* What the node's state should be. */
static enum metadata_node_state state_now(struct broker *b, const struct metadata_node *node)
{
    bool is_heard = node->node_id == (uint32_t)b->conf.node_id ||
                    repl_node_is_alive(b->node, node->node_id);
    if (node->state == METADATA_NODE_ACTIVE && is_dead(b, node, clock_now_ms(&b->clock)))
        return METADATA_NODE_DEAD;
    if (node->state == METADATA_NODE_DEAD && is_heard)
        return METADATA_NODE_ACTIVE;
    if (node->state == METADATA_NODE_LEAVING && carries_nothing(b, node->node_id))
        return METADATA_NODE_GONE;
    return node->state;
}

/* One a time: the next looks at what came of it. */
static bool drive_states(struct broker_group *g)
{
    static const char *const names[] = {"active", "joining", "leaving", "dead", "gone"};
    struct broker *b = g->broker;
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        struct metadata_node node = *metadata_node_at(b->metadata, i);
        enum metadata_node_state state = state_now(b, &node);
        if (state == node.state)
            continue;
        event_warn("node_state", "peer=%u from=%s to=%s", node.node_id, names[node.state],
                   names[state]);
        node.state = state;
        struct metadata_change change = {
            .kind = METADATA_NODE_STATE, .nodes = &node, .node_count = 1};
        maintain_propose_metadata(g, &change);
        return true;
    }
    return false;
}

/* ---- places ---- */

/* Its voters are on their way to a site where nobody wants them any more. */
static bool is_called_back(struct broker *b, const struct metadata_group *group)
{
    const struct metadata_node *first = metadata_node_by_id(b->metadata, group->node_ids[0]);
    return group->mode == METADATA_ASYNC && first != NULL &&
           strcmp(first->site, metadata_home_now(b->metadata, group)) != 0;
}

static bool is_any_moving(struct broker *b)
{
    for (unsigned i = 0; i < metadata_group_count(b->metadata); i++) {
        const struct metadata_group *group = metadata_group_at(b->metadata, i);
        if (node_drive_is_moving(b, group) && !is_stuck(b, group) && !is_away(b, group) &&
            !is_called_back(b, group))
            return true;
    }
    return false;
}

static bool must_any_go(const struct placement *p, const struct metadata_group *group)
{
    for (unsigned i = 0; i < p->node_count; i++)
        if (p->nodes[i].must_go && metadata_group_has(group, p->nodes[i].node_id))
            return true;
    return false;
}

/* The group to move, but none whose partitions are changing hands: one on a node that must go
 * before one that is moved for balance. */
static const struct metadata_group *
next_group(const struct metadata *m, const struct placement *now, const struct placement *then)
{
    const struct metadata_group *next = NULL;
    for (unsigned i = 0; i < now->group_count; i++) {
        bool is_same = metadata_groups_vote_alike(&now->groups[i], &then->groups[i]);
        if (is_same || metadata_has_move(m, i))
            continue;
        if (must_any_go(now, &now->groups[i]))
            return &then->groups[i];
        if (next == NULL)
            next = &then->groups[i];
    }
    return next;
}

static void propose_places(struct broker_group *g, const struct metadata_group *groups,
                           unsigned count)
{
    struct metadata_change change = {
        .kind = METADATA_PLACEMENT,
        .groups = groups,
        .group_count = count,
        .placement_version = metadata_placement_version(g->broker->metadata)};
    maintain_propose_metadata(g, &change);
}

/* Leaders that belong elsewhere need no data moved: all at once. */
static bool move_leaders(struct broker_group *g, const struct placement *now,
                         const struct placement *then)
{
    static _Thread_local struct metadata_group rows[METADATA_GROUPS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < now->group_count; i++)
        if (metadata_groups_vote_alike(&now->groups[i], &then->groups[i]) &&
            now->groups[i].preferred_node_id != then->groups[i].preferred_node_id)
            rows[count++] = then->groups[i];
    if (count > 0)
        propose_places(g, rows, count);
    return count > 0;
}

/* What was asked for can't be done as things are: the operator hears it now and then. */
static void tell_impossible(struct broker *b, const struct err_note *note)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (b->impossible_at_ms != 0 && now_ms - b->impossible_at_ms < TELL_MS)
        return;
    b->impossible_at_ms = now_ms;
    event_warn("placement_impossible", "reason=\"%s\"", note->text);
}

static bool are_places_equal(const struct placement *a, const struct placement *b)
{
    bool are_equal = true;
    for (unsigned i = 0; i < a->group_count && are_equal; i++)
        are_equal = metadata_groups_vote_alike(&a->groups[i], &b->groups[i]) &&
                    a->groups[i].preferred_node_id == b->groups[i].preferred_node_id;
    return are_equal;
}

/* True when something was proposed. A plan of many groups takes milliseconds, so one that had
 * nothing to do is not made again before there is something else to plan from. */
static bool drive_places(struct broker_group *g)
{
    static _Thread_local struct placement now, then;
    struct broker *b = g->broker;
    struct err_note note = {0};
    uint64_t version = metadata_placement_version(b->metadata);
    if (version == b->settled_version)
        return false;
    placement_of(b->metadata, &now);
    then = now;
    if (placement_plan(&then, &note) != 0) {
        tell_impossible(b, &note);
        return false;
    }
    b->impossible_at_ms = 0;
    if (are_places_equal(&now, &then)) {
        b->settled_version = version;
        return false;
    }
    const struct metadata_group *next = next_group(b->metadata, &now, &then);
    if (next != NULL) {
        event_info("group_moves", "group=%u voters=%llx to=%llx", next->group_id,
                   (unsigned long long)voters_wanted(&now.groups[next->group_id]),
                   (unsigned long long)voters_wanted(next));
        propose_places(g, next, 1);
        return true;
    }
    return move_leaders(g, &now, &then);
}

void node_drive(struct broker_group *g)
{
    struct broker *b = g->broker;
    uint64_t now_ms = clock_now_ms(&b->clock), version = metadata_version(b->metadata);
    if (!machine_is_ready(g->machine) || metadata_group_count(b->metadata) == 0)
        return;
    if (version == b->driven_version && now_ms - b->driven_at_ms < AGAIN_MS)
        return; /* what was proposed is on its way */
    if (drive_states(g) || (!is_any_moving(b) && drive_places(g))) {
        b->driven_version = version;
        b->driven_at_ms = now_ms;
    }
}
