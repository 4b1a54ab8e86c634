/* Replicas that a client asks for by node. They go by raft group, and each group is on all voters:
 * an assignment is accepted where it says just that, and refused where it would not come true. */
#ifndef CLUSTER_REQUEST_PLACEMENT_H
#define CLUSTER_REQUEST_PLACEMENT_H

#include <stdbool.h>

#include "cluster/metadata.h"

/* Are these the group's nodes, each once, in any order? */
static inline bool placement_is_everywhere(const struct metadata_group *group,
                                           const int32_t *node_ids, int32_t count)
{
    if (count < 0 || (unsigned)count != group->node_count)
        return false;
    for (unsigned i = 0; i < group->node_count; i++) {
        bool is_named = false;
        for (int32_t k = 0; k < count; k++)
            is_named |= node_ids[k] == (int32_t)group->node_ids[i];
        if (!is_named)
            return false;
    }
    return true;
}

#endif
