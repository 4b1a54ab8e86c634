/* The inside of a coordinator; shared by its files only. */
#ifndef CLUSTER_CONSUMER_COORDINATOR_PARTS_H
#define CLUSTER_CONSUMER_COORDINATOR_PARTS_H

#include "base/event_pace.h"
#include "cluster/consumer_table.h"
#include "cluster/live_group.h"
#include "consumer/coordinator.h"

struct commit_wait_list {
    struct commit_wait *first; /* the earliest deadline */
    struct commit_wait **last; /* where the next one is put; NULL before the first ever */
};

struct coordinator {
    struct broker_group *group;
    struct group_set *groups;        /* those with members, while this node leads */
    struct commit_wait_list commits; /* whose entries are under way */
    uint32_t swept_number;           /* partition that was swept last */
    uint64_t swept_at_ms;
    struct event_pace rebalance_pace;
};

/* NULL when the partition is not open here or carries no consumer groups. */
const struct consumer_table *coordinator_table(struct coordinator *c, uint32_t partition_number);

/* Proposes a copy of the body; `done` runs once, later. Or an error: no `done`. */
int coordinator_propose(struct coordinator *c, uint32_t partition_number, struct bytes body,
                        group_proposal_cb done, void *done_data);

/* The same of a commit: `done` gets what became of its offsets, too (commit_detail_read), borrowed
 * and empty without a success. */
typedef void (*coordinator_commit_cb)(void *done_data, int status, struct bytes detail);
int coordinator_propose_commit(struct coordinator *c, uint32_t partition_number, struct bytes body,
                               coordinator_commit_cb done, void *done_data);

/* sweep.c: expired offsets, offsets of deleted topics, groups with nothing left. One partition a
 * time, every few seconds, on the leader. */
void coordinator_sweep(struct coordinator *c);

#endif
