/* From topics' configs to where their partitions are.
 *
 *   configs ask for another mode or home site --> a group of that kind, on the same nodes
 *                                             --> each partition moves there (topic_move.h)
 *
 * A few times a second group 0's leader compares what topics ask for with the groups that their
 * partitions are in, and starts the next moves; it remembers nothing, so the next leader goes on.
 * Few at a time: a partition that moves makes its producers wait for some milliseconds, and more if
 * the replica that is to lead it lags behind. So that one must be near, and the groups at rest.
 *
 * What is not there yet is not promised: until a partition has moved it is as its group is. */
#include "membership/topic_drive.h"

#include <assert.h>
#include <string.h>

#include "base/event.h"
#include "cluster/placement.h"
#include "membership/level.h"
#include "membership/node_drive.h"
#include "upkeep/maintain.h"

#define MOVES_MAX 16 /* under way at once */
#define AGAIN_MS  1000
#define TELL_MS   60000

struct drive {
    struct broker_group *group_zero;
    struct broker *broker;
    const struct metadata *m;
    unsigned room; /* moves that may be started */
    uint64_t waiting_count;
    bool is_adding; /* a group: what there is changes, so look again first */
};

static bool is_alive(struct broker *b, uint32_t node_id)
{
    return node_id == (uint32_t)b->conf.node_id || repl_node_is_alive(b->node, node_id);
}

/* Whoever may lead the new group soon has the old one's records: its state comes from there. */
static bool are_voters_near(struct broker *b, const struct metadata_group *from,
                            const struct metadata_group *to)
{
    bool are_near = true;
    for (unsigned i = 0; i < to->node_count - to->learner_count && are_near; i++)
        are_near = level_is_near(b, from->group_id, to->node_ids[i]) ||
                   !is_alive(b, to->node_ids[i]);
    return are_near;
}

/* Of the groups that serve the wish on the same nodes the one with fewest partitions; NULL: there
 * is none. */
static const struct metadata_group *target(const struct metadata *m,
                                           const struct metadata_group *from,
                                           const struct metadata_wish *wish)
{
    const struct metadata_group *best = NULL;
    for (unsigned i = 1; i < metadata_group_count(m); i++) {
        const struct metadata_group *to = metadata_group_at(m, i);
        if (metadata_group_serves(to, wish) && metadata_groups_match(from, to) &&
            (best == NULL || to->partition_count < best->partition_count))
            best = to;
    }
    return best;
}

static void tell_impossible(struct broker *b, const struct metadata_topic *t, const char *reason)
{
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (b->topics_told_at_ms != 0 && now_ms - b->topics_told_at_ms < TELL_MS)
        return;
    b->topics_told_at_ms = now_ms;
    event_warn("topic_waits_for_group", "topic=%s reason=\"%s\"", t->name, reason);
}

static void add_group(struct drive *d, const struct metadata_topic *t,
                      const struct metadata_wish *wish, const struct metadata_group *from)
{
    static _Thread_local struct placement now;
    struct metadata_group group;
    struct err_note note = {0};
    struct metadata_change change = {.kind = METADATA_GROUP_ADD,
                                     .groups = &group,
                                     .group_count = 1,
                                     .placement_version = metadata_placement_version(d->m)};
    placement_of(d->m, &now);
    if (placement_new_group(&now, wish, from, &group, &note) != 0) {
        tell_impossible(d->broker, t, note.text);
        return;
    }
    event_info("group_added", "group=%u replication=%s home_site=%s nodes=%u learners=%u",
               group.group_id, group.mode == METADATA_ASYNC ? "async" : "sync", group.home_site,
               group.node_count, group.learner_count);
    maintain_propose_metadata(d->group_zero, &change);
    d->is_adding = true;
}

static void start_move(struct drive *d, const struct metadata_topic *t, int32_t partition,
                       const struct metadata_group *to)
{
    struct metadata_change change = {.kind = METADATA_MOVE};
    memcpy(change.id, t->id, sizeof change.id);
    change.move.step = METADATA_MOVE_START;
    change.move.partition = partition;
    change.move.group_id = to->group_id;
    maintain_propose_metadata(d->group_zero, &change);
    d->room--;
}

static void drive_partition(struct drive *d, const struct metadata_topic *t, int32_t partition,
                            const struct metadata_wish *wish)
{
    uint32_t group_id = t->partitions[partition].group_id;
    const struct metadata_group *from = metadata_group_at(d->m, group_id); /* no id is missing */
    if (metadata_group_serves(from, wish))
        return;
    d->waiting_count++;
    if (d->is_adding || d->room == 0 || metadata_move_of(d->m, t->id, partition) != NULL)
        return;
    const struct metadata_group *to = target(d->m, from, wish);
    if (to == NULL)
        add_group(d, t, wish, from);
    else if (metadata_move_check(d->m, t, partition, to->group_id) == 0 &&
             !node_drive_is_moving(d->broker, from) && !node_drive_is_moving(d->broker, to) &&
             are_voters_near(d->broker, from, to))
        start_move(d, t, partition, to);
}

static void drive_topic(void *data, const struct metadata_topic *t)
{
    struct drive *d = data;
    struct metadata_wish wish;
    metadata_topic_wish(t, &wish);
    for (int32_t i = 0; !t->is_internal && i < t->partition_count; i++)
        drive_partition(d, t, i, &wish);
}

void topic_drive(struct broker_group *g)
{
    struct broker *b = g->broker;
    uint64_t now_ms = clock_now_ms(&b->clock), version = metadata_version(b->metadata);
    unsigned moving = metadata_move_count(b->metadata);
    assert(g->group_id == 0);
    if (!machine_is_ready(g->machine) || version == b->topics_settled_version ||
        (version == b->topics_driven_version && now_ms - b->topics_driven_at_ms < AGAIN_MS))
        return;
    struct drive d = {.group_zero = g,
                      .broker = b,
                      .m = b->metadata,
                      .room = moving < MOVES_MAX ? MOVES_MAX - moving : 0};
    metadata_each_topic(b->metadata, drive_topic, &d);
    if (d.waiting_count != b->topics_waiting)
        event_info("topics_change_groups", "partitions=%llu moving=%u",
                   (unsigned long long)d.waiting_count, moving);
    b->topics_waiting = d.waiting_count;
    b->topics_driven_version = version;
    b->topics_driven_at_ms = now_ms;
    if (d.waiting_count == 0)
        b->topics_settled_version = version;
}
