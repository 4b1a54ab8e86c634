/* What clients ask of a broker itself, when the broker is a router. */
#include <string.h>

#include "protocol/error.h"
#include "router_stage.h"

#define CONFIGS_VERSION 4
#define DIRS_VERSION    4
#define TOPIC           2
#define BROKER          4
#define OWN_ID          "1000001"

TestSuite(router_describe, .init = open_world, .fini = close_world);

/* ---- configs ---- */

static struct kafka_describe_configs_request_resource resource(int8_t type, const char *name)
{
    struct kafka_describe_configs_request_resource r;
    kafka_describe_configs_request_resource_init(&r);
    r.resource_type = type;
    r.resource_name = kafka_string_of(name);
    r.configuration_keys_count = -1;
    return r;
}

static void ask_configs(struct kafka_describe_configs_request_resource *resources, int32_t count)
{
    struct kafka_describe_configs_request m;
    kafka_describe_configs_request_init(&m);
    m.resources = resources;
    m.resources_count = count;
    world_send(&client, KAFKA_API_DESCRIBE_CONFIGS, CONFIGS_VERSION, &m);
}

static const struct kafka_describe_configs_response *configs(void)
{
    return world_answer(&client, KAFKA_API_DESCRIBE_CONFIGS, CONFIGS_VERSION);
}

static const struct kafka_describe_configs_response_config *
find(const struct kafka_describe_configs_response_resource *r, const char *name)
{
    for (int32_t i = 0; i < r->configs_count; i++)
        if (kafka_string_is_text(r->configs[i].name, name))
            return &r->configs[i];
    return NULL;
}

static void answer_one(int32_t node, int8_t type, const char *name)
{
    struct kafka_describe_configs_response m;
    struct kafka_describe_configs_response_resource told;
    kafka_describe_configs_response_init(&m);
    kafka_describe_configs_response_resource_init(&told);
    told.resource_type = type;
    told.resource_name = kafka_string_of(name);
    m.resources = &told;
    m.resources_count = 1;
    world_node_answer(&w, node, 0, &m);
}

Test(router_describe, its_own_settings_are_the_routers)
{
    struct kafka_describe_configs_request_resource asked = resource(BROKER, OWN_ID);
    ask_configs(&asked, 1);
    const struct kafka_describe_configs_response *m = configs();
    cr_assert_not_null(m);
    cr_assert_eq(asked_node(), -1);
    const struct kafka_describe_configs_response_config *site = find(&m->resources[0], "site");
    cr_assert_not_null(site);
    cr_assert(kafka_string_is_text(site->value, "a"));
    cr_assert(site->read_only);
    cr_assert_not_null(find(&m->resources[0], "max.connections"));
}

Test(router_describe, a_topics_beside_them_are_a_nodes_each_in_its_place)
{
    struct kafka_describe_configs_request_resource asked[] = {
        resource(BROKER, OWN_ID), resource(TOPIC, "t"), resource(BROKER, OWN_ID)};
    ask_configs(asked, 3);
    int32_t node = asked_node();
    cr_assert_geq(node, 1);
    const struct kafka_describe_configs_request *at_node = world_call(&w, node, 0)->message;
    cr_assert_eq(at_node->resources_count, 1);
    answer_one(node, TOPIC, "t");
    const struct kafka_describe_configs_response *m = configs();
    cr_assert_not_null(m);
    cr_assert_eq(m->resources_count, 3);
    cr_assert(kafka_string_is_text(m->resources[1].resource_name, "t"));
    cr_assert(kafka_string_is_text(m->resources[2].resource_name, OWN_ID));
    cr_assert_not_null(find(&m->resources[2], "site"));
}

Test(router_describe, a_node_that_leaves_one_out_is_not_answered_as_whole)
{
    struct kafka_describe_configs_request_resource asked[] = {
        resource(BROKER, OWN_ID), resource(TOPIC, "t"), resource(TOPIC, "u")};
    ask_configs(asked, 3);
    answer_one(asked_node(), TOPIC, "t");
    cr_assert(world_is_ended(&client));
}

static void assert_a_node_tells(const char *name)
{
    struct kafka_string key = kafka_string_of(name);
    struct kafka_describe_configs_request_resource asked = resource(BROKER, OWN_ID);
    asked.configuration_keys = &key;
    asked.configuration_keys_count = 1;
    ask_configs(&asked, 1);
    int32_t node = asked_node();
    cr_assert_geq(node, 1);
    answer_one(node, BROKER, OWN_ID);
    cr_assert_not_null(configs());
}

Test(router_describe, what_the_cluster_says_of_its_sites_is_a_nodes_to_tell)
{
    assert_a_node_tells("trilog.site.verdict");
}

Test(router_describe, and_so_is_which_cluster_says_so)
{
    assert_a_node_tells("trilog.cluster.id");
}

/* ---- folders ---- */

static void answer_folder(int32_t node)
{
    struct kafka_describe_log_dirs_response m;
    struct kafka_describe_log_dirs_response_result folder;
    kafka_describe_log_dirs_response_init(&m);
    kafka_describe_log_dirs_response_result_init(&folder);
    folder.log_dir = kafka_string_of("/data");
    folder.total_bytes = 100 * node;
    m.results = &folder;
    m.results_count = 1;
    world_node_answer(&w, node, 0, &m);
}

static const struct kafka_describe_log_dirs_response_result *
folder_at(const struct kafka_describe_log_dirs_response *m, const char *path)
{
    for (int32_t i = 0; i < m->results_count; i++)
        if (kafka_string_is_text(m->results[i].log_dir, path))
            return &m->results[i];
    return NULL;
}

Test(router_describe, folders_are_all_nodes_and_one_that_goes_is_an_error)
{
    struct kafka_describe_log_dirs_request m;
    kafka_describe_log_dirs_request_init(&m);
    m.topics_count = -1;
    world_send(&client, KAFKA_API_DESCRIBE_LOG_DIRS, DIRS_VERSION, &m);
    answer_folder(3);
    answer_folder(1);
    cr_assert_null(world_answer(&client, KAFKA_API_DESCRIBE_LOG_DIRS, DIRS_VERSION));
    world_cut(&w, 2);
    const struct kafka_describe_log_dirs_response *all = world_answer(
        &client, KAFKA_API_DESCRIBE_LOG_DIRS, DIRS_VERSION);
    cr_assert_not_null(all);
    cr_assert_eq(all->results_count, 3);
    cr_assert_eq(folder_at(all, "1:/data")->total_bytes, 100);
    cr_assert_eq(folder_at(all, "3:/data")->total_bytes, 300);
    cr_assert_eq(folder_at(all, "2:")->error_code, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
}
