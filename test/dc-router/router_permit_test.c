/* Who may do what through a router, and how the others are told. */
#include <string.h>

#include "protocol/error.h"
#include "router/handlers.h"
#include "router_requests.h"
#include "router_stage.h"

#define SETTINGS                                                                                   \
    "environment: production\n"                                                                    \
    "environments:\n"                                                                              \
    "  - {environment: test, client_ids: \"test-*, ci\"}\n"                                        \
    "  - {environment: test, addresses: \"10.9.0.0/16, 127.0.0.9\"}\n"
#define RULES                                                                                      \
    "allow:\n"                                                                                     \
    "  - {client_ids: \"writer-*\", topics: \"t, made-*\", groups: \"own-*\"}\n"                   \
    "  - {client_ids: \"root\", topics: \"*\", groups: \"*\", admin: true}\n"                      \
    "  - {client_ids: \"far\", addresses: \"10.0.0.0/8\", topics: \"*\"}\n"

static void open_with(const char *settings, const char *id)
{
    open_world_with(settings);
    client.id = id;
}

TestSuite(router_permit, .fini = close_world);

static unsigned calls(void)
{
    unsigned count = 0;
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        count += count_at(id);
    return count;
}

/* ---- requests ---- */

static int16_t produced(const char *name)
{
    world_send_batch(&client, name, 5000);
    const struct kafka_produce_response *got = world_batch_answer(&client);
    return got == NULL ? INT16_MAX : got->topics[0].partitions[0].error_code;
}

static int16_t fetched(const char *name)
{
    struct kafka_fetch_request_partition partition;
    kafka_fetch_request_partition_init(&partition);
    world_send_fetch(&client, name, 500, &partition, 1);
    const struct kafka_fetch_response *got = world_fetch_answer(&client);
    return got == NULL ? INT16_MAX : got->topics[0].partitions[0].error_code;
}

static int16_t listed(const char *name)
{
    struct kafka_list_offsets_request_partition partition;
    kafka_list_offsets_request_partition_init(&partition);
    world_send_list_offsets(&client, name, &partition, 1);
    const struct kafka_list_offsets_response *got = world_list_offsets_answer(&client);
    return got == NULL ? INT16_MAX : got->topics[0].partitions[0].error_code;
}

static int16_t coordinated(const char *group)
{
    world_send_find_coordinator(&client, group);
    const struct kafka_find_coordinator_response *got = world_coordinator_answer(&client);
    return got == NULL ? INT16_MAX : got->error_code;
}

static int16_t committed(const char *group)
{
    world_send_commit(&client, group, 0);
    const struct kafka_offset_commit_response *got = world_commit_answer(&client);
    return got == NULL ? INT16_MAX : got->topics[0].partitions[0].error_code;
}

static int16_t created(const char *name)
{
    struct kafka_create_topics_request m;
    struct kafka_create_topics_request_topic topic;
    kafka_create_topics_request_init(&m);
    kafka_create_topics_request_topic_init(&topic);
    topic.name = kafka_string_of(name);
    m.topics = &topic;
    m.topics_count = 1;
    world_send(&client, KAFKA_API_CREATE_TOPICS, 4, &m);
    const struct kafka_create_topics_response *got = world_answer(&client, KAFKA_API_CREATE_TOPICS,
                                                                  4);
    return got == NULL ? INT16_MAX : got->topics[0].error_code;
}

static int16_t inited(void)
{
    struct kafka_init_producer_id_request m;
    kafka_init_producer_id_request_init(&m);
    m.transactional_id = KAFKA_STRING_NULL;
    world_send(&client, KAFKA_API_INIT_PRODUCER_ID, 1, &m);
    const struct kafka_init_producer_id_response *got = world_answer(&client,
                                                                     KAFKA_API_INIT_PRODUCER_ID, 1);
    return got == NULL ? INT16_MAX : got->error_code;
}

