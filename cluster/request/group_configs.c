/* A consumer group has one config, its policy for commits (`offsets.md`).
 *
 * Tools ask any node for it, as they do with Kafka, and each knows it that has a replica of the
 * partition where the group lives: so it is read there, without asking the coordinator. A group
 * that is not there yet has what holds for all. */
#include "request/group_configs.h"

#include "cluster/consumer_table.h"
#include "consumer/coordinator.h"
#include "error_code.h"
#include "request/group_policy.h"
#include "request/text.h"

#define SOURCE_STATIC  4
#define SOURCE_DEFAULT 5
#define SOURCE_GROUP   8
#define TYPE_STRING    2
#define SETTING        "commit_policy"
#define MEANING                                                                                    \
    "What a consumer's commit may lower. guard: what the consumer itself has committed; deny: "    \
    "nothing, it is refused; allow: anything."

static void refuse(struct group_configs *c, int16_t error_code, const char *why)
{
    c->into->error_code = error_code;
    c->into->error_message = text_copy(c->request, why);
}

/* ---- the answer ---- */

static void add_synonym(struct group_configs *c,
                        struct kafka_describe_configs_response_config *config, const char *name,
                        enum group_policy policy, int8_t source)
{
    struct kafka_describe_configs_response_synonym *synonym =
        &config->synonyms[config->synonyms_count++];
    kafka_describe_configs_response_synonym_init(synonym);
    synonym->name = text_copy(c->request, name);
    synonym->value = text_copy(c->request, group_policy_name(policy));
    synonym->source = source;
}

static void fill(struct group_configs *c, struct kafka_describe_configs_response_config *config)
{
    struct request *r = c->request;
    const struct kafka_describe_configs_request *message = r->message;
    const struct conf_settings *conf = &r->broker->conf;
    enum group_policy own = (enum group_policy)c->policy;
    enum group_policy inherited = group_policy_of_setting((int)conf->commit_policy);
    int8_t inherited_from = conf->lines[CONF_ID_commit_policy] != 0 ? SOURCE_STATIC
                                                                    : SOURCE_DEFAULT;
    bool has_own = own != GROUP_POLICY_DEFAULT;
    kafka_describe_configs_response_config_init(config);
    config->name = text_copy(r, GROUP_POLICY_CONFIG);
    config->value = text_copy(r, group_policy_name(has_own ? own : inherited));
    config->config_source = has_own ? SOURCE_GROUP : inherited_from;
    config->config_type = TYPE_STRING;
    if (message->include_documentation)
        config->documentation = text_copy(r, MEANING);
    config->synonyms = request_array(r, 2, sizeof *config->synonyms);
    if (!message->include_synonyms || config->synonyms == NULL)
        return;
    if (has_own)
        add_synonym(c, config, GROUP_POLICY_CONFIG, own, SOURCE_GROUP);
    add_synonym(c, config, SETTING, inherited, inherited_from);
}

static bool is_wanted(const struct kafka_describe_configs_request_resource *from)
{
    for (int32_t i = 0; i < from->configuration_keys_count; i++)
        if (kafka_string_is_text(from->configuration_keys[i], GROUP_POLICY_CONFIG))
            return true;
    return from->configuration_keys_count <= 0; /* null, and as Kafka does it none, mean all */
}

static void finish(struct group_configs *c)
{
    if (!c->is_here) {
        refuse(c, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE,
               "The group does not live on this node: ask its coordinator.");
    } else if (is_wanted(c->from)) {
        c->into->configs = request_array(c->request, 1, sizeof *c->into->configs);
        if (c->into->configs != NULL)
            fill(c, &c->into->configs[c->into->configs_count++]);
    }
    c->done(c);
}

/* ---- on the shard of the group's raft group ---- */

static void on_back(struct work_item *item)
{
    finish(item->data);
}

static void on_there(struct work_item *item)
{
    struct group_configs *c = item->data;
    const struct partition *p = machine_partition(c->group->machine, c->place.number);
    struct consumer_group known;
    c->is_here = p != NULL && p->consumers != NULL;
    if (c->is_here && consumer_table_group(p->consumers, c->from->resource_name, &known))
        c->policy = (int)known.policy;
    request_post_back(c->request, &c->item, on_back);
}

void group_configs_begin(struct group_configs *c)
{
    struct request *r = c->request;
    struct kafka_string id = c->from->resource_name;
    c->policy = (int)GROUP_POLICY_DEFAULT;
    if (id.size <= 0 || id.size > CONSUMER_GROUP_ID_SIZE_MAX) {
        refuse(c, KAFKA_ERROR_INVALID_REQUEST, "The group needs a name.");
        c->done(c);
        return;
    }
    c->item.data = c;
    if (coordinator_place(r->broker, id.data, (size_t)id.size, &c->place) == 0)
        c->group = broker_group(r->broker, c->place.group_id);
    else
        c->is_here = true; /* there is no group yet at all */
    if (c->group == NULL)
        finish(c);
    else
        broker_group_post(c->group, &c->item, on_there);
}
