/* One visit to the shard of a consumer group's raft group, which builds an answer there, and back.
 *
 * What it looks at is applied state, so any node with a replica of the group's partition can tell
 * it, also while no coordinator is there to ask. */
#ifndef CLUSTER_ADMIN_CONSUMER_GROUP_VISIT_H
#define CLUSTER_ADMIN_CONSUMER_GROUP_VISIT_H

#include "admin/admin_parts.h"
#include "cluster/consumer_table.h"

struct group_visit;
/* On the shard. `table` is NULL when the partition is not open there, and of a cluster where no
 * group was ever looked for (then it runs on the port's thread). Returned owned; NULL: there was no
 * memory. */
typedef json_t *(*group_visit_cb)(const struct group_visit *v, const struct consumer_table *table);

struct group_visit {
    struct admin *admin;
    struct admin_call *call; /* NULL once it was answered */
    struct shard *call_shard;
    struct broker *broker;
    struct broker_group *group; /* NULL: of a cluster where no group was ever looked for */
    struct broker_place place;
    const char *group_id; /* owned */
    group_visit_cb look;
    int wanted;   /* for `look` */
    json_t *json; /* what it found */
    bool is_back, is_timer_closed;
    struct work_item item;
    uv_timer_t timer;
};

/* Answers the call with what `look` finds of the group, or refuses it: as when this node keeps no
 * replica of it. */
void group_visit(struct admin_call *call, const char *group_id, group_visit_cb look, int wanted);
/* The same of the group that the query names: "?group=G", and nothing else. */
void group_visit_asked(struct admin_call *call, group_visit_cb look);

/* False: the call was refused, for no group can have that id. */
bool group_visit_allows(struct admin_call *call, const char *group_id);

/* Wall clock of the newest entry that it tells of. */
int64_t group_visit_as_of_ms(const struct group_visit *v);
/* Who tells it, and as of when: {"group", "node_id", "is_coordinator", "as_of_ms"}. */
json_t *group_visit_head(const struct group_visit *v);

#endif
