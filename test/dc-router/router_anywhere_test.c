/* What any node does for the whole cluster, and what of it outlasts a node's silence or our own. */
#include <criterion/criterion.h>

#include "router/router.h"
#include "router/shard.h"
#include "router_world.h"

#define CREATE_VERSION 4

static struct world w;
static struct world_client client;

static void open_world(void)
{
    world_open(&w);
    world_connect(&w, &client);
}

static void close_world(void)
{
    world_disconnect(&client);
    world_close(&w);
}

TestSuite(router_anywhere, .init = open_world, .fini = close_world);

/* Returns the node that was asked. */
static struct world_node *ask_for_topic(void)
{
    struct kafka_create_topics_request m;
    struct kafka_create_topics_request_topic topic;
    kafka_create_topics_request_init(&m);
    kafka_create_topics_request_topic_init(&topic);
    topic.name = kafka_string_of("new");
    m.topics = &topic;
    m.topics_count = 1;
    m.timeout_ms = 30000;
    world_send(&client, KAFKA_API_CREATE_TOPICS, CREATE_VERSION, &m);
    world_settle(&w);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (world_node(&w, id)->call_count > 0)
            return world_node(&w, id);
    cr_assert_fail("no node was asked");
    return NULL;
}

static void answer_created(const struct world_node *n)
{
    struct kafka_create_topics_response m;
    struct kafka_create_topics_response_topic topic;
    kafka_create_topics_response_init(&m);
    kafka_create_topics_response_topic_init(&topic);
    topic.name = kafka_string_of("new");
    m.topics = &topic;
    m.topics_count = 1;
    world_node_answer(&w, n->id, 0, &m);
}

Test(router_anywhere, an_answer_that_can_not_be_read_is_not_passed_on)
{
    world_node_answer_garbage(&w, ask_for_topic()->id, 0);
    cr_assert(world_is_ended(&client));
}

static bool is_told_created(void)
{
    const struct kafka_create_topics_response *got = world_answer(&client, KAFKA_API_CREATE_TOPICS,
                                                                  CREATE_VERSION);
    return got != NULL && got->topics_count == 1 && got->topics[0].error_code == 0;
}

static bool is_up(const struct world_node *n)
{
    return router_node_is_up(node_pool_find(&w.shard, n->id));
}

Test(router_anywhere, what_a_node_has_done_is_waited_for_while_it_is_silent)
{
    struct world_node *n = ask_for_topic();
    n->is_hanging = true;
    world_pass_ms(&w, 5000);
    cr_assert_not(is_up(n), "it is silent");
    cr_assert_not(world_is_ended(&client));
    n->is_hanging = false;
    answer_created(n);
    cr_assert(is_told_created());
}

Test(router_anywhere, the_clients_connection_ends_when_the_nodes_does)
{
    struct world_node *n = ask_for_topic();
    n->is_hanging = true;
    world_pass_ms(&w, 5000);
    world_cut(&w, n->id);
    world_pass_ms(&w, 100);
    cr_assert(world_is_ended(&client), "nobody knows whether the topic is there");
}

Test(router_anywhere, or_when_its_time_is_over)
{
    struct world_node *n = ask_for_topic();
    n->is_hanging = true;
    world_pass_ms(&w, 30000 + 9000);
    cr_assert_not(world_is_ended(&client));
    world_pass_ms(&w, 2000);
    cr_assert(world_is_ended(&client));
}

Test(router_anywhere, nobody_is_taken_for_silent_who_was_not_heard_because_the_router_slept)
{
    world_pass_ms(&w, 300); /* a probe is under way, or was just answered */
    fake_clock_advance_ms(&w.clock, 10000);
    for (int step = 0; step < 200; step++) {
        router_shard_tick(&w.shard); /* before what came meanwhile is read */
        for (int32_t id = 1; id <= WORLD_NODES; id++)
            cr_assert(is_up(world_node(&w, id)), "step %d", step);
        world_pass_ms(&w, 20);
    }
}

Test(router_anywhere, but_who_says_nothing_after_it_woke_is)
{
    struct world_node *n = world_node(&w, 2);
    fake_clock_advance_ms(&w.clock, 10000);
    n->is_hanging = true;
    world_pass_ms(&w, 900);
    cr_assert(is_up(n));
    world_pass_ms(&w, 400);
    cr_assert_not(is_up(n));
}
