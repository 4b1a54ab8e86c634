/* What a forced recovery of a replica would lose, reckoned from what the replica knows. Pure. */
#ifndef CLUSTER_MEMBERSHIP_RECOVERY_LOSS_H
#define CLUSTER_MEMBERSHIP_RECOVERY_LOSS_H

#include "replication/group.h"

struct recover_loss {
    uint64_t entries, records,
        bytes;              /* known to be lost: the leader had them, this replica has not */
    bool is_at_most;        /* records and bytes: what is not applied here is not counted */
    int64_t known_until_ms; /* by the leader's clock: all acknowledged before is here; 0:
                               nobody knows */
    unsigned unknown_count; /* of a sum: groups of which nobody knows, left out of the instants */
    int64_t heard_ms; /* this node's clock, when it last heard of the leader, or led; 0: never */
};

struct recovery_view {
    const struct repl_group_status *status;
    struct repl_heard kept;  /* as the WAL has it (repl_heard_read), all 0 when it has nothing */
    int64_t applied_wall_ms; /* its leader's clock in the last entry applied here; 0: none */
    uint64_t now_ms;         /* this node's clocks */
    int64_t wall_ms;
};

/* What was heard since the start or, when that is nothing, what the WAL kept. */
struct repl_heard recovery_heard(const struct recovery_view *view);
struct recover_loss recovery_loss_of(const struct recovery_view *view);
/* Adds a group's to the sum over all. */
void recovery_loss_add(struct recover_loss *sum, const struct recover_loss *loss);

#endif
