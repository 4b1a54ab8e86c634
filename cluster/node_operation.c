/* The list of nodes, from this node's copy of group 0 and what leaders tell. */
#include "node_operation.h"

#include <string.h>

#include "level.h"

static void count_group(struct broker *b, const struct metadata_group *group,
                        struct node_list *list)
{
    uint32_t leader = broker_group_leader(b, group->group_id, NULL);
    for (unsigned i = 0; i < list->count; i++) {
        struct node_view *v = &list->nodes[i];
        uint32_t id = v->node.node_id;
        for (unsigned k = 0; k < group->node_count; k++) {
            v->wanted_count += group->node_ids[k] == id;
            v->voter_count += group->node_ids[k] == id;
        }
        v->level_count += level_is_in_sync(b, group->group_id, id);
        v->leader_count += leader == id;
        v->preferred_count += group->preferred_node_id == id;
    }
}

void node_operation_list(struct broker *b, struct node_list *list)
{
    memset(list, 0, sizeof *list);
    metadata_read_lock(b->metadata);
    list->count = metadata_node_count(b->metadata);
    for (unsigned i = 0; i < list->count; i++) {
        struct node_view *v = &list->nodes[i];
        v->node = *metadata_node_at(b->metadata, i);
        v->is_alive = v->node.node_id == (uint32_t)b->conf.node_id ||
                      repl_node_is_alive(b->node, v->node.node_id);
    }
    list->group_count = metadata_group_count(b->metadata);
    for (unsigned i = 0; i < list->group_count; i++)
        count_group(b, metadata_group_at(b->metadata, i), list);
    metadata_read_unlock(b->metadata);
}
