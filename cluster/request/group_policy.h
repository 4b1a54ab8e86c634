/* A consumer group's policy: its names, and IncrementalAlterConfigs of it. */
#ifndef CLUSTER_REQUEST_GROUP_POLICY_H
#define CLUSTER_REQUEST_GROUP_POLICY_H

#include "cluster/group_entry.h"
#include "conf/conf.h"
#include "request/change_list.h"

#define GROUP_POLICY_CONFIG "trilog.commit.policy" /* guard, deny or allow */

/* "default", "guard", "deny", "allow". */
const char *group_policy_name(enum group_policy policy);
/* False when the text is none of them. */
bool group_policy_find(struct kafka_string text, enum group_policy *policy);
/* Of a node's setting, an enum conf_commit_policy: what holds for groups without a policy of their
 * own. */
enum group_policy group_policy_of_setting(int setting);

/* Begins what is asked of the resource, which is a group, at its coordinator, which must be this
 * node: it is part of the list, that is answered when all is done. Where it is only to be checked,
 * nothing is begun. */
void group_policy_alter(struct change_list *list,
                        const struct kafka_incremental_alter_configs_request_resource *from,
                        bool validate_only,
                        struct kafka_incremental_alter_configs_response_resource *answer);

#endif
