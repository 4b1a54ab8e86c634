/* Which node of a raft group should lead: a function of the group's id and its voters, so that all
 * nodes compute the same without a word.
 *
 * Groups go round the nodes. Those of one node must not all fall to the same neighbour when it is
 * lost, so the round of successors starts elsewhere for each of them. With voters a, b, c:
 *
 *   group  0    1    2    3    4    5    6 ...
 *   order  acb  bca  cba  abc  bac  cab  acb
 *
 * Successors go from the last node down: those that lead the groups left over are the first.
 * Whichever of three nodes is lost, the counts of leaders on the two others differ by one at
 * most. */
#include "leader_order.h"

#include <stdlib.h>
#include <string.h>

#include "replication/group.h"

static int by_number(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

void leader_order(uint32_t group_id, uint32_t preferred, uint32_t *node_ids, unsigned count)
{
    uint32_t rest[REPL_MEMBERS_MAX];
    unsigned first = count > 0 ? group_id % count : 0, rest_count = 0;
    if (count < 2)
        return;
    qsort(node_ids, count, sizeof *node_ids, by_number);
    for (unsigned i = 0; i < count; i++)
        if (node_ids[i] == preferred)
            first = i;
    preferred = node_ids[first];
    for (unsigned i = count; i-- > 0;)
        if (i != first)
            rest[rest_count++] = node_ids[i];
    node_ids[0] = preferred;
    for (unsigned i = 0; i < rest_count; i++)
        node_ids[1 + i] = rest[(group_id / count + i) % rest_count];
}
