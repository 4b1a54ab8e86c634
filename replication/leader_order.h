/* Which node of a raft group should lead, and who after it. */
#ifndef REPLICATION_LEADER_ORDER_H
#define REPLICATION_LEADER_ORDER_H

#include <stdint.h>

/* Sorts the voters' node ids: where leadership belongs first, then who follows when that node is
 * lost, and so on. `preferred` is 0, or goes first where it is among them. */
void leader_order(uint32_t group_id, uint32_t preferred, uint32_t *node_ids, unsigned count);

#endif
