/* A consumer group's own policy, as Kafka sets configs of groups (resource type GROUP).
 *
 * It is an entry of the group, so it goes to the group's coordinator; asked of another node it is
 * NOT_COORDINATOR. `trilog group policy` finds the coordinator and asks the same. */
#include "request/group_policy.h"

#include <stdlib.h>

#include "base/err.h"
#include "consumer/commit_wait.h"
#include "consumer/group_call.h"
#include "protocol/error.h"
#include "request/text.h"
#include "state/byte_list.h"

#define OPERATION_SET    0
#define OPERATION_DELETE 1

struct alteration {
    struct group_call call; /* first: the call is cast */
    struct change_list *list;
    struct kafka_incremental_alter_configs_response_resource *answer;
    struct group_policy_change change;
};

static const char *const names[GROUP_POLICY_COUNT] = {[GROUP_POLICY_DEFAULT] = "default",
                                                      [GROUP_POLICY_GUARD] = "guard",
                                                      [GROUP_POLICY_DENY] = "deny",
                                                      [GROUP_POLICY_ALLOW] = "allow"};

const char *group_policy_name(enum group_policy policy)
{
    return names[policy];
}

bool group_policy_find(struct kafka_string text, enum group_policy *policy)
{
    for (unsigned i = 0; i < GROUP_POLICY_COUNT; i++)
        if (kafka_string_is_text(text, names[i])) {
            *policy = (enum group_policy)i;
            return true;
        }
    return false;
}

enum group_policy group_policy_of_setting(int setting)
{
    static const enum group_policy policies[] = {
        [CONF_COMMIT_GUARD] = GROUP_POLICY_GUARD,
        [CONF_COMMIT_DENY] = GROUP_POLICY_DENY,
        [CONF_COMMIT_ALLOW] = GROUP_POLICY_ALLOW,
    };
    return policies[setting];
}

/* ---- it is set ---- */

static void refuse(struct request *r,
                   struct kafka_incremental_alter_configs_response_resource *answer,
                   int16_t error_code, const char *why)
{
    answer->error_code = error_code;
    answer->error_message = text_copy(r, why);
}

static void finish(struct group_call *call)
{
    struct alteration *a = (struct alteration *)call;
    if (call->error_code != KAFKA_ERROR_NONE)
        refuse(call->request, a->answer, call->error_code, kafka_error_text(call->error_code));
    change_list_end(a->list);
}

static void on_applied(void *data, int16_t error_code, struct bytes detail)
{
    (void)detail;
    group_call_done(data, error_code);
}

static void run(struct group_call *call)
{
    struct alteration *a = (struct alteration *)call;
    struct byte_list body = {0};
    group_policy_put(&body, a->answer->resource_name, &a->change);
    if (body.is_failed)
        group_call_done(call, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    else
        commit_wait_begin(call->group->coordinator, call->place.number,
                          bytes_of(body.data, body.size), on_applied, call);
    free(body.data);
}

/* False when the config is not one policy, set or deleted. */
static bool read_policy(const struct kafka_incremental_alter_configs_request_resource *from,
                        enum group_policy *policy)
{
    if (from->configs_count != 1 ||
        !kafka_string_is_text(from->configs[0].name, GROUP_POLICY_CONFIG))
        return false;
    *policy = GROUP_POLICY_DEFAULT;
    if (from->configs[0].config_operation == OPERATION_DELETE)
        return true;
    return from->configs[0].config_operation == OPERATION_SET &&
           group_policy_find(from->configs[0].value, policy) && *policy != GROUP_POLICY_DEFAULT;
}

void group_policy_alter(struct change_list *list,
                        const struct kafka_incremental_alter_configs_request_resource *from,
                        bool validate_only,
                        struct kafka_incremental_alter_configs_response_resource *answer)
{
    struct request *r = list->request;
    struct alteration *a = request_allocate(r, sizeof *a);
    enum group_policy policy;
    if (a == NULL || !read_policy(from, &policy)) {
        refuse(r, answer, KAFKA_ERROR_INVALID_CONFIG,
               "A group has one config, " GROUP_POLICY_CONFIG ": guard, deny or allow.");
        return;
    }
    if (validate_only)
        return;
    a->list = list;
    a->answer = answer;
    a->change = (struct group_policy_change){.policy = policy, .actor = group_actor_of(r)};
    list->pending++;
    group_call_send(&a->call, r, from->resource_name, run, finish);
}
