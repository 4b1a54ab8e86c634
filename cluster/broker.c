/* Look-ups that requests make of the node. */
#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "topic_config.h"

_Static_assert(CONF_RAFT_GROUPS_MAX + 1 == METADATA_GROUPS_MAX, "settings allow what there can be");

#define ELECTION_MS_MAX 700 /* since a leader was last heard: its successor is near */

static bool is_listed(const uint32_t *node_ids, unsigned count, uint32_t node_id)
{
    for (unsigned i = 0; i < count; i++)
        if (node_ids[i] == node_id)
            return true;
    return false;
}

unsigned broker_node_ids(struct broker *b, uint32_t node_ids[METADATA_NODES_MAX])
{
    unsigned count = 0;
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const struct metadata_node *node = metadata_node_at(b->metadata, i);
        if (node->state != METADATA_NODE_GONE && node->node_id != (uint32_t)b->conf.node_id)
            node_ids[count++] = node->node_id;
    }
    for (unsigned i = 0; i < b->conf.nodes.count && count < METADATA_NODES_MAX; i++) {
        uint32_t node_id = b->conf.nodes.entries[i].id;
        if (node_id != (uint32_t)b->conf.node_id && !is_listed(node_ids, count, node_id) &&
            metadata_node_by_id(b->metadata, node_id) == NULL)
            node_ids[count++] = node_id;
    }
    metadata_read_unlock(b->metadata);
    return count;
}

struct broker_group *broker_group(struct broker *b, uint32_t group_id)
{
    return group_id < b->group_count ? b->groups[group_id] : NULL;
}

void broker_group_post(struct broker_group *g, struct work_item *item, work_cb run)
{
    shard_post(g->shard, item, run);
}

uint32_t broker_group_leader(struct broker *b, uint32_t group_id, uint64_t *term)
{
    struct repl_leader leader;
    if (!repl_node_leader(b->node, group_id, &leader))
        return 0;
    if (term != NULL)
        *term = leader.term;
    return leader.node_id;
}

bool broker_group_is_electing(struct broker *b, uint32_t group_id)
{
    struct repl_leader leader;
    return group_id < b->group_count && !repl_node_leader(b->node, group_id, &leader) &&
           leader.heard_ns != 0 &&
           clock_now_ns(&b->clock) - leader.heard_ns < ELECTION_MS_MAX * 1000000ull;
}

int broker_find_partition(struct broker *b, const char *topic, size_t topic_size, int32_t partition,
                          struct broker_place *place)
{
    int err = ERR_NOT_FOUND;
    metadata_read_lock(b->metadata);
    const struct metadata_topic *t = metadata_topic_by_name(b->metadata, topic, topic_size);
    if (t != NULL && partition >= 0 && partition < t->partition_count) {
        struct topic_settings settings;
        topic_settings_of(t, &b->conf, &settings);
        memcpy(place->topic_id, t->id, sizeof place->topic_id);
        place->group_id = t->partitions[partition].group_id;
        place->number = t->partitions[partition].number;
        place->is_internal = t->is_internal;
        place->is_deleted = settings.is_deleted;
        place->is_compacted = settings.is_compacted;
        const struct metadata_group *group = metadata_group_at(b->metadata, place->group_id);
        bool is_async = group != NULL && group->mode == METADATA_ASYNC;
        place->min_insync_replicas = is_async ? 1 : settings.min_insync_replicas;
        place->max_message_bytes = settings.max_message_bytes;
        place->is_log_append_time = settings.is_log_append_time;
        err = 0;
    }
    metadata_read_unlock(b->metadata);
    return err;
}
