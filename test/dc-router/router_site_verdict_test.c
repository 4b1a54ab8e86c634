/* What the cluster has agreed on its sites, learned and heeded. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "router/site_verdict.h"
#include "router_world.h"

static struct world w;
static struct router_shard *all[1];
static unsigned taken[WORLD_NODES];

static void open_world(void)
{
    world_open(&w);
    all[0] = &w.shard;
    w.shard.all = all; /* it asks from now on */
    w.shard.shard_count = 1;
}

static void close_world(void)
{
    world_close(&w);
}

TestSuite(router_site_verdict, .init = open_world, .fini = close_world);

static struct router_verdict verdict_of(uint64_t epoch)
{
    static const struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct router_verdict verdict;
    cr_assert_eq(router_verdict_init(&verdict, sites, 3, NULL), 0);
    verdict.epoch = epoch;
    return verdict;
}

static void to_hex(const struct router_verdict *verdict, char *text)
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    int size = router_verdict_encode(verdict, bytes, sizeof bytes);
    cr_assert_gt(size, 0);
    for (int i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
}

/* Whichever node was asked answers with this. */
static void answer_of_cluster(const char *value, const char *cluster_id)
{
    struct kafka_describe_configs_response m;
    struct kafka_describe_configs_response_resource resource;
    struct kafka_describe_configs_response_config configs[2];
    kafka_describe_configs_response_init(&m);
    kafka_describe_configs_response_resource_init(&resource);
    kafka_describe_configs_response_config_init(&configs[0]);
    kafka_describe_configs_response_config_init(&configs[1]);
    configs[0].name = kafka_string_of("trilog.site.verdict");
    configs[0].value = kafka_string_of(value);
    configs[1].name = kafka_string_of("trilog.cluster.id");
    configs[1].value = kafka_string_of(cluster_id);
    resource.configs = configs;
    resource.configs_count = 2;
    m.resources = &resource;
    m.resources_count = 1;
    world_pass_ms(&w, 600);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (world_node(&w, id)->call_count > taken[id - 1]) {
            cr_assert_eq(world_call(&w, id, taken[id - 1])->header.api_key,
                         KAFKA_API_DESCRIBE_CONFIGS);
            world_node_answer(&w, id, taken[id - 1]++, &m);
            return;
        }
    cr_assert(false, "nobody was asked");
}

static void answer_next(const char *value)
{
    answer_of_cluster(value, "one");
}

Test(router_site_verdict, is_learned_and_an_earlier_one_is_not)
{
    char text[2 * ROUTER_VERDICT_SIZE_MAX + 1];
    struct router_verdict verdict = verdict_of(7);
    answer_next("");
    cr_assert_eq(w.shard.view.verdict.epoch, 0, "nothing is agreed");
    to_hex(&verdict, text);
    answer_next(text);
    cr_assert_eq(w.shard.view.verdict.epoch, 7);
    verdict = verdict_of(6);
    to_hex(&verdict, text);
    answer_next(text);
    cr_assert_eq(w.shard.view.verdict.epoch, 7);
    answer_next("not hex");
    answer_next("00ff");
    cr_assert_eq(w.shard.view.verdict.epoch, 7, "what can't be read changes nothing");
}

Test(router_site_verdict, of_a_cluster_that_was_formed_anew_is_learned_from_its_first_on)
{
    char text[2 * ROUTER_VERDICT_SIZE_MAX + 1];
    struct router_verdict verdict = verdict_of(700);
    verdict.failover_epoch = 3;
    to_hex(&verdict, text);
    answer_of_cluster(text, "one");
    verdict = verdict_of(2);
    verdict.sites[1].drain = ROUTER_DRAINED;
    to_hex(&verdict, text);
    answer_of_cluster("", "two");
    answer_of_cluster(text, "one");
    cr_assert_eq(w.shard.view.verdict.epoch, 700, "a node is behind");
    answer_of_cluster(text, "two");
    cr_assert_eq(w.shard.view.verdict.epoch, 2);
    verdict = verdict_of(3);
    to_hex(&verdict, text);
    answer_of_cluster(text, "two");
    cr_assert_eq(w.shard.view.verdict.epoch, 3);
}

Test(router_site_verdict, nobody_reads_near_in_a_site_that_is_left_or_drained)
{
    struct router_verdict verdict = verdict_of(1);
    verdict.sites[0].health = ROUTER_LEFT;
    verdict.sites[1].drain = ROUTER_DRAINED;
    cr_assert_not(site_verdict_lets_read(&verdict, "a"));
    cr_assert_not(site_verdict_lets_read(&verdict, "b"));
    cr_assert(site_verdict_lets_read(&verdict, "c"));
    cr_assert(site_verdict_lets_read(&verdict, "new"), "nothing is known of it");
    cr_assert(site_verdict_lets_read(&(struct router_verdict){0}, "a"), "nor of any");
}
