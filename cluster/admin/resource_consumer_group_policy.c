/* GET /v1/consumer-groups/policy?group=G: what a commit to a group may lower; POST …/set-policy
 * sets that, also before any client has looked for a group.
 *
 * It is applied state, so any replica tells it; it is set at the coordinator, in Kafka's own
 * protocol. */
#include <stdlib.h>
#include <string.h>

#include "admin/ask.h"
#include "admin/consumer_group_visit.h"
#include "admin/coordinator_lookup.h"
#include "admin/route.h"
#include "base/err.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "request/group_policy.h"

#define RESOURCE_GROUP   32
#define OPERATION_SET    0
#define OPERATION_DELETE 1
#define ALTER_VERSION    1

/* ---- what it is ---- */

static enum group_policy policy_here(const struct group_visit *v,
                                     const struct consumer_table *table)
{
    struct consumer_group group = {.policy = GROUP_POLICY_DEFAULT};
    if (table != NULL)
        consumer_table_group(table, kafka_string_of(v->group_id), &group);
    return group.policy;
}

static json_t *look_at_policy(const struct group_visit *v, const struct consumer_table *table)
{
    enum group_policy here = policy_here(v, table);
    enum group_policy otherwise = group_policy_of_setting(v->broker->conf.commit_policy);
    json_t *json = group_visit_head(v);
    json_object_set_new(json, "policy", json_string(group_policy_name(here)));
    json_object_set_new(json, "default_policy", json_string(group_policy_name(otherwise)));
    return json;
}

static json_t *look_at_plan(const struct group_visit *v, const struct consumer_table *table)
{
    return json_pack("{s:b, s:s, s:s, s:s}", "begun", 0, "group", v->group_id, "old_policy",
                     group_policy_name(policy_here(v, table)), "policy",
                     group_policy_name((enum group_policy)v->wanted));
}

void resource_consumer_group_policy(struct admin_call *call)
{
    group_visit_asked(call, look_at_policy);
}

/* ---- a policy is set ---- */

struct policy_change {
    struct coordinator_lookup lookup;
    struct admin_call *call;
    const char *group_id; /* in the call's body */
    enum group_policy policy;
    bool is_plan;
    char who[CALL_WHO_SIZE];
};

static void on_change_abandoned(struct admin_call *call)
{
    struct policy_change *c = call->data;
    coordinator_lookup_cancel(&c->lookup);
    ask_cancel(call->admin, c);
    free(c);
}

static void on_changed(void *data, int status, const void *message)
{
    struct policy_change *c = data;
    const struct kafka_incremental_alter_configs_response *response = message;
    struct admin_call *call = c->call;
    bool is_answer = status == 0 && response->resources_count == 1;
    int16_t error_code = is_answer ? response->resources[0].error_code : 0;
    if (status == ERR_CLOSED)
        call_refuse_err(call, ERR_NOT_LEADER, ask_trouble(status));
    else if (!is_answer || error_code == KAFKA_ERROR_REQUEST_TIMED_OUT)
        call_refuse_err(call, ERR_TIMEOUT, "the group's coordinator gave no answer in time");
    else if (error_code != KAFKA_ERROR_NONE)
        call_refuse_kafka(call, error_code, NULL);
    else
        call_answer_json(call, MHD_HTTP_OK,
                         json_pack("{s:b, s:s, s:s}", "begun", 1, "group", c->group_id, "policy",
                                   group_policy_name(c->policy)));
    free(c);
}

static int ask(struct policy_change *c, uint32_t node_id)
{
    bool is_default = c->policy == GROUP_POLICY_DEFAULT;
    struct kafka_incremental_alter_configs_request_config config = {
        .name = kafka_string_of(GROUP_POLICY_CONFIG),
        .config_operation = is_default ? OPERATION_DELETE : OPERATION_SET,
        .value = is_default ? KAFKA_STRING_NULL : kafka_string_of(group_policy_name(c->policy)),
    };
    struct kafka_incremental_alter_configs_request_resource resource = {
        .resource_type = RESOURCE_GROUP,
        .resource_name = kafka_string_of(c->group_id),
        .configs = &config,
        .configs_count = 1,
    };
    struct kafka_incremental_alter_configs_request request = {.resources = &resource,
                                                              .resources_count = 1};
    struct ask_question question = {
        .node_id = node_id,
        .api = KAFKA_API_INCREMENTAL_ALTER_CONFIGS,
        .version = ALTER_VERSION,
        .message = &request,
        .client_id = c->who,
        .timeout_ms = ASK_CHANGE_MS_MAX,
        .owner = c,
    };
    return ask_send(c->call->admin, c->call->broker, &question, on_changed, c);
}

/* False: the call was refused. */
static bool read_change(struct policy_change *c)
{
    static const char *const allowed[] = {"group", "policy", "by", "plan"};
    const char *policy;
    if (!call_allows_fields(c->call, allowed, 4) ||
        !call_field_text(c->call, "group", &c->group_id) ||
        !call_field_text(c->call, "policy", &policy) ||
        !call_field_who(c->call, "policy", c->who) ||
        !call_field_flag(c->call, "plan", &c->is_plan))
        return false;
    if (group_policy_find(kafka_string_of(policy), &c->policy))
        return true;
    call_refuse(c->call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                "'policy' must be guard, deny, allow or default");
    return false;
}

static void on_coordinator(struct coordinator_lookup *lookup, uint32_t node_id)
{
    struct policy_change *c = lookup->data;
    int err = node_id == 0 ? 0 : ask(c, node_id);
    if (node_id != 0 && err == 0)
        return;
    if (err != 0)
        call_refuse_err(c->call, err, ask_trouble(err));
    free(c);
}

static void begin_change(struct policy_change *c)
{
    if (!group_visit_allows(c->call, c->group_id)) {
        free(c);
        return;
    }
    c->call->data = c;
    c->call->on_abandoned = on_change_abandoned;
    c->lookup = (struct coordinator_lookup){.data = c, .call = c->call, .group_id = c->group_id};
    coordinator_lookup_start(&c->lookup, on_coordinator);
}

void resource_consumer_group_policy_set(struct admin_call *call)
{
    struct policy_change *c = calloc(1, sizeof *c);
    if (c == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    c->call = call;
    if (!read_change(c)) {
        free(c);
    } else if (c->is_plan) {
        group_visit(call, c->group_id, look_at_plan, (int)c->policy);
        free(c);
    } else {
        begin_change(c);
    }
}
