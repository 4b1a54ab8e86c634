/* What a router finds of sites, told to the cluster: what fails, for as long as it does, and once
 * that it is well again. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "dc-router/policy_report.h"
#include "protocol/error.h"
#include "router_world.h"

static struct world w;
static struct router_shard *all[1];
static unsigned looked[WORLD_NODES];

/* The router stands in a, node 1 too; 2 in b, 3 in c. */
static void open_world(void)
{
    static const char *const names[WORLD_NODES] = {"a", "b", "c"};
    static const struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    world_open(&w);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        world_node(&w, id)->site = names[id - 1];
    cluster_map_want(&w.shard, kafka_string_of("t"));
    world_pass_ms(&w, 100);
    cr_assert_eq(router_verdict_init(&w.shard.view.verdict, sites, 3, NULL), 0);
    all[0] = &w.shard;
    w.shard.all = all;                     /* it tells from now on */
    w.shard.site_verdict.is_asking = true; /* and asks nothing */
    w.shard.shard_count = 1;
}

static void close_world(void)
{
    world_close(&w);
}

TestSuite(router_site_report, .init = open_world, .fini = close_world);

/* The next report that came to any node, if there is one; those before it are looked at once. */
static struct world_call *next_report(int32_t *node)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        while (looked[id - 1] < world_node(&w, id)->call_count) {
            struct world_call *call = world_call(&w, id, looked[id - 1]++);
            *node = id;
            if (call->header.api_key == KAFKA_API_INCREMENTAL_ALTER_CONFIGS)
                return call;
        }
    return NULL;
}

static struct world_call *wait_report(int32_t *node)
{
    struct world_call *call = next_report(node);
    for (unsigned passed = 0; passed < 10000 && call == NULL; passed += 20) {
        world_pass_ms(&w, 20);
        call = next_report(node);
    }
    cr_assert_not_null(call, "nothing was told");
    return call;
}

static void answer(int32_t node, int16_t error_code)
{
    struct kafka_incremental_alter_configs_response m;
    struct kafka_incremental_alter_configs_response_resource resource;
    kafka_incremental_alter_configs_response_init(&m);
    kafka_incremental_alter_configs_response_resource_init(&resource);
    resource.error_code = error_code;
    resource.resource_type = 4;
    m.resources = &resource;
    m.resources_count = 1;
    world_node_answer(&w, node, looked[node - 1] - 1, &m);
}

/* What it says, read as a node does. */
static unsigned read_told(const struct world_call *call,
                          struct router_told told[ROUTER_REPORTS_MAX])
{
    const struct kafka_incremental_alter_configs_request *m = call->message;
    struct err_note note = {0};
    cr_assert_eq(m->resources_count, 1);
    cr_assert_eq(m->resources[0].resource_type, 4);
    cr_assert_eq(m->resources[0].configs_count, 1);
    const struct kafka_incremental_alter_configs_request_config *c = m->resources[0].configs;
    cr_assert(kafka_string_is_text(c->name, "trilog.site.report"));
    int count = router_report_read(bytes_of(c->value.data, (size_t)c->value.size), told, &note);
    cr_assert_gt(count, 0, "%s", note.text);
    return (unsigned)count;
}

/* The next report is of b alone. */
static int32_t expect(enum router_stage stage)
{
    struct router_told told[ROUTER_REPORTS_MAX];
    int32_t node;
    cr_assert_eq(read_told(wait_report(&node), told), 1);
    cr_assert_str_eq(told[0].from, "a");
    cr_assert_str_eq(told[0].to, "b");
    cr_assert_eq(told[0].stage, stage);
    return node;
}

static void expect_silence(unsigned ms)
{
    int32_t node;
    for (unsigned passed = 0; passed < ms; passed += 100) {
        world_pass_ms(&w, 100);
        cr_assert_null(next_report(&node));
    }
}

Test(router_site_report, says_nothing_while_all_is_well)
{
    expect_silence(5000);
}