static void ask_metadata(const char *first, const char *second)
{
    struct kafka_metadata_request m;
    struct kafka_metadata_request_topic topics[2];
    kafka_metadata_request_init(&m);
    for (int i = 0; i < 2; i++) {
        kafka_metadata_request_topic_init(&topics[i]);
        topics[i].name = kafka_string_of(i == 0 ? first : second);
    }
    m.topics = topics;
    m.topics_count = second == NULL ? 1 : 2;
    world_send(&client, KAFKA_API_METADATA, 9, &m);
}

/* A node tells of "t" and "hidden". */
static void answer_metadata(int32_t node, unsigned n)
{
    struct kafka_metadata_response m;
    struct kafka_metadata_response_topic topics[2];
    kafka_metadata_response_init(&m);
    for (int i = 0; i < 2; i++)
        kafka_metadata_response_topic_init(&topics[i]);
    topics[0].name = kafka_string_of("t");
    topics[1].name = kafka_string_of("hidden");
    m.topics = topics;
    m.topics_count = 2;
    world_node_answer(&w, node, n, &m);
}

/* ---- environments ---- */

static void assert_shut_out(void)
{
    cr_assert_eq(produced("t"), KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(fetched("t"), KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(listed("t"), KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(committed("g"), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(created("t"), KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_eq(inited(), KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_eq(calls(), 0, "no node has heard of it");
    cr_assert_gt(w.shard.counts.troubles[TROUBLE_NOT_ALLOWED], 6);
}

Test(router_permit, a_client_of_another_environment_is_refused_by_its_id)
{
    open_with(SETTINGS, "test-runner");
    assert_shut_out();
    client.id = "ci";
    assert_shut_out();
}

Test(router_permit, a_client_of_another_environment_is_refused_by_its_address)
{
    open_with("environments:\n  - {environment: test, addresses: \"127.0.0.0/8\"}\n", "orders");
    assert_shut_out();
}

Test(router_permit, others_are_of_the_routers_own_environment)
{
    open_with(SETTINGS, "testing");
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_NONE);
    cr_assert_eq(produced("t"), INT16_MAX, "it waits for the node");
    cr_assert_eq(calls(), 1);
    cr_assert_eq(w.shard.counts.troubles[TROUBLE_NOT_ALLOWED], 0);
}

Test(router_permit, the_first_environment_that_fits_decides)
{
    open_with("environments:\n  - {environment: production, client_ids: \"test-bench\"}\n"
              "  - {environment: test, client_ids: \"test-*\"}\n",
              "test-bench");
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_NONE);
    client.id = "test-other";
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
}

Test(router_permit, a_client_that_says_another_environment_is_refused_without_any_entry)
{
    open_with("environment: live\n", "orders;environment=test");
    assert_shut_out();
    client.id = "orders;environment=livelier";
    assert_shut_out();
    client.id = "orders;environment=";
    assert_shut_out();
    client.id = "orders;environment=live";
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_NONE);
    client.id = "orders;environment";
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_NONE, "it says nothing");
}

Test(router_permit, what_a_client_says_of_its_environment_counts_before_entries)
{
    open_with("environments:\n  - {environment: test, client_ids: \"test-*\"}\n"
              "  - {environment: production, client_ids: \"orders\"}\n",
              "orders;environment=test");
    assert_shut_out();
    client.id = "test-bench;environment=production";
    cr_assert_eq(coordinated("g"), KAFKA_ERROR_NONE);
}

Test(router_permit, another_environment_gets_nothing_through_in_any_request)
{
    static uint8_t message[4096]; /* zeros: empty texts and lists */
    open_with(SETTINGS, "test-runner");
    for (size_t i = 0; i < kafka_api_count; i++) {
        const struct kafka_api *api = &kafka_apis[i];
        if (router_handler_of(api->key) == NULL || api->key == KAFKA_API_DESCRIBE_CLUSTER ||
            api->key == KAFKA_API_METADATA || api->key == KAFKA_API_PRODUCE)
            continue;
        for (int16_t version = api->version_min; version <= api->version_max; version++) {
            cr_assert_leq(api->request.size, sizeof message);
            world_send(&client, (enum kafka_api_key)api->key, version, message);
            cr_assert_not_null(world_answer(&client, (enum kafka_api_key)api->key, version),
                               "%s %d", api->name, version);
            cr_assert_eq(calls(), 0, "%s %d", api->name, version);
        }
    }
}

Test(router_permit, another_environment_hears_of_no_topic_and_makes_none)
{
    open_with(SETTINGS, "test-runner");
    ask_metadata("t", NULL);
    int32_t node = asked_node();
    const struct kafka_metadata_request *sent = world_call(&w, node, 0)->message;
    cr_assert_eq(sent->topics_count, 0);
    answer_metadata(node, 0);
    const struct kafka_metadata_response *got = world_answer(&client, KAFKA_API_METADATA, 9);
    cr_assert_not_null(got);
    cr_assert_eq(got->brokers_count, 1, "it has somebody to ask");
    cr_assert_eq(got->topics_count, 1);
    cr_assert_eq(got->topics[0].error_code, KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
}

/* ---- rules ---- */

Test(router_permit, with_rules_only_what_one_says_is_allowed)
{
    open_with(RULES, "writer-7");
    cr_assert_eq(produced("other"), KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(fetched("madeup"), KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    cr_assert_eq(committed("foreign"), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(coordinated("own-"), KAFKA_ERROR_NONE);
    cr_assert_eq(created("made-by-me"), KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_eq(calls(), 0);
    cr_assert_eq(produced("t"), INT16_MAX);
    cr_assert_eq(calls(), 1);
}

Test(router_permit, rules_are_of_the_client_id_without_what_it_says_of_its_environment)
{
    open_with(RULES, "root;environment=production");
    cr_assert_eq(created("any"), INT16_MAX);
    cr_assert_eq(calls(), 1);
}

Test(router_permit, a_rule_with_admin_lets_topics_be_made)
{
    open_with(RULES, "root");
    cr_assert_eq(created("any"), INT16_MAX);
    cr_assert_eq(calls(), 1);
}

/* ---- configs ---- */

#define BROKER 4
#define GROUP  32

static int16_t configured(int8_t type, const char *name, const char *config_name)
{
    struct kafka_incremental_alter_configs_request m;
    struct kafka_incremental_alter_configs_request_resource resource;
    struct kafka_incremental_alter_configs_request_config config;
    kafka_incremental_alter_configs_request_init(&m);
    kafka_incremental_alter_configs_request_resource_init(&resource);
    kafka_incremental_alter_configs_request_config_init(&config);
    config.name = kafka_string_of(config_name);
    config.value = kafka_string_of("1");
    resource.resource_type = type;
    resource.resource_name = kafka_string_of(name);
    resource.configs = &config;
    resource.configs_count = 1;
    m.resources = &resource;
    m.resources_count = 1;
    world_send(&client, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, 1, &m);
    const struct kafka_incremental_alter_configs_response *got = world_answer(
        &client, KAFKA_API_INCREMENTAL_ALTER_CONFIGS, 1);
    return got == NULL ? INT16_MAX : got->resources[0].error_code;
}

static int16_t described(int8_t type, const char *name)
{
    struct kafka_describe_configs_request m;
    struct kafka_describe_configs_request_resource resource;
    kafka_describe_configs_request_init(&m);
    kafka_describe_configs_request_resource_init(&resource);
    resource.resource_type = type;
    resource.resource_name = kafka_string_of(name);
    m.resources = &resource;
    m.resources_count = 1;
    world_send(&client, KAFKA_API_DESCRIBE_CONFIGS, 1, &m);
    const struct kafka_describe_configs_response *got = world_answer(&client,
                                                                     KAFKA_API_DESCRIBE_CONFIGS, 1);
    return got == NULL ? INT16_MAX : got->resources[0].error_code;
}

#define KEEPER "allow:\n  - {client_ids: keeper, topics: \"t\", groups: \"own-*\", admin: true}\n"

Test(router_permit, configs_of_a_group_are_for_who_may_work_in_it)
{
    open_with(KEEPER, "keeper");
    cr_assert_eq(described(GROUP, "foreign"), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(configured(GROUP, "foreign", "x"), KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(calls(), 0);
    cr_assert_eq(configured(GROUP, "own-1", "x"), INT16_MAX);
    cr_assert_eq(calls(), 1);
}

Test(router_permit, leaders_are_moved_of_topics_that_one_may_use)
{
    struct kafka_elect_leaders_request m;
    struct kafka_elect_leaders_request_topic topic;
    int32_t partition = 0;
    open_with(KEEPER, "keeper");
    kafka_elect_leaders_request_init(&m);
    kafka_elect_leaders_request_topic_init(&topic);
    topic.name = kafka_string_of("other");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    m.topics = &topic;
    m.topics_count = 1;
    for (int16_t version = 0; version <= 2; version++) { /* the first has no error for all */
        world_send(&client, KAFKA_API_ELECT_LEADERS, version, &m);
        const struct kafka_elect_leaders_response *got = world_answer(
            &client, KAFKA_API_ELECT_LEADERS, version);
        cr_assert(got != NULL && got->topics_count == 1 && got->topics[0].partitions_count == 1);
        cr_assert_eq(got->topics[0].partitions[0].error_code,
                     KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
    }
    cr_assert_eq(calls(), 0);
}

Test(router_permit, who_may_anything_may_tell_what_he_found_of_sites)
{
    open_with(RULES, "writer-7");
    cr_assert_eq(configured(BROKER, "1", "log.retention.ms"),
                 KAFKA_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    cr_assert_eq(calls(), 0);
    cr_assert_eq(configured(BROKER, "1", "trilog.site.report"), INT16_MAX, "libtrilog's word");
    cr_assert_eq(calls(), 1);
}

Test(router_permit, who_is_in_no_rule_may_nothing)
{
    open_with(RULES, "stranger");
    assert_shut_out();
}

Test(router_permit, a_rule_is_for_its_addresses)
{
    open_with(RULES, "far");
    cr_assert_eq(produced("t"), KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
}

Test(router_permit, metadata_shows_what_may_be_used)
{
    open_with(RULES, "writer-7");
    ask_metadata("t", "hidden");
    int32_t node = asked_node();
    const struct kafka_metadata_request *sent = world_call(&w, node, 0)->message;
    cr_assert_eq(sent->topics_count, 1);
    cr_assert(kafka_string_is_text(sent->topics[0].name, "t"));
    answer_metadata(node, 0);
    const struct kafka_metadata_response *got = world_answer(&client, KAFKA_API_METADATA, 9);
    cr_assert_eq(got->topics_count, 2);
    cr_assert(kafka_string_is_text(got->topics[0].name, "t"));
    cr_assert_eq(got->topics[0].error_code, KAFKA_ERROR_NONE);
    cr_assert(kafka_string_is_text(got->topics[1].name, "hidden"));
    cr_assert_eq(got->topics[1].error_code, KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED);
}

Test(router_permit, groups_of_one_question_are_looked_at_each_for_itself)
{
    struct kafka_describe_groups_request m;
    struct kafka_string groups[2] = {kafka_string_of("foreign"), kafka_string_of("own-1")};
    open_with(RULES, "writer-7");
    kafka_describe_groups_request_init(&m);
    m.groups = groups;
    m.groups_count = 2;
    world_send(&client, KAFKA_API_DESCRIBE_GROUPS, 4, &m);
    const struct kafka_describe_groups_request *sent = world_call(&w, 1, 0)->message;
    cr_assert_eq(sent->groups_count, 1);
    cr_assert(kafka_string_is_text(sent->groups[0], "own-1"));
    struct kafka_describe_groups_response answer;
    struct kafka_describe_groups_response_group group;
    kafka_describe_groups_response_init(&answer);
    kafka_describe_groups_response_group_init(&group);
    group.group_id = groups[1];
    answer.groups = &group;
    answer.groups_count = 1;
    world_node_answer(&w, 1, 0, &answer);
    const struct kafka_describe_groups_response *got = world_answer(&client,
                                                                    KAFKA_API_DESCRIBE_GROUPS, 4);
    cr_assert_eq(got->groups_count, 2);
    cr_assert_eq(got->groups[0].error_code, KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED);
    cr_assert_eq(got->groups[1].error_code, KAFKA_ERROR_NONE);
}
