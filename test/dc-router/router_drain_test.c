/* A router that is told to end lets its clients go in peace. */
#include "protocol/error.h"
#include "router/face.h"
#include "router_requests.h"
#include "router_stage.h"

TestSuite(router_drain, .init = open_world, .fini = close_world);

static void drain(void)
{
    w.shard.is_draining = true;
    w.shard.drains_ms = router_now_ms(&w.shard);
    w.shard.listen_descriptor = -1;
    world_pass_ms(&w, 60);
}

static void send_batch(void)
{
    world_send_batch(&client, "t", 20000);
}

static void acknowledge(unsigned n)
{
    struct kafka_produce_response_partition partition;
    kafka_produce_response_partition_init(&partition);
    partition.base_offset = 42;
    world_answer_produce(&w, 1, n, &partition);
}

static bool is_acknowledged(void)
{
    const struct kafka_produce_response *got = world_batch_answer(&client);
    return got != NULL && got->topics[0].partitions[0].error_code == KAFKA_ERROR_NONE &&
           got->topics[0].partitions[0].base_offset == 42;
}

static void send_fetch(void)
{
    struct kafka_fetch_request_partition partition;
    kafka_fetch_request_partition_init(&partition);
    world_send_fetch(&client, "t", 30000, &partition, 1);
}

Test(router_drain, a_connection_at_rest_ends_at_once)
{
    drain();
    cr_assert(world_is_ended(&client));
}

Test(router_drain, what_is_under_way_is_answered_first)
{
    send_batch();
    world_call(&w, 1, 0);
    drain();
    cr_assert_not(world_is_ended(&client));
    acknowledge(0);
    cr_assert(is_acknowledged());
    world_pass_ms(&w, 60);
    cr_assert(world_is_ended(&client));
}

Test(router_drain, a_client_that_never_rests_is_not_heard_any_more_after_a_while)
{
    send_batch();
    drain();
    send_batch();
    world_call(&w, 1, 1);
    world_pass_ms(&w, 2100);
    send_batch();
    world_settle(&w);
    cr_assert_eq(world_node(&w, 1)->call_count, 2, "the client keeps it for another router");
    acknowledge(0);
    acknowledge(1);
    cr_assert(is_acknowledged());
    cr_assert(is_acknowledged());
    world_pass_ms(&w, 60);
    cr_assert(world_is_ended(&client), "told, not reset: it has both answers");
}

Test(router_drain, a_fetch_that_waits_at_a_node_is_not_waited_for)
{
    send_fetch();
    world_call(&w, 1, 0);
    drain();
    const struct kafka_fetch_response *got = world_fetch_answer(&client);
    cr_assert_not_null(got, "answered with what there is");
    cr_assert_eq(got->error_code, KAFKA_ERROR_NONE);
    cr_assert(world_is_ended(&client));
}

Test(router_drain, a_client_that_does_not_hear_of_the_end_is_closed)
{
    drain();
    cr_assert_eq(w.shard.client_count, 1, "it lingers");
    world_pass_ms(&w, 1200);
    cr_assert_eq(w.shard.client_count, 0);
}

Test(router_drain, clients_are_told_of_the_others_if_there_are_any)
{
    struct face face;
    drain();
    face_look(&w.shard, NULL, &face);
    cr_assert_eq(face.count, 1);
    cr_assert_eq(face.brokers[0].id, 1000001);
    w.settings.routers = (struct conf_routers){
        .count = 1, .entries = {{.router_id = 1000002, .site = "a", .address = {"b", 1}}}};
    w.shard.view.live[0] = 1000002;
    w.shard.view.live_count = 1;
    face_look(&w.shard, NULL, &face);
    cr_assert_eq(face.count, 1);
    cr_assert_eq(face.brokers[0].id, 1000002);
}