Test(router_site_report, a_site_that_answers_nothing_is_told_twice_a_second_and_once_that_it_does)
{
    world_node(&w, 2)->is_hanging = true;
    answer(expect(ROUTER_STAGE_ANSWER), 0);
    uint64_t begin_ms = w.shard.site_report.told_ms;
    for (unsigned i = 0; i < 4; i++)
        answer(expect(ROUTER_STAGE_ANSWER), 0);
    uint64_t apart_ms = (w.shard.site_report.told_ms - begin_ms) / 4;
    cr_assert(apart_ms >= 500 && apart_ms < 600, "%llu", (unsigned long long)apart_ms);
    world_node(&w, 2)->is_hanging = false;
    while (site_report_stage(&w.shard, "b") != ROUTER_STAGE_NONE)
        world_pass_ms(&w, 20);
    answer(expect(ROUTER_STAGE_NONE), 0);
    expect_silence(3000);
    cr_assert_eq(w.shard.counts.reports[REPORT_TAKEN], 6);
    cr_assert_eq(w.shard.counts.reports[REPORT_REFUSED], 0);
}

Test(router_site_report, a_site_that_takes_no_connections_is_told_as_such)
{
    close(world_node(&w, 2)->listener);
    world_node(&w, 2)->listener = -1;
    world_cut(&w, 2);
    answer(expect(ROUTER_STAGE_CONNECT), 0);
    answer(expect(ROUTER_STAGE_CONNECT), 0);
}

Test(router_site_report, what_is_well_again_is_told_until_some_node_has_heard_it)
{
    world_node(&w, 2)->is_hanging = true;
    answer(expect(ROUTER_STAGE_ANSWER), 0);
    world_node(&w, 2)->is_hanging = false;
    for (unsigned i = 0; i < 3; i++) {
        world_pass_ms(&w, 600);
        int32_t node;
        struct world_call *call = next_report(&node);
        if (call != NULL)
            world_cut(&w, node);
    }
    cr_assert_gt(w.shard.counts.reports[REPORT_LOST], 0);
    answer(expect(ROUTER_STAGE_NONE), KAFKA_ERROR_THROTTLING_QUOTA_EXCEEDED);
    cr_assert_eq(w.shard.counts.reports[REPORT_REFUSED], 1);
    expect_silence(3000);
}

Test(router_site_report, a_site_is_well_while_one_of_its_nodes_answers)
{
    world_node(&w, 3)->site = "b";
    cluster_map_want(&w.shard, kafka_string_of("t"));
    world_pass_ms(&w, 100);
    world_node(&w, 2)->is_hanging = true;
    expect_silence(5000);
    cr_assert_eq(site_report_stage(&w.shard, "b"), ROUTER_STAGE_NONE);
    cr_assert_eq(site_report_stage(&w.shard, "c"), ROUTER_STAGE_COUNT, "nothing is known of it");
    world_node(&w, 3)->is_hanging = true;
    answer(expect(ROUTER_STAGE_ANSWER), 0);
}

Test(router_site_report, a_router_of_a_site_that_the_cluster_does_not_have_says_nothing)
{
    static const struct router_site sites[] = {{"b", 1}, {"c", 1}};
    cr_assert_eq(router_verdict_init(&w.shard.view.verdict, sites, 2, NULL), 0);
    world_node(&w, 2)->is_hanging = true;
    expect_silence(5000);
    cr_assert_eq(site_report_stage(&w.shard, "b"), ROUTER_STAGE_ANSWER);
}

Test(router_site_report, where_no_node_answers_nobody_is_told_and_the_first_that_does_hears_it)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        world_node(&w, id)->is_hanging = true;
    expect_silence(5000);
    world_node(&w, 3)->is_hanging = false;
    struct router_told told[ROUTER_REPORTS_MAX];
    int32_t node;
    struct world_call *call = wait_report(&node);
    cr_assert_eq(node, 3);
    cr_assert_eq(read_told(call, told), 2, "a and b");
    cr_assert_str_eq(told[0].to, "a");
    cr_assert_str_eq(told[1].to, "b");
    answer(node, 0);
}
