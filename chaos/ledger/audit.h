/* What is stored for a group, asked through one node: who coordinates, says that node; what is
 * stored, says who was named. A user behind any broker must be told the same. */
#ifndef LEDGER_AUDIT_H
#define LEDGER_AUDIT_H

#include "options.h"
#include "process.h"
#include "wire.h"

struct audit {
    struct process *process;
    const char *topic;
    int32_t partition_count, node_id; /* node_id -1: not known */
    struct wire_connection asked, coordinator;
    uint64_t *ids; /* by partition: its operation under way, or 0 */
    const char *group;
};

/* Returns NULL without memory; audit_destroy() frees it. */
struct audit *audit_create(struct process *process, const struct options_node *node,
                           const char *topic, int32_t partition_count);
void audit_destroy(struct audit *audit);

/* Asks and notes all partitions. Returns -1 when there was no answer; that is noted too. */
int audit_group(struct audit *audit, const char *group, int timeout_ms);

#endif
