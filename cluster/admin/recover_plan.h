/* What a forced recovery on this node would lose, and whether it may be begun. On the port's
 * thread, from a survey with its look (recover_look.h). */
#ifndef CLUSTER_ADMIN_RECOVER_PLAN_H
#define CLUSTER_ADMIN_RECOVER_PLAN_H

#include "admin/recover_look.h"
#include "membership/recovery_loss.h"

struct recover_plan {
    const char *survivor;
    struct broker *broker;
    const struct survey *survey;
    const struct recover_look *look;
    unsigned group_count; /* those that would be recovered here, by rising id */
    uint32_t group_ids[METADATA_GROUPS_MAX];
    struct recover_loss losses[METADATA_GROUPS_MAX]; /* by the same place */
    struct recover_loss total;                       /* the earliest instant, the sums */
    bool is_agreed;      /* group 0 has a majority: it is the one that orders it */
    const char *refusal; /* a code; NULL: it may be begun */
    char why[256];       /* ... in words */
};

/* `wanted`: of which groups only, or NULL for all that have lost their majority. */
void recover_plan_make(struct recover_plan *plan, const json_t *wanted);
/* Where it stands among `group_ids`; -1: it is not recovered here. */
int recover_plan_place(const struct recover_plan *plan, uint32_t group_id);
/* Owned; NULL without memory. */
json_t *recover_plan_json(const struct recover_plan *plan);

#endif
